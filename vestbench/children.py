"""Starting child processes of ours, each with one end of a channel.

What starts them is handed in where it is not this process: a lab starts a program in
its own network.
"""

from __future__ import annotations

import signal
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


def ending(status: int | None) -> str:
    """Word an exit status: `ended with status 3`, `was killed by SIGTERM`."""
    if status is None:
        return "does not answer"
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}"


class Child:
    """An ordinary child of this process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid
        self.poll = process.poll
        self.kill = process.kill

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit status, or None where it still runs after that time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


def start_child(argv: Sequence[str], fds: Mapping[int, int]) -> Child:
    """Start an ordinary child, in a session of its own.

    No signal that a terminal sends reaches it: the parent decides what Ctrl-C ends.
    """
    if any(child != here for child, here in fds.items()):
        raise ValueError("an ordinary child has its descriptors under their own number")
    return Child(
        subprocess.Popen(
            argv,
            pass_fds=tuple(fds.values()),
            stdin=subprocess.DEVNULL,
            stdout=2,
            start_new_session=True,
        )
    )


def start_module(module: str, spawn: Spawner | None = None) -> tuple[Process, Channel]:
    """Start a module of ours, whose only argument names its end of a channel.

    Args:
        module: What `python -m` runs.
        spawn: Starts it; None is as an ordinary child.

    Raises:
        OSError: It could not be started; so may what `spawn` raises.
    """
    ours, theirs = pair()
    try:
        with closing(theirs):
            number = theirs.fileno()
            argv = [sys.executable, "-m", module, str(number)]
            # The same number on both sides: all that an ordinary child can have.
            process = (spawn or start_child)(argv, {number: number})
    except BaseException:
        ours.close()
        raise
    return process, ours
