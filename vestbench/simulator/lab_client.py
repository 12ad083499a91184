"""The handle by which the command holds a lab: starting it, asking it, ending it.

What happens inside is `lab`'s business; this module never enters a namespace.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vestbench.children import child_environment, ending
from vestbench.errors import LabError, ProcessDiedError
from vestbench.ipc import ChannelClosedError, Done, FailedError, Message
from vestbench.model.simulated import LinkReport, LinkSpec, Refusal
from vestbench.simulator.lab_start import StartedLab
from vestbench.simulator.link import messages
from vestbench.simulator.link.devices import LOCAL
from vestbench.simulator.link.forwarder import virtual_address
from vestbench.simulator.link.lab_link import ANSWER_S
from vestbench.simulator.link.report import complete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vestbench.children import Spawner
    from vestbench.ipc import M

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

ANSWER_SLACK_S = 10.0
ENDING = {
    signal.SIGTERM,
    signal.SIGKILL,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
}
# What a person calls the programs that are started in a lab.
_NAMES = {
    "vestbench.workers.worker": "the measuring process",
    "vestbench.simulator.exchange": "the simulated exchange",
}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "no_proxy")


class LabProcess:
    """A program that runs in the lab.

    Attributes:
        pid: Its number, as seen from outside too.
        name: What it was started as.
    """

    def __init__(self, lab: Lab, pid: int, name: str) -> None:
        self._lab = lab
        self.pid = pid
        self.name = name
        self._status: int | None = None
        self._asked = False  # it was told to end

    def poll(self) -> int | None:
        """Return its exit status, the negative signal that ended it, or None."""
        return self.wait(0.0)

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit status as `poll` does, waiting for it if need be."""
        self._lab._pump(until=lambda: self._status is not None, timeout_s=timeout_s)
        return self._status

    def kill(self, signal: int = signal.SIGKILL) -> None:
        """Send a signal. An end that follows an ending signal is not unexpected."""
        if self.poll() is None:
            self._asked = self._asked or signal in ENDING
            self._lab._ask(messages.Kill(pid=self.pid, signal=int(signal)), Done)

    def _ended(self, status: int) -> str:
        self._status = status
        if self._asked or status == 0:
            return ""
        ours = self.name in _NAMES.values()
        name = self.name if ours else f"{self.name} (process {self.pid})"
        return f"{name} {ending(status)}"


class Lab:
    """A network with an emulated link, and the programs that run in it.

    Used as a context manager, or ended by `stop`. Any thread may use it; calls take
    turns. When this process dies, however it dies, the lab ends with all it started.

    Attributes:
        engine: What emulates the link: packet or tun.
        refusals: Why each better engine was refused.
        server_host: The address that a server inside must listen on.
        names: The hosts that clients connect to, for a certificate.
        pid: The lab process.
        forwarder_pid: The process that delays packets.

    Args:
        started: Its process, whose link one engine emulates.
        spec: What the link was to be like.
        engine: Which it is.
        refusals: Why each better engine was refused.
    """

    def __init__(
        self,
        started: StartedLab,
        spec: LinkSpec,
        engine: str,
        refusals: Sequence[Refusal] = (),
    ) -> None:
        self._spec = spec
        self._lock = threading.RLock()
        self._programs: dict[int, LabProcess] = {}
        self._failures: list[str] = []
        self._link_failure = ""
        self._gone = ""  # why nothing can be asked any more
        self._before: tuple[float, ...] = ()
        self._after: tuple[float, ...] = ()
        self._report: LinkReport | None = None
        self._process = started
        self.pid, self.forwarder_pid = started.pid, started.link.pid
        self.engine = engine
        self.refusals = tuple(refusals)
        self.server_host = LOCAL
        self.names: tuple[str, ...] = (virtual_address(),)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def spawn(
        self,
        argv: Sequence[str],
        fds: Mapping[int, int] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
    ) -> LabProcess:
        """Start a program in the lab.

        Args:
            argv: The program, looked up in PATH of `env`, and its arguments.
            fds: Number of a descriptor in the program → descriptor of this process,
                which stays the caller's to close. The program sees no others, except
                that 0 is /dev/null and 1 and 2 are this process's 2 unless given.
            env: The whole environment; None is that of any child of ours without the
                proxy variables, which point nowhere inside.
            cwd: Where it runs; None is where this process was when the lab started.

        Raises:
            LabError: It could not be started, or the lab is gone.
        """
        fds = fds or {}
        with self._lock:
            wanted = messages.Spawn(
                argv=list(argv),
                fds=list(fds),
                env=dict(_without_proxies() if env is None else env),
                cwd=None if cwd is None else os.fspath(cwd),
            )
            pid = self._ask(wanted, messages.Spawned, fds=tuple(fds.values())).pid
            program = LabProcess(self, pid, _name_of(argv))
            self._programs[program.pid] = program
            return program

    @property
    def spawner(self) -> Spawner:
        """What starts programs in it."""
        return self.spawn

    def connect_address(self, port: int) -> tuple[str, int]:
        """Return where a client connects to reach a server's port through the link.

        The server listens on `server_host` and that port.
        """
        return virtual_address(), port

    def catch(self, port: int) -> None:
        """Lead every TCP connection inside to a server's port, wherever it is for.

        Args:
            port: The server's, on `server_host`.

        Raises:
            LabError: The lab is gone, or cannot.
        """
        self._ask(messages.Catch(port=port), Done)

    def packets(self) -> messages.Packets:
        """Return the packets of what was caught.

        Raises:
            LabError: The lab is gone.
        """
        return self._ask(messages.GivePackets(), messages.Packets)

    def fileno(self) -> int:
        """Return the descriptor that can be read when something has ended."""
        return self._process.channel.fileno()

    def check(self) -> None:
        """Make sure that everything still runs; it takes microseconds.

        Raises:
            ProcessDiedError: The link, a program or the lab itself ended unasked.
        """
        self._pump()
        with self._lock:
            if self._failures:
                raise ProcessDiedError("; ".join(self._failures))

    def measure_rtt(self, port: int = 0, n: int = 5) -> tuple[float, ...]:
        """Return the kernel's round trips, in ms, of TCP handshakes through the link.

        The first result is kept as the one before the run, the last as the one after.

        Args:
            port: A port that a server in the lab listens on; 0 takes one of the lab's.
            n: How many connections are opened, one after the other.

        Raises:
            LabError: A connection was not made, or the lab is gone.
        """
        wait = 8.0 * n + ANSWER_SLACK_S
        wanted = messages.MeasureRtt(port=port, n=n)
        rtts = self._ask(wanted, messages.RoundTrips, timeout_s=wait).rtts_ms
        if self._before:
            self._after = rtts
        else:
            self._before = rtts
        return rtts

    def stop(self) -> LinkReport:
        """End the lab and everything in it, and return what the link did.

        Programs are killed: one that has something to save must be ended before. It
        never hangs, never raises and may be called again.
        """
        with self._lock:
            if self._report is None:
                account = None
                try:
                    self._pump()
                    wait = ANSWER_S + ANSWER_SLACK_S
                    account = self._ask(
                        messages.EndLab(), messages.LabEnded, timeout_s=wait
                    ).account
                    self._process.status(2.0)
                except LabError:
                    pass  # what ended early is said in the report
                self.kill()
                report = LinkReport(
                    engine=self.engine,
                    spec=self._spec,
                    refusals=self.refusals,
                    kernel_rtt_before_ms=self._before,
                    kernel_rtt_after_ms=self._after,
                    congestion_control=self._process.link.congestion_control,
                    mtu=self._process.link.mtu,
                )
                self._report = complete(report, account, self._link_failure)
            return self._report

    def kill(self) -> None:
        """End the lab and everything in it at once; `stop` then reports no account."""
        with self._lock:
            self._process.kill()
            self._gone = self._gone or "the lab was ended"
            for program in self._programs.values():
                if program._status is None:
                    program._status = -signal.SIGKILL

    def _ask(
        self,
        question: Message,
        kind: type[M],
        *,
        fds: tuple[int, ...] = (),
        timeout_s: float = ANSWER_SLACK_S,
    ) -> M:
        with self._lock:
            if self._gone:
                raise ProcessDiedError(self._gone)
            try:
                return self._process.channel.ask(
                    question, kind, fds=fds, timeout_s=timeout_s
                )
            except ChannelClosedError:
                self._lost()
                raise ProcessDiedError(self._gone) from None
            except TimeoutError:
                raise LabError(
                    f"the lab did not answer within {timeout_s:g} s"
                ) from None
            except FailedError as failure:
                self.check()  # it may have failed because something has ended
                raise LabError(f"the lab: {failure}") from failure

    def _pump(
        self, until: Callable[[], bool] = lambda: False, timeout_s: float = 0.0
    ) -> None:
        """Take in what the lab has to say, until `until()` or the time is up."""
        with self._lock:
            end = time.monotonic() + timeout_s
            while not self._gone and not until():
                left = max(0.0, end - time.monotonic())
                try:
                    self._note(self._process.channel.receive(messages.Ended, left))
                except ChannelClosedError:
                    self._lost()
                except TimeoutError:
                    return

    def _note(self, ended: messages.Ended) -> None:
        pid, status = ended.pid, ended.status
        failure = ""
        if pid == self.forwarder_pid:
            failure = self._link_failure = f"the forwarder {ending(status)}"
        elif pid in self._programs:
            failure = self._programs[pid]._ended(status)
        if failure:
            self._failures.append(failure)

    def _lost(self) -> None:
        self._gone = self._process.said()
        self._link_failure = self._link_failure or self._gone
        self._failures.append(self._gone)
        self.kill()


def _without_proxies() -> dict[str, str]:
    return {k: v for k, v in child_environment().items() if k.lower() not in PROXIES}


def _name_of(argv: Sequence[str]) -> str:
    """Return what a program is called; a module of ours as a person calls it."""
    ours = (name for module, name in _NAMES.items() if module in argv)
    return next(ours, Path(argv[0]).name)
