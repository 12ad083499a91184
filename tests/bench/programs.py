"""Other people's programs, started where the exchange can be reached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# As `SimulatedVenue.spawn`: starts a program with descriptors of this process.
Spawn = Callable[[Sequence[str], Mapping[int, int]], Any]


def find(name: str) -> str | None:
    """Return the path of a program: beside this Python, in PATH or in /usr/sbin."""
    folders = [
        str(Path(sys.executable).parent),
        os.environ.get("PATH", ""),
        "/usr/sbin",
    ]
    return shutil.which(name, path=os.pathsep.join(folders))


def output_of(argv: Sequence[str], spawn: Spawn | None = None) -> str:
    """Run a program to its end and return what it wrote to its standard output.

    Args:
        argv: The program and its arguments.
        spawn: Starts it at the client's end of a link; None starts it here.
    """
    reader, writer = os.pipe()
    with os.fdopen(reader) as pipe:
        try:
            started = (spawn or _spawn_here)(argv, {1: writer})
        finally:
            os.close(writer)
        text = pipe.read()  # until the program has ended
    wait = getattr(started, "wait", None)
    if wait is not None:
        wait(10.0)
    return text


def _spawn_here(argv: Sequence[str], fds: Mapping[int, int]) -> Any:
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=fds[1])
