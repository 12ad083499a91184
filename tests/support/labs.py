"""Programs in a lab, and whether they are alive."""

from __future__ import annotations

import subprocess
import sys

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
