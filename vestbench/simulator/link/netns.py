"""A private network for this process: namespaces, interfaces and process controls.

Everything is done by system calls from the standard library, so neither root nor
`ip`, `unshare` or `tc` is needed. Nothing here starts a process.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import sys
from functools import cache

from vestbench.kernel.process import prctl
from vestbench.simulator.link.machine import (
    LinkRefusedError,
    congestion_control,
    read_text,
    refusing,
)

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
IFF_UP = 0x1
IFF_NOARP = 0x80

RTM_NEWLINK, RTM_NEWROUTE = 16, 24
RTA_OIF = 4
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400


@cache
def libc() -> Any:
    """The C library of this process; refused where Python has no ctypes."""
    try:
        import ctypes
    except ImportError as missing:
        raise LinkRefusedError(
            "ctypes", "no-ctypes", hint="this Python was built without ctypes"
        ) from missing
    return ctypes.CDLL(None, use_errno=True)


def _write_text(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _prctl(option: int, value: Any) -> None:
    libc()  # refused where there is none
    prctl(option, value)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent, a single thread, ends."""
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    # The parent may have ended before the call; nothing would then be sent.
    if os.getppid() != parent:
        os._exit(1)


def die_with_outer_parent() -> None:
    """Have the kernel kill this process when its parent, in outer namespaces, ends.

    That one has no number here. Who calls this has to look for another sign that it
    had ended before the call.
    """
    _prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def let_others_join() -> None:
    """Let other processes of this user join the namespaces of this one."""
    # Who has entered a user namespace is hidden from them, until its next `exec`.
    _prctl(PR_SET_DUMPABLE, 1)


def adopt_orphans() -> None:
    """Make descendants whose parent ends children of this process."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def enter() -> None:
    """Move the calling process into a user and network namespace of its own.

    The process keeps its user id and has all rights over the new network until its
    next `exec`. There is no way back.

    Raises:
        LinkRefusedError: A step was refused. The process may be inside already (where
            only the id maps were refused) and has no network then.
    """
    with refusing("proc", "no-proc", hint="/proc is not mounted"):
        # The kernel's count, so those of C libraries are in it.
        threads = len(os.listdir("/proc/self/task"))
    # The kernel refuses CLONE_NEWUSER then, but CLONE_NEWNET alone would silently move
    # one thread only.
    if threads > 1:
        code, hint = _explain_unshare(errno.EINVAL, threads)
        raise LinkRefusedError("unshare", code, hint=hint)
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(CLONE_NEWUSER | CLONE_NEWNET)
    except OSError as error:
        if user == 0 and _unshared_as_root():
            return
        code, hint = _explain_unshare(error.errno or 0, threads)
        raise LinkRefusedError("unshare", code, error, hint) from error
    _write_id_maps(user, group)


def need_user_namespace() -> None:
    """Enter a user namespace, as root too, who can do much without one.

    Raises:
        LinkRefusedError: It was refused.
    """
    try:
        _unshare(CLONE_NEWUSER)
    except OSError as error:
        code, hint = _explain_unshare(error.errno or 0, 1)
        raise LinkRefusedError("unshare", code, error, hint) from error


def _unshare(flags: int) -> None:
    import ctypes

    if libc().unshare(ctypes.c_int(flags)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _unshared_as_root() -> bool:
    """Real root needs no user namespace, so its limits and policies do not matter."""
    try:
        _unshare(CLONE_NEWNET)
    except OSError:
        return False
    return True


def _explain_unshare(number: int, threads: int) -> tuple[str, str]:
    """Return the code and the hint for an error of `unshare`."""
    if number == errno.EINVAL:
        if threads > 1:
            hint = "enter in a child process, before numpy or uvloop is imported"
            return "process-is-multithreaded", hint
        return "kernel-without-namespaces", "CONFIG_USER_NS or CONFIG_NET_NS is off"
    if number in (errno.ENOSPC, errno.EUSERS):
        zero = [
            f"sysctl user.max_{kind}_namespaces is 0"
            for kind in ("user", "net")
            if read_text(f"/proc/sys/user/max_{kind}_namespaces") == "0"
        ]
        others = "a limit of an outer namespace, or 32 levels deep"
        return "namespace-limit-reached", ", ".join(zero) or others
    if number == errno.ENOSYS:
        return "syscall-missing", "gVisor or another emulated kernel"
    if number == errno.EPERM:
        return _explain_permission()
    return "unshare-failed", ""


def _explain_permission() -> tuple[str, str]:
    # The files only explain; what works was decided by doing it.
    if read_text("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "userns-disabled-debian", "sysctl kernel.unprivileged_userns_clone=1"
    if "Seccomp:\t2" in read_text("/proc/self/status"):
        needs = "it needs --cap-add SYS_ADMIN, or a seccomp profile that allows unshare"
        return "blocked-by-seccomp", f"a container: {needs}"
    modules = "SELinux, AppArmor or another security module"
    return "not-permitted", f"a chroot, or a policy of {modules}"


def _write_id_maps(user: int, group: int) -> None:
    """Map the own ids to themselves, one write per file, in the kernel's order."""
    restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
    code, hint = "id-map-refused", ""
    if read_text(restricted) == "1":
        code = "apparmor-restricts-userns"
        setting = "sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        hint = f"Ubuntu 23.10 or later: {setting}, or an AppArmor profile"
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with refusing("id-map", code, {errno.ENOENT: "no-proc"}, hint):
            _write_text(f"/proc/self/{file}", text)


def set_sysctl(key: str, value: str) -> bool:
    """Try to set a kernel parameter; many containers mount /proc/sys read-only."""
    try:
        _write_text("/proc/sys/" + key.replace(".", "/"), value)
    except OSError:
        return False
    return True


def tame_tcp() -> None:
    """Set what would otherwise falsify measurements in a fresh namespace."""
    # BBR paces even a first flight: +6 ms for 14 kB at 25 ms. In a user namespace only
    # reno and the default of the system may be chosen.
    if congestion_control() not in ("cubic", "reno", ""):
        name = "net.ipv4.tcp_congestion_control"
        _ = set_sysctl(name, "cubic") or set_sysctl(name, "reno")
    # Else the window and the round trip of old connections leak into cold ones.
    set_sysctl("net.ipv4.tcp_no_metrics_save", "1")
    # No router solicitations on the link.
    set_sysctl("net.ipv6.conf.all.disable_ipv6", "1")
    # Whoever serves inside may be an ordinary user, and names are asked on port 53.
    set_sysctl("net.ipv4.ip_unprivileged_port_start", "0")


def interface_request(name: str, tail: bytes) -> bytes:
    """Pack a `struct ifreq`."""
    return struct.pack("16s24s", name.encode(), tail)


def configure_interface(
    name: str, *, address: str = "", mask: str = "", flags: int = IFF_UP
) -> None:
    """Give an interface of this namespace an address and set flags besides its own."""
    import fcntl

    def packed(host: str) -> bytes:
        return struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(host))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        if address:
            fcntl.ioctl(handle, SIOCSIFADDR, interface_request(name, packed(address)))
            fcntl.ioctl(handle, SIOCSIFNETMASK, interface_request(name, packed(mask)))
        answer = fcntl.ioctl(handle, SIOCGIFFLAGS, interface_request(name, b""))
        present = struct.unpack_from("=H", answer, 16)[0]
        wanted = struct.pack("=H", present | flags)
        fcntl.ioctl(handle, SIOCSIFFLAGS, interface_request(name, wanted))


def attribute(kind: int, data: bytes) -> bytes:
    """Pack a netlink attribute."""
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def interface_info(index: int = 0) -> bytes:
    """Pack a `struct ifinfomsg` that changes no flags."""
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)


def change_link(body: bytes, flags: int = 0) -> None:
    """Create or change an interface through netlink (RTM_NEWLINK)."""
    _ask_kernel(RTM_NEWLINK, body, flags)


def lead_everywhere(name: str) -> None:
    """Let every IPv4 address be reached through an interface (RTM_NEWROUTE)."""
    # struct rtmsg: no prefix, table main, protocol static, scope link, type unicast.
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 4, 253, 1, 0)
    index = struct.pack("=I", socket.if_nametoindex(name))
    _ask_kernel(RTM_NEWROUTE, head + attribute(RTA_OIF, index), NLM_F_CREATE)


def _ask_kernel(kind: int, body: bytes, flags: int) -> None:
    """Send a request to netlink, and raise the error that it answers with."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as handle:
        handle.bind((0, 0))
        flags |= NLM_F_REQUEST | NLM_F_ACK
        head = struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0)
        handle.send(head + body)
        answer = handle.recv(65536)
    _, told, _, _, _, number = struct.unpack_from("=IHHIIi", answer)
    if told == NLMSG_ERROR and number:
        raise OSError(-number, os.strerror(-number))
