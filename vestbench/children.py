"""Starting child processes of ours, each with one end of a channel.

What starts them is handed in where it is not this process: a lab starts a program in
its own network.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Protocol

from vestbench.ipc import Channel, pair


class Process(Protocol):
    """A started process."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit status, or None where it still runs after that time."""

    def kill(self) -> None:
        """End it at once."""


# Starts a program with descriptors of this process under the numbers given:
# (argv, {number in the program: number here}).
Spawner = Callable[[Sequence[str], Mapping[int, int]], Process]


class Child:
    """An ordinary child of this process, in a session of its own.

    No signal that a terminal sends reaches it: the parent decides what Ctrl-C ends.
    """

    def __init__(self, argv: Sequence[str], fds: Mapping[int, int]) -> None:
        if any(child != here for child, here in fds.items()):
            raise ValueError("a child has its descriptors under their own number")
        self._process = subprocess.Popen(
            argv,
            pass_fds=tuple(fds.values()),
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.poll = self._process.poll
        self.kill = self._process.kill

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit status, or None where it still runs after that time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


def start_module(module: str, spawn: Spawner | None = None) -> tuple[Process, Channel]:
    """Start a module of ours, whose only argument names its end of a channel.

    Args:
        module: What `python -m` runs.
        spawn: Starts it; None is as a `Child`.

    Raises:
        OSError: It could not be started; so may what `spawn` raises.
    """
    ours, theirs = pair()
    try:
        with closing(theirs):
            number = theirs.fileno()
            argv = [sys.executable, "-m", module, str(number)]
            # The same number on both sides: all that a `Child` can have.
            process = (spawn or Child)(argv, {number: number})
    except BaseException:
        ours.close()
        raise
    return process, ours
