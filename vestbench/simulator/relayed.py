"""The link whose packets no kernel delays: a relay on loopback, in a child process.

It works on every system. Programs need not be started anywhere particular: they reach
the relay as they reach any server of this machine.
"""

from __future__ import annotations

import select
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Self

from vestbench.children import ending, start_module
from vestbench.errors import LabError, ProcessDiedError
from vestbench.ipc import ChannelClosedError, Done, FailedError
from vestbench.model.simulated import LinkReport, LinkSpec, Refusal
from vestbench.simulator.link.machine import congestion_control
from vestbench.simulator.link.messages import (
    GiveAccount,
    LinkAccount,
    Listen,
    Listening,
    StartLink,
)
from vestbench.simulator.link.report import complete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vestbench.children import Process
    from vestbench.ipc import Channel, M, Message

LOOPBACK = "127.0.0.1"
_READY_S = 30.0  # it takes 0.1 s
_ANSWER_S = 10.0
_END_S = 2.0  # what it may take in the end; a stopped one never answers
_MODULE = "vestbench.simulator.link.relay"


class RelayedLink:
    """A relay with a round trip; it ends with this process, however this ends.

    Used as a context manager, or ended by `stop`. Any thread may use it.

    Attributes:
        engine: What emulates the link: relay.
        refusals: Why each better engine was refused.
        server_host: The address that a server behind it must listen on.
        names: The hosts that clients connect to, for a certificate.
        forwarder_pid: The process that relays.
    """

    engine = "relay"
    server_host = LOOPBACK
    names: tuple[str, ...] = (LOOPBACK,)
    spawner = None

    def __init__(
        self,
        process: Process,
        channel: Channel,
        spec: LinkSpec,
        refusals: Sequence[Refusal] = (),
    ) -> None:
        self._process = process
        self._channel = channel
        self._spec = spec
        self._lock = threading.RLock()
        self._relayed: dict[int, int] = {}
        self._failure = ""  # how it ended unasked
        self._report: LinkReport | None = None
        self.forwarder_pid = process.pid
        self.refusals = tuple(refusals)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connect_address(
        self, port: int, *, at: int = 0, host: str = LOOPBACK
    ) -> tuple[str, int]:
        """Return where a client connects to reach a server's port through the relay.

        The relay starts a listener for the port the first time.

        Args:
            port: The server's.
            at: The port that the relay's listener takes; 0 is any free one.
            host: The address that it takes.

        Raises:
            LabError: The relay is gone, or cannot listen there.
        """
        if port not in self._relayed:
            wanted = Listen(port=port, at=at, host=host)
            self._relayed[port] = self.ask(wanted, Listening, _ANSWER_S).port
        return host, self._relayed[port]

    def fileno(self) -> int:
        """Return the descriptor that can be read when it has ended."""
        return self._channel.fileno()

    def check(self) -> None:
        """Make sure that it still runs; it takes microseconds.

        Raises:
            ProcessDiedError: It ended unasked.
        """
        if self._report is not None:
            return
        # It says nothing without being asked: what can be read now is its end.
        if self._failure or select.select((self._channel,), (), (), 0)[0]:
            self.ask(GiveAccount(), LinkAccount, _ANSWER_S)

    def measure_rtt(self, port: int = 0, n: int = 5) -> tuple[float, ...]:
        """Return no round trips: the kernel's are those of loopback."""
        del port, n
        return ()

    def stop(self) -> LinkReport:
        """End the relay, and return what it did.

        It never hangs, never raises and may be called again.
        """
        with self._lock:
            if self._report is None:
                account = None
                with suppress(LabError):  # what ended early is said in the report
                    account = self.ask(GiveAccount(), LinkAccount, _END_S)
                report = LinkReport(
                    engine=self.engine,
                    spec=self._spec,
                    refusals=self.refusals,
                    kernel_rtt_before_ms=(),
                    kernel_rtt_after_ms=(),
                    congestion_control=congestion_control(),
                    mtu=0,
                )
                self._report = complete(report, account, self._failure)
                self.kill(wait_s=0.0 if account is None else _END_S)
            return self._report

    def kill(self, *, wait_s: float = 0.0) -> None:
        """End it: at once, or so many seconds after it was left alone."""
        self._channel.close()  # it ends by itself then
        if self._process.wait(wait_s) is None:
            self._process.kill()
            self._process.wait(_END_S)

    def ask(self, question: Message, kind: type[M], timeout_s: float) -> M:
        """Ask the relay.

        Raises:
            ProcessDiedError: It has ended.
            LabError: It does not answer, or cannot do it.
        """
        with self._lock:
            try:
                if self._failure:
                    raise ProcessDiedError(self._failure)
                return self._channel.ask(question, kind, timeout_s=timeout_s)
            except ChannelClosedError as error:
                self._failure = f"the relay {ending(self._process.wait(_END_S))}"
                raise ProcessDiedError(self._failure) from error
            except TimeoutError:
                raise LabError("the relay does not answer") from None
            except FailedError as failure:
                raise LabError(f"the relay {failure}") from failure


def start_relay(
    spec: LinkSpec, refusals: Sequence[Refusal] = ()
) -> RelayedLink | Refusal:
    """Start a relay, and see that it answers; a refused one is gone afterwards."""
    try:
        process, channel = start_module(_MODULE, bare=True)
    except OSError as error:
        return _refusal("no-process", f"cannot start it: {error}")
    link = RelayedLink(process, channel, spec, refusals)
    ready = False
    try:
        link.ask(StartLink(**{**asdict(spec), "engine": "relay"}), Done, _READY_S)
        ready = True
    except LabError as error:
        return _refusal("relay-died", str(error))
    finally:  # Ctrl-C included: nothing must stay behind
        if not ready:
            link.kill()
    return link


def _refusal(code: str, hint: str) -> Refusal:
    return Refusal(engine="relay", step="relay", code=code, hint=hint)
