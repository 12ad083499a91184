"""The keeper: the process that starts a program inside, and looks after it.

It is a child of the command, in the command's session, so that the program has its
terminal. It joins the namespaces of a lab and makes the others. Its one child is the
first process inside, which builds the walls, starts the program, and reaps what the
program leaves; with it ends everything inside. Neither outlives the command.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal
import socket
import sys
from contextlib import suppress

from vestbench.ipc import (
    Channel,
    ChannelClosedError,
    FailedError,
    leave_signals_to_the_parent,
    pair,
)
from vestbench.kernel.process import name_process
from vestbench.programs import messages, walls
from vestbench.programs.local_ports import Relay
from vestbench.simulator.link import netns
from vestbench.simulator.link.machine import read_text

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from vestbench.ipc import Answers

START_S = 20.0
# What an exec leaves ignored, and what Python or we have ignored.
_DEFAULTS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGXFSZ", "SIGTTOU", "SIGCHLD")


class Keeper:
    """The keeper's loop: what the command wants, and what the first process says."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._first: int | None = None  # the first process inside
        self._inside: Channel

    def serve(self) -> None:
        """Start the program that is wanted, and look after it until all has ended."""
        try:
            self._control.reply({messages.StartProgram: self._start}, START_S)
        except (ChannelClosedError, TimeoutError):
            return
        if self._first is None:
            return
        answers: Answers = {
            messages.SignalProgram: self._signal,
            messages.EndProgram: lambda _: self._end(),
        }
        with suppress(ChannelClosedError):  # of the command: it is gone
            told, asked = self._inside.fileno(), self._control.fileno()
            # First what came with an earlier message, which no `select` shows.
            while self._hears():
                if asked in select.select((told, asked), (), ())[0]:
                    self._control.reply_to_all(answers)
        self._kill()

    def _start(self, wanted: messages.StartProgram) -> messages.ProgramStarted:
        relay = Relay(wanted.local_ports) if wanted.local_ports else None
        walls.join(wanted.lab)
        if relay is not None:
            relay.open()
        walls.leave_the_rest()
        self._inside, there = pair()
        self._first = os.fork()
        if self._first == 0:
            self._inside.close()
            self._control.close()
            _be_first(there)
        there.close()
        try:
            self._inside.ask(wanted, messages.ProgramStarted)
        except ChannelClosedError:
            self._kill()
            raise FailedError("the first process inside has ended") from None
        return messages.ProgramStarted(pid=self._outer())

    def _outer(self) -> int:
        """Return the number that the program has outside; 0 where it is gone."""
        children = f"/proc/{self._first}/task/{self._first}/children"
        return int(read_text(children).partition(" ")[0] or 0)

    def _hears(self) -> bool:
        """Pass on what the first process says; False once it has ended."""
        with suppress(TimeoutError):
            while self._first is not None:
                try:
                    told = self._inside.receive(object, 0.0)
                except ChannelClosedError:
                    self._end()  # it was killed, as when memory ran out
                    break
                if isinstance(told, messages.ProgramEnded):
                    self._kill()
                self._control.send(told)
        return self._first is not None

    def _end(self) -> None:
        """Kill the program, and say so."""
        self._kill()
        killed = -int(signal.SIGKILL)
        ended = messages.ProgramEnded(status=killed, left=0, no_route=0)
        self._control.send(ended)

    def _signal(self, wanted: messages.SignalProgram) -> None:
        with suppress(ChannelClosedError):
            self._inside.send(wanted)

    def _kill(self) -> None:
        """End the first process, whereupon the kernel ends all others inside."""
        if self._first is not None:
            os.kill(self._first, signal.SIGKILL)
            os.waitpid(self._first, 0)
            self._first = None


class First:
    """The first process inside: number 1 there, and so the parent of all orphans."""

    def __init__(self, outside: Channel) -> None:
        self._outside = outside
        self._program = 0
        self._status: int | None = None  # of the program, once it has ended
        self._all_are_ending = False  # every process was told to end

    def serve(self) -> None:
        """Start the program, reap what ends, and pass signals on."""
        wake, waker = socket.socketpair()
        for end in (wake, waker):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._outside.reply({messages.StartProgram: self._start}, START_S)
        told = self._outside.fileno()
        while self._program:
            ready = select.select((told, wake.fileno()), (), ())[0]
            with suppress(BlockingIOError):
                while wake.recv(4096):
                    pass
            if told in ready:
                self._pass_on()
            self._reap()

    def _start(self, wanted: messages.StartProgram) -> messages.ProgramStarted:
        walls.build(
            masked=wanted.masked,
            kept=wanted.kept,
            files=wanted.files,
            bound=wanted.bound,
        )
        walls.give_up_rights()
        try:
            os.chdir(wanted.cwd)
        except OSError as error:
            why = f"cannot work in {wanted.cwd}: {os.strerror(error.errno or 0)}"
            raise FailedError(why) from error
        self._program = _started(wanted)
        return messages.ProgramStarted(pid=self._program)

    def _pass_on(self) -> None:
        with suppress(TimeoutError):
            while True:
                wanted = self._outside.receive(messages.SignalProgram, 0.0)
                with suppress(ProcessLookupError, PermissionError):
                    if wanted.everyone:
                        self._all_are_ending = True
                        os.kill(-1, wanted.number)
                    else:
                        os.killpg(self._program, wanted.number)

    def _reap(self) -> None:
        """Reap what has ended, and tell when it is over.

        That is with the program; but where all were told to end, with the last of them.
        """
        try:
            while self._status is None or self._all_are_ending:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
                if pid == 0:
                    return
                if pid == self._program and os.WIFSTOPPED(status):
                    self._outside.send(messages.ProgramStopped())
                elif pid == self._program:
                    self._status = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            pass  # none is left
        if self._status is not None:
            self._program = 0
            self._tell_end(self._status)

    def _tell_end(self, status: int) -> None:
        left = sum(name.isdigit() for name in os.listdir("/proc")) - 1
        ended = messages.ProgramEnded(status=status, left=left, no_route=_no_route())
        self._outside.send(ended)


def _be_first(outside: Channel) -> None:
    """Be the first process inside until the keeper kills it, or is gone."""
    status = 1
    try:
        # The keeper may have ended before this; then its end of the channel is closed.
        netns.die_with_outer_parent()
        name_process("vestbench-init")
        with suppress(ChannelClosedError, TimeoutError):
            First(outside).serve()
            # Whatever the program left goes on until the keeper has read how it ended.
            signal.pause()
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        os._exit(status)


def _started(wanted: messages.StartProgram) -> int:
    """Start the program, and return its number.

    Raises:
        FailedError: It could not be started.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(wanted, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        failure = array.array("i", pipe.read())
    if failure:
        os.waitpid(pid, 0)
        why = os.strerror(failure[0]).lower()
        raise FailedError(f"cannot start {wanted.argv[0]}: {why}")
    return pid


def _become(wanted: messages.StartProgram, report: int) -> None:
    """Turn the forked child into the program; report the error number if that fails."""
    number = errno.EINVAL
    try:
        # A group of its own: a signal of the terminal is for the program alone.
        os.setpgid(0, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        if wanted.terminal:
            _take_terminal()
        signal.set_wakeup_fd(-1)
        for name in _DEFAULTS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execvpe(wanted.argv[0], wanted.argv, dict(wanted.env))  # noqa: S606
    except OSError as error:
        number = error.errno or number
    finally:
        os.write(report, array.array("i", [number]).tobytes())
        os._exit(127)


def _take_terminal() -> None:
    for fd in (0, 1, 2):
        if os.isatty(fd):
            with suppress(OSError):  # of a terminal that is gone
                os.tcsetpgrp(fd, os.getpgrp())
            return


def _no_route() -> int:
    """Count packets of IPv6 that were for nowhere."""
    for line in read_text("/proc/net/snmp6").splitlines():
        if line.startswith("Ip6OutNoRoutes"):
            return int(line.split()[1])
    return 0


def main(argv: list[str]) -> None:
    """Keep a program on the channel whose descriptor is the only argument."""
    leave_signals_to_the_parent()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    control = Channel.inherited(argv[0])
    name_process("vestbench-keep")
    Keeper(control).serve()
    os._exit(0)
