"""Programs in a lab, and whether they are alive."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import paths
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.lab_client import Lab
from vestbench.simulator.links import Link, open_link

ROOT = str(paths.ROOT)


def run_script(script: str, *arguments: str, runner: tuple[str, ...] = ()) -> str:
    command = [*runner, sys.executable, "-c", PREAMBLE + script, ROOT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def open_lab(spec: LinkSpec) -> Lab:
    """Return a network of the packet engine, or of another that has one."""
    link = open_link(spec)
    assert isinstance(link, Lab)
    return link


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def complaint(link: Link) -> str:
    """Wait until `check` complains."""
    found = ""

    def complains() -> bool:
        nonlocal found
        try:
            link.check()
        except LabError as error:
            found = str(error).partition("; its own message")[0]
        return bool(found)

    assert eventually(complains)
    return found


PREAMBLE = """
import os, sys, json
sys.path.append(sys.argv[1])
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.links import open_link
"""

# Makes one system call fail with EPERM, as Docker's default profile does.
SECCOMP = """
import ctypes, platform
class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte),
                ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]
number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
code = (Instruction * 4)(Instruction(0x20, 0, 0, 0), Instruction(0x15, 0, 1, number),
    Instruction(0x06, 0, 0, 0x00050001), Instruction(0x06, 0, 0, 0x7FFF0000))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Program(4, code)), 0, 0) == 0
"""
needs_seccomp = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="the filter is written for two architectures of Linux",
)
