"""The lab: the child process in which the simulated venue and its link live.

It is started by `lab_client.Lab`, is single-threaded, moves into a network of its own
first thing, starts the forwarder (or relay) process and then the programs it is asked
to. It ends, with everything it started, when told so or when its socket closes, which
is how it learns that its parent is gone. Imports are kept few: they are start-up time.
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

from vestbench.ipc import Channel, ChannelClosedError
from vestbench.simulator.link import netns
from vestbench.simulator.link.lab_link import (
    LinkProcess,
    kernel_rtts_ms,
    own_listener,
    start_link,
)
from vestbench.simulator.link.netns import LinkRefusedError

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from typing import Any


class Supervisor:
    """The main loop of the lab: requests of the parent, and the ends of children."""

    def __init__(self, control: Channel, link: LinkProcess) -> None:
        self._control = control
        self._link = link
        self._alive = {link.pid}  # children that were not reaped
        # SIGCHLD writes a byte here, so that `select` can wait for it too.
        self._wake, waker = socket.socketpair()
        self._wake.setblocking(False)
        waker.setblocking(False)
        self._waker = waker
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the parent says `stop` or is gone, then end every child."""
        told = self._control.fileno()
        self._reap()  # what ended before SIGCHLD was listened to
        try:
            while True:
                ready = select.select((told, self._wake.fileno()), (), ())[0]
                self._reap()
                if told in ready and not self._serve():
                    return
        except ChannelClosedError:
            pass  # the parent is gone; nobody is left to tell
        finally:
            self._end_children()

    def _serve(self) -> bool:
        """Carry out one request; False ends the lab."""
        received = self._control.receive(timeout_s=10.0)
        if received is None:
            raise ChannelClosedError("half a message")
        message, fds = received
        try:
            answer = self._answer(message, fds)
        except OSError as error:
            answer = {"error": f"{error.strerror or error}"}
        finally:
            for fd in fds:
                os.close(fd)
        self._control.send({"id": message["id"], **answer})
        return bool(message["do"] != "stop")

    def _answer(self, message: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        match message["do"]:
            case "spawn":
                pid = spawn(message, fds)
                self._alive.add(pid)
                return {"pid": pid}
            case "kill":
                # Only a child that was not reaped: its number cannot be another's.
                if message["pid"] in self._alive:
                    os.kill(message["pid"], message["signal"])
                return {}
            case "rtt":
                return {"rtt_ms": self._measure(message["port"], message["n"])}
            case "listen":
                words = (message["port"], message["at"], message["host"])
                answer = self._link.ask("listen {} {} {}\n".format(*words))
                return answer or {"error": "the relay does not answer"}
            case "stop":
                account = self._link.ask("quit\n")
                self._end_children()
                return {"account": account}
            case unknown:
                return {"error": f"unknown request {unknown}"}

    def _measure(self, port: int, n: int) -> list[float]:
        from vestbench.simulator.link.forwarder import virtual_address

        host = virtual_address()
        with own_listener() as own:
            port = port or own.getsockname()[1]
            try:
                # A SYN that is sent again, where the link loses packets, takes seconds.
                return kernel_rtts_ms(host, port, n=n, timeout_s=8.0)
            except OSError as error:
                why = f"no connection through the link to {host}:{port}: {error}"
                raise OSError(why) from error

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
                self._control.send({"exit": pid, "status": code})

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


def _children() -> set[int]:
    me = os.getpid()
    return set(map(int, netns.read_text(f"/proc/{me}/task/{me}/children").split()))


def spawn(message: dict[str, Any], fds: list[int]) -> int:
    """Start a program that sees only the given descriptors, and dies with the lab.

    Args:
        message: `argv`, `env`, `cwd` (or None) and `fds`, the numbers in the program.
        fds: What these numbers shall be, in the same order.

    Raises:
        OSError: The program could not be started.
    """
    lab = os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(message, fds, lab, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        failure = array.array("i", pipe.read())
    if failure:
        os.waitpid(pid, 0)
        name = message["argv"][0]
        raise OSError(failure[0], f"cannot start {name}: {os.strerror(failure[0])}")
    return pid


def _become(message: dict[str, Any], fds: list[int], lab: int, report: int) -> None:
    """Turn the forked child into the program; report the error number if that fails."""
    import fcntl

    number = errno.EINVAL
    try:
        netns.die_with_parent(lab)
        # Ignored signals would stay ignored in the program.
        for name in ("SIGINT", "SIGPIPE", "SIGXFSZ", "SIGCHLD"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        # All other descriptors of this process are close-on-exec. Those that stay are
        # moved out of the way first, so that none is overwritten by another.
        free = max(message["fds"], default=2) + 1
        report = fcntl.fcntl(report, fcntl.F_DUPFD_CLOEXEC, free)
        moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, free) for fd in fds]
        for source, target in zip(moved, message["fds"], strict=True):
            os.dup2(source, target)
        if message["cwd"] is not None:
            os.chdir(message["cwd"])
        os.execvpe(message["argv"][0], message["argv"], message["env"])  # noqa: S606
    except OSError as error:
        number = error.errno or number
    finally:
        os.write(report, array.array("i", [number]).tobytes())
        os._exit(127)


def main(argv: list[str]) -> None:
    """Run the lab on the socket whose descriptor is the only argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C ends
    handle = socket.socket(fileno=int(argv[0]))
    handle.set_inheritable(False)
    control = Channel(handle)
    netns.name_process("vestbench-lab")
    try:
        received = control.receive(timeout_s=10.0)
        if received is None:
            return
        spec = received[0]
        try:
            netns.adopt_orphans()
            link, facts = start_link(spec)
        except LinkRefusedError as refused:
            control.send({"refused": vars(refused)})
            return
        control.send(facts)
    except ChannelClosedError:
        return
    Supervisor(control, link).run()
    os._exit(0)  # nothing is left to clean up, and somebody waits


if __name__ == "__main__":
    main(sys.argv[1:])
