"""Starting child processes of ours, each with one end of a channel.

What starts them is handed in where it is not this process: a lab starts a program in
its own network. No child imports anything of the working directory, and none gets keys,
tokens or passwords in its environment: a worker that signs is handed its key on its
channel.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any, Protocol

from vestbench.ipc import Channel, pair
from vestbench.isolation import ROOT, elsewhere
from vestbench.loopback import Meeting

# Calls `main` of a module of ours with the other arguments. Only while the package
# itself is found, which imports nothing else, is its folder first on the path.
_START = (
    "import sys; root, *words = sys.argv[1:]; sys.path.insert(0, root); "
    "import vestbench; sys.path.append(sys.path.pop(0)); "
    "from importlib import import_module; "
    "sys.exit(import_module(words[0]).main(words))"
)
# Ours are all called so, and those of others as they usually are: a venue's URL, which
# may hold a token, is a setting too.
_SECRET = re.compile(
    "VEST(BENCH)?_.*|(.*_)?(KEY|SECRET|TOKEN|PASSWORD|PASSPHRASE|CREDENTIALS?)(_.*)?",
    re.IGNORECASE,
)

# Whether a child of ours is left its end of a channel. Where it can be, it is: in an
# emulated network the parent's loopback is not reached, and to connect each child keeps
# its parent waiting, here for 80 ms, until its Python has started.
INHERITED = sys.platform != "win32"
# No signal that a terminal sends reaches a child: the parent decides what Ctrl-C ends.
_APART: dict[str, Any] = {"start_new_session": True}
if sys.platform == "win32":
    _APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
_RUNNING = "/proc/self/exe"  # on Linux; after a fork it is still the parent's


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


def child_environment() -> dict[str, str]:
    """Return what a child gets of our environment: no secrets, a path that is ours."""
    found = {n: text for n, text in os.environ.items() if not _SECRET.fullmatch(n)}
    # Of one that is empty some libraries say that it is not set, others fail.
    found = {n: text for n, text in found.items() if text or not n.startswith("SSL")}
    path = elsewhere(found.pop("PYTHONPATH", "").split(os.pathsep))
    return {**found, "PYTHONPATH": os.pathsep.join(path)} if path else found


def file_of(program: str) -> str:
    """Return the file of a program to start: of the Python that runs, where needed.

    A user without a name, as containers have, may not be let to where Python is
    installed; the one that runs can still be started again.
    """
    ours = program == sys.executable and os.path.exists(_RUNNING)
    return _RUNNING if ours and not os.access(program, os.X_OK) else program


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
    """Start an ordinary child, in a session of its own."""
    if any(child != here for child, here in fds.items()):
        raise ValueError("an ordinary child has its descriptors under their own number")
    return _started(argv, pass_fds=tuple(fds.values()), stdin=subprocess.DEVNULL)


def start_module(
    module: str, spawn: Spawner | None = None, *, bare: bool = False
) -> tuple[Process, Channel]:
    """Start a module of ours, whose `main` is told its name, and its end of a channel.

    Args:
        module: Its full name.
        spawn: Starts it; None is as an ordinary child.
        bare: Without `site`, which is faster, for what needs the standard library only.

    Raises:
        OSError: It could not be started; so may what `spawn` raises.
    """
    how = ("-I", "-S") if bare else ("-P",)
    argv = [sys.executable, *how, "-c", _START, ROOT, module]
    if spawn is None and not INHERITED:
        return _start_and_meet(argv)
    ours, theirs = pair()
    try:
        with closing(theirs):
            number = theirs.fileno()
            # The same number on both sides: all that an ordinary child can have.
            process = (spawn or start_child)([*argv, str(number)], {number: number})
    except BaseException:
        ours.close()
        raise
    return process, ours


def _start_and_meet(argv: Sequence[str]) -> tuple[Process, Channel]:
    """Start an ordinary child, and wait until it has connected, or has ended."""
    told, tells = os.pipe()
    with Meeting() as meeting:
        try:
            os.write(tells, meeting.secret)  # which the pipe holds
            os.close(tells)
            child = _started([*argv, meeting.word], stdin=told)
        finally:
            os.close(told)
        try:
            handle = meeting.accept(lambda: child.poll() is None)
        except BaseException:
            child.kill()
            raise
    if handle is not None:
        return child, Channel(handle)
    child.kill()
    ours, theirs = pair()
    theirs.close()  # whoever asks is told that the child has ended
    return child, ours


def _started(argv: Sequence[str], **options: Any) -> Child:
    return Child(
        subprocess.Popen(
            argv,
            executable=file_of(argv[0]),
            env=child_environment(),
            stdout=2,
            **_APART,
            **options,
        )
    )
