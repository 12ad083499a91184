"""Programs in a lab, and whether they are alive."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.support import paths

ROOT = str(paths.ROOT)


def run_script(script: str, *arguments: str, runner: tuple[str, ...] = ()) -> str:
    command = [*runner, sys.executable, "-c", PREAMBLE + script, ROOT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


PREAMBLE = """
import os, sys, json
sys.path.append(sys.argv[1])
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.lab_client import Lab
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
