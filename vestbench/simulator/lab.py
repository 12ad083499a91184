"""The lab: the child process in which the simulated venue and its link live.

It is started by `lab_start.StartedLab`, is single-threaded, moves into a network of its
own first thing, starts the forwarder process and then the programs it is asked to. It
ends, with everything it started, when told so or when its socket closes, which is how
it learns that its parent is gone. Imports are kept few: they are start-up time.
"""

from __future__ import annotations

import array
import errno
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress

from vestbench.ipc import (
    ENDINGS,
    Channel,
    ChannelClosedError,
    Done,
    FailedError,
    leave_signals_to_the_parent,
)
from vestbench.kernel.process import name_process
from vestbench.simulator.link import messages, netns
from vestbench.simulator.link.lab_link import (
    LinkProcess,
    kernel_rtts_ms,
    own_listener,
    start_link,
)
from vestbench.simulator.link.machine import read_text

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from vestbench.ipc import Answers


class Supervisor:
    """The main loop of the lab: requests of the parent, and the ends of children."""

    def __init__(self, control: Channel) -> None:
        self._control = control
        self._link: LinkProcess | None = None
        self._alive: set[int] = set()  # children that were not reaped
        self._ended = False

    def serve(self) -> None:
        """Start the link that the parent wants, and serve until that is the end.

        That is when the parent says `EndLab`, or is gone. Every child ends with it.
        """
        with suppress(ChannelClosedError, TimeoutError):
            self._control.reply({messages.StartLink: self._start}, timeout_s=10.0)
        if self._link is not None:
            self._run(self._link)

    def _start(self, wanted: messages.StartLink) -> messages.LinkStarted:
        netns.adopt_orphans()
        self._link, started = start_link(wanted)
        self._alive.add(self._link.pid)
        return started

    def _run(self, link: LinkProcess) -> None:
        # SIGCHLD writes a byte here, so that `select` can wait for it too.
        self._wake, waker = socket.socketpair()
        self._wake.setblocking(False)
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        answers: Answers = {
            messages.Spawn: self._spawn,
            messages.Kill: self._kill,
            messages.MeasureRtt: lambda wanted: self._measure(wanted, link),
            messages.Catch: lambda wanted: _catch(wanted, link),
            messages.GivePackets: lambda _: link.ask(
                messages.GivePackets(), messages.Packets
            ),
            messages.EndLab: lambda _: self._end(link),
        }
        told = self._control.fileno()
        self._reap()  # what ended before SIGCHLD was listened to
        try:
            while not self._ended:
                ready = select.select((told, self._wake.fileno()), (), ())[0]
                self._reap()
                if told in ready:
                    self._control.reply_to_all(answers)
        except ChannelClosedError:
            pass  # the parent is gone; nobody is left to tell
        finally:
            self._end_children()

    def _spawn(self, wanted: messages.Spawn) -> messages.Spawned:
        fds = self._control.descriptors
        try:
            pid = spawn(wanted, fds)
        finally:
            for fd in fds:
                os.close(fd)
        self._alive.add(pid)
        return messages.Spawned(pid=pid)

    def _kill(self, wanted: messages.Kill) -> None:
        # Only a child that was not reaped: its number cannot be another's.
        if wanted.pid in self._alive:
            os.kill(wanted.pid, wanted.signal)

    def _measure(
        self, wanted: messages.MeasureRtt, link: LinkProcess
    ) -> messages.RoundTrips:
        from vestbench.simulator.link.forwarder import virtual_address

        host = virtual_address()
        with own_listener() as own:
            port = wanted.port or own.getsockname()[1]
            try:
                # A SYN that is sent again, where the link loses packets, takes seconds.
                rtts = kernel_rtts_ms(host, port, link, n=wanted.n, timeout_s=8.0)
            except OSError as error:
                self._reap()  # if it was the link that ended, the parent is told first
                why = f"no connection through the link to {host}:{port}: {error}"
                raise FailedError(why) from error
        return messages.RoundTrips(rtts_ms=tuple(rtts))

    def _end(self, link: LinkProcess) -> messages.LabEnded:
        account = None
        with suppress(FailedError):
            account = link.ask(messages.GiveAccount(), messages.LinkAccount)
        self._end_children()
        self._ended = True
        return messages.LabEnded(account=account)

    def _reap(self) -> None:
        try:
            while self._wake.recv(4096):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            # Anything else is an orphan that this process has adopted.
            if pid in self._alive:
                self._alive.discard(pid)
                self._control.send(messages.Ended(pid=pid, status=code))

    def _end_children(self) -> None:
        """Kill and reap everything that descends from this process."""
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            # Orphans of killed programs become children, hence the turns.
            for pid in self._alive | _children():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            try:
                pid, _ = os.waitpid(-1, 0 if self._alive else os.WNOHANG)
            except ChildProcessError:
                return
            self._alive.discard(pid)


def _catch(wanted: messages.Catch, link: LinkProcess) -> None:
    """Lead every connection of the namespace to one port, and let others join it."""
    from vestbench.simulator.link.devices import NEAR

    # So that a program finds ::1, and its packets to other addresses are counted.
    netns.set_sysctl("net.ipv6.conf.lo.disable_ipv6", "0")
    netns.let_others_join()
    netns.lead_everywhere(NEAR)
    link.ask(wanted, Done)


def _children() -> set[int]:
    me = os.getpid()
    return set(map(int, read_text(f"/proc/{me}/task/{me}/children").split()))


def spawn(wanted: messages.Spawn, fds: list[int]) -> int:
    """Start a program that sees only the given descriptors, and dies with the lab.

    Args:
        wanted: The program, and the numbers of the descriptors in it.
        fds: The descriptors here, in the same order.

    Raises:
        OSError: The program could not be started.
    """
    lab = os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(wanted, fds, lab, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        failure = array.array("i", pipe.read())
    if failure:
        os.waitpid(pid, 0)
        name = wanted.argv[0]
        raise OSError(failure[0], f"cannot start {name}: {os.strerror(failure[0])}")
    return pid


def _become(wanted: messages.Spawn, fds: list[int], lab: int, report: int) -> None:
    """Turn the forked child into the program; report the error number if that fails."""
    import fcntl

    number = errno.EINVAL
    try:
        netns.die_with_parent(lab)
        # Ignored signals would stay ignored in the program.
        for name in (*ENDINGS, "SIGPIPE", "SIGXFSZ", "SIGCHLD"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        # All other descriptors of this process are close-on-exec. Those that stay are
        # moved out of the way first, so that none is overwritten by another.
        free = max(wanted.fds, default=2) + 1
        report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, free)
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, free) for fd in fds]
        for source, target in zip(moved, wanted.fds, strict=True):
            os.dup2(source, target)
        if wanted.cwd is not None:
            os.chdir(wanted.cwd)
        os.execvpe(_file_of(wanted.argv[0]), wanted.argv, wanted.env)  # noqa: S606
    except OSError as error:
        number = error.errno or number
    finally:
        os.write(report, array.array("i", [number]).tobytes())
        os._exit(127)


def _file_of(program: str) -> str:
    """Return the file of a program: as `children.file_of`, which takes long to import.

    A user without a name may not be let to where the Python that runs is installed.
    """
    ours = program == sys.executable and not os.access(program, os.X_OK)
    return "/proc/self/exe" if ours else program


def main(argv: list[str]) -> None:
    """Run the lab on the channel whose descriptor is the only argument."""
    leave_signals_to_the_parent()
    control = Channel.inherited(argv[0])
    name_process("vestbench-lab")
    Supervisor(control).serve()
    os._exit(0)  # nothing is left to clean up, and somebody waits


if __name__ == "__main__":
    main(sys.argv[1:])
