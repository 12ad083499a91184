"""Has a Python on Linux know no name that only Linux has: macOS, simulated.

It is a simulation of names alone: the kernel below stays Linux's, and no timer, socket
or file behaves as on macOS. A Python imports this module before all others where its
folder is in PYTHONPATH, as in that of each process of ours.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import sys
import sysconfig
import time
import types

sysconfig.get_config_vars()  # read while the file has the name that Linux gives it

# What <https://docs.python.org/3/library/> says to be available on Linux, not on macOS.
_ABSENT = {
    select: ("epoll", "EPOLL*"),
    selectors: ("EpollSelector",),
    socket: (
        "AF_NETLINK",
        "AF_PACKET",
        "AF_VSOCK",
        "CAN_*",
        "MSG_ERRQUEUE",
        "MSG_CONFIRM",
        "MSG_MORE",
        "MSG_CMSG_CLOEXEC",
        "NETLINK_*",
        "PACKET_*",
        "SO_BINDTODEVICE",
        "SO_DOMAIN",
        "SO_MARK",
        "SO_PASSCRED",
        "SO_PEERCRED",
        "SO_PEERSEC",
        "SO_PRIORITY",
        "SO_PROTOCOL",
        "SO_INCOMING_CPU",
        "SOCK_CLOEXEC",
        "SOCK_NONBLOCK",
        "TCP_CONGESTION",
        "TCP_CORK",
        "TCP_DEFER_ACCEPT",
        "TCP_INFO",
        "TCP_KEEPIDLE",
        "TCP_LINGER2",
        "TCP_QUICKACK",
        "TCP_SYNCNT",
        "TCP_USER_TIMEOUT",
        "TCP_WINDOW_CLAMP",
    ),
    os: (
        "CLONE_*",
        "MFD_*",
        "O_DIRECT",
        "O_PATH",
        "O_TMPFILE",
        "SCHED_BATCH",
        "SCHED_IDLE",
        "accept4",
        "dup3",
        "eventfd*",
        "fdatasync",
        "getresgid",
        "getresuid",
        "memfd_create",
        "pidfd_open",
        "pipe2",
        "posix_fadvise",
        "posix_fallocate",
        "sched_getaffinity",
        "sched_setaffinity",
        "sched_setscheduler",
        "setns",
        "setresgid",
        "setresuid",
        "splice",
        "timerfd*",
        "unshare",
    ),
    time: ("CLOCK_BOOTTIME", "CLOCK_TAI"),
    signal: (
        "SIGCLD",
        "SIGPOLL",
        "SIGPWR",
        "SIGRTMAX",
        "SIGRTMIN",
        "SIGSTKFLT",
        "pidfd_send_signal",
        "sigtimedwait",
        "sigwaitinfo",
    ),
}


def _take_away() -> None:
    for module, names in _ABSENT.items():
        for pattern in names:
            stem = pattern.rstrip("*")
            for name in list(vars(module)):
                if name == pattern or (stem != pattern and name.startswith(stem)):
                    delattr(module, name)


def _proxies() -> types.ModuleType:
    """Return what stands for macOS's own module of proxies: there are none."""
    module = types.ModuleType("_scproxy")
    vars(module).update(_get_proxies=dict, _get_proxy_settings=dict)
    return module


_uname = os.uname()


def _name() -> os.uname_result:
    return os.uname_result(("Darwin", _uname.nodename, "24.0", "simulated", "arm64"))


_take_away()
selectors.DefaultSelector = selectors.PollSelector  # type: ignore[assignment,misc]
os.uname = _name
sys.modules["_scproxy"] = _proxies()
sys.platform = "darwin"
