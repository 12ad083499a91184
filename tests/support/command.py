"""Runs the command, in this process or in one of its own, as typed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from typer.testing import CliRunner, Result

from vestbench.cli import app

# So wide that no sentence is wrapped: where a line breaks depends on the digits of
# what was measured.
WIDE = {"COLUMNS": "400"}

# For a command of its own process: long enough for any machine.
PATIENCE_S = 60.0

COMMAND = (sys.executable, "-m", "vestbench")

# Loopback: no link to start, and a few milliseconds a request.
QUICK = ("--rtt", "0ms", "--processing", "0ms")


def vestbench(*words: str) -> Result:
    return CliRunner().invoke(app, words, env=WIDE)


@contextmanager
def started(
    *words: str, before: Callable[[], None] | None = None, **env: str
) -> Iterator[subprocess.Popen[str]]:
    """Run the command in a process meanwhile, and end it if it has not ended.

    Args:
        words: What is typed.
        before: Called in the new process just before it becomes the command.
        env: What its environment has besides ours.
    """
    with subprocess.Popen(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **WIDE, **env},
        preexec_fn=before,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(
    *words: str, before: Callable[[], None] | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process until it ends."""
    with started(*words, before=before, **env) as process:
        out, errors = process.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(words, process.returncode, out, errors)
