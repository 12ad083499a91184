"""The system on which commands are typed: Windows under wine, or macOS, simulated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.support.command import WIDE
from tests.support.paths import ROOT

PATIENCE_S = 300.0  # wine takes seconds to start


class System(Protocol):
    """Starts a Python that believes to be elsewhere."""

    @property
    def name(self) -> str:
        """What `sys.platform` is there."""

    @property
    def start(self) -> Sequence[str]:
        """How its Python is started."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of that."""

    @property
    def code_page(self) -> str:
        """What it writes where it is no console."""


class MacOs:
    """A Python of Linux that knows no name of Linux alone: a simulation."""

    name = "darwin"
    start = (sys.executable,)
    code_page = "utf-8"

    @property
    def environment(self) -> dict[str, str]:
        """Its environment, in which it loses those names as it starts."""
        path = os.pathsep.join((str(ROOT / "tests" / "systems" / "macos"), str(ROOT)))
        return {**os.environ, **WIDE, "PYTHONPATH": path}


def run(
    system: System, words: Sequence[str], folder: Path, start: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program of a system in a folder, with its output redirected.

    Args:
        system: Whose.
        words: For its Python, or for another program.
        folder: Where.
        start: That other program.

    Returns:
        Its exit code, and its output decoded and with its newlines as they are.
    """
    argv = [*(start or system.start), *words]
    done = subprocess.run(
        argv,
        cwd=folder,
        env=system.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    texts = [text.decode(system.code_page) for text in (done.stdout, done.stderr)]
    return subprocess.CompletedProcess(argv, done.returncode, *texts)
