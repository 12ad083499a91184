"""A command as it runs on another system: Linux's names are taken away from Python.

It is a simulation. What the system itself does differently only that system shows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.command import PATIENCE_S, WIDE
from tests.support.paths import ROOT

# Executed in the command and in each of its children, before anything of ours. What
# Python itself decides by these names when it is imported, it has to decide before.
WITHOUT_LINUX = """
import asyncio, ctypes, multiprocessing, os, select, selectors, signal, socket, ssl
import subprocess, sys, sysconfig, tempfile, threading, time, urllib.request, uuid
sysconfig.get_config_vars()
for module, names in (
    (os, ("fork", "waitid", "memfd_create", "sched_getaffinity", "unshare", "setns")),
    (select, ("epoll",)),
    (selectors, ("EpollSelector",)),
    (time, ("CLOCK_BOOTTIME",)),
    (socket, ("AF_PACKET", "AF_NETLINK", "TCP_INFO", "TCP_KEEPIDLE", "TCP_USER_TIMEOUT",
              "MSG_CMSG_CLOEXEC", "MSG_ERRQUEUE", "SO_BINDTODEVICE")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
selectors.DefaultSelector = selectors.{selector}
sys.platform = "darwin"
"""
# The way of Windows: no descriptor is left to a child.
_COMMAND = """
import vestbench.children as children
children.INHERITED = {inherited}
children._START = {setup!r} + children._START
from vestbench.__main__ import main
main()
"""


def run_elsewhere(
    *words: str, folder: Path, selector: str = "SelectSelector", inherited: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command without the names of Linux.

    Args:
        words: As they are typed.
        folder: Where it runs.
        selector: The best that the system has.
        inherited: False has children connect over loopback, as on Windows.
    """
    setup = WITHOUT_LINUX.replace("{selector}", selector)
    script = setup + _COMMAND.format(inherited=inherited, setup=setup)
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=10 * PATIENCE_S,
        env={**os.environ, **WIDE, "PYTHONPATH": str(ROOT)},
    )
