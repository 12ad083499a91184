"""The handle by which the command holds a program that runs inside."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vestbench.children import child_environment, file_of
from vestbench.errors import LabError, ProcessDiedError, UsageError
from vestbench.ipc import ChannelClosedError, Done, FailedError, Message, pair
from vestbench.isolation import ROOT
from vestbench.programs import messages
from vestbench.programs.wanted import NotIsolatedError, Streams
from vestbench.simulator.link.machine import LinkRefusedError

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

if TYPE_CHECKING:
    from vestbench.ipc import M

_START_S = 20.0
_ANSWER_S = 10.0
# As of a lab: isolated, without `site`, and nothing of the working directory.
_START = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from vestbench.programs.keeper import main; main(sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a program finds inside, besides what this machine has."""

    masked: Sequence[str] = ()
    kept: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    bound: Mapping[str, str] = field(default_factory=dict)
    local_ports: Sequence[int] = ()


class KeptProgram:
    """A program that was started inside a lab.

    It ends with this process, however this process ends, and so does all it started.

    Args:
        argv: The program, looked up in PATH of `env`, and its arguments.
        env: Its whole environment.
        cwd: Where it runs.
        lab: The lab process, whose network it gets.
        inside: What it finds there.
        streams: Its standard streams.
        terminal: Make it the foreground of the terminal, if it has one.

    Raises:
        NotIsolatedError: This machine refuses a namespace or a mount.
        UsageError: The program cannot be started.
        LabError: Its keeper cannot be started, or does not answer.

    Attributes:
        ended: How it ended; None while it runs.
        stopped: Whether it was stopped, and nobody has dealt with that yet.
        group: The number of its process group; 0 where that is not known.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        lab: int,
        inside: Inside,
        streams: Streams,
        terminal: bool = False,
    ) -> None:
        self.ended: messages.ProgramEnded | None = None
        self.stopped = False
        self._channel, there = pair()
        with closing(there):
            self._keeper = _started_keeper(there.fileno(), streams)
        wanted = messages.StartProgram(
            argv=list(argv),
            env=dict(env),
            cwd=cwd,
            lab=lab,
            masked=list(inside.masked),
            kept=list(inside.kept),
            files=dict(inside.files),
            bound=dict(inside.bound),
            local_ports=list(inside.local_ports),
            terminal=terminal,
        )
        started = False
        try:
            answer = self._ask(wanted, messages.ProgramStarted, _START_S)
            self.group = answer.pid
            started = True
        except LinkRefusedError as refused:
            raise NotIsolatedError(str(refused), refused.code) from refused
        except FailedError as failure:
            raise UsageError(str(failure)) from failure
        finally:  # Ctrl-C included: nothing must stay behind
            if not started:
                self.kill()

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has happened."""
        return self._channel.fileno()

    def hear(self, timeout_s: float = 0.0) -> None:
        """Take in what the keeper says.

        Raises:
            ProcessDiedError: The keeper is gone, and the program with it.
        """
        while self.ended is None:
            try:
                told = self._channel.receive(object, timeout_s)
            except TimeoutError:
                return
            except ChannelClosedError:
                self.kill()
                raise ProcessDiedError("the keeper of the program has ended") from None
            if isinstance(told, messages.ProgramEnded):
                self.ended = told
            elif isinstance(told, messages.ProgramStopped):
                self.stopped = True
            timeout_s = 0.0

    def signal(self, number: int, *, everyone: bool = False) -> None:
        """Send a signal to the program's group, or to all that it has started."""
        if self.ended is None:
            wanted = messages.SignalProgram(number=number, everyone=everyone)
            self._ask_alive(wanted)

    def resume(self) -> None:
        """Let it go on after it was stopped."""
        self.signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill everything inside at once."""
        if self.ended is None:
            self._ask_alive(messages.EndProgram())

    def kill(self) -> None:
        """End the keeper, and with it the program and all that it has started."""
        self._channel.close()
        if self._keeper.poll() is None:
            # It has noticed, or dies and takes the first process inside with it.
            self._keeper.kill()
        self._keeper.wait()

    def _ask_alive(self, wanted: Message) -> None:
        try:
            self._ask(wanted, Done, _ANSWER_S)
        except FailedError as failure:
            raise LabError(f"the program's keeper: {failure}") from failure
        # What came before the answer was read with it, and no `select` shows it.
        self.hear()

    def _ask(self, wanted: Message, kind: type[M], timeout_s: float) -> M:
        try:
            return self._channel.ask(wanted, kind, timeout_s=timeout_s)
        except ChannelClosedError:
            raise ProcessDiedError("the keeper of the program has ended") from None
        except TimeoutError:
            raise LabError("the keeper of the program does not answer") from None


def _started_keeper(number: int, streams: Streams) -> subprocess.Popen[bytes]:
    """Start the keeper, in this session and with the program's streams."""
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, ROOT, str(number)],
            executable=file_of(sys.executable),
            env=child_environment(),
            pass_fds=(number,),
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
        )
    except OSError as error:
        raise LabError(f"the keeper of the program did not start: {error}") from error
