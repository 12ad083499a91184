"""The simulated venue as one thing: the exchange, and the link in front of it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vestbench.errors import LabError
from vestbench.model.simulated import (
    ExchangeCounters,
    ExchangeSpec,
    LinkReport,
    LinkSpec,
    Refusal,
)
from vestbench.simulator.exchange_process import ExchangeProcess, check_extras
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.lab_client import Lab

_SELF_CHECKS = 5  # connects, before and after


class SimulatedVenue:
    """A running exchange; a client started with `spawn` reaches it over the link.

    Args:
        exchange: What the exchange is like. Its host and names are set here.
        link: The emulated link; None puts the exchange on loopback as it is.
        behaviour: Faults of the exchange, for tests.

    Raises:
        LabError: Either of them could not be started.
    """

    def __init__(
        self,
        exchange: ExchangeSpec,
        link: LinkSpec | None,
        *,
        behaviour: Behaviour | None = None,
    ) -> None:
        check_extras(exchange)  # before anything is started
        self._lab: Lab | None = None
        if link is None:
            self.exchange = ExchangeProcess(exchange, behaviour=behaviour)
            self._host, self._port = self.exchange.host, self.exchange.port
            return
        self._lab = lab = Lab(link)
        try:
            self.exchange = ExchangeProcess(
                _placed(exchange, lab), behaviour=behaviour, spawn=self.spawn
            )
            self._host, self._port = lab.connect_address(self.exchange.port)
            lab.measure_rtt(n=_SELF_CHECKS)
        except BaseException:
            lab.stop()
            raise

    @property
    def ca_pem(self) -> str:
        """The certificate that a client has to trust."""
        return self.exchange.ca_pem

    @property
    def engine(self) -> str:
        """How the link is emulated; empty without one."""
        return self._lab.engine if self._lab else ""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why each better engine does not work here."""
        return self._lab.refusals if self._lab else ()

    def base_url(self, path: str = "/v2") -> str:
        """Return the URL that reaches the exchange through the link."""
        return f"https://{self._host}:{self._port}{path}"

    def spawn(self, argv: Sequence[str], fds: Mapping[int, int]) -> Any:
        """Start a program at the client's end of the link."""
        if self._lab is None:
            raise RuntimeError("without a link, programs are started anywhere")
        return self._lab.spawn(argv, fds=fds)

    @property
    def has_link(self) -> bool:
        """True where a client must be started with `spawn`."""
        return self._lab is not None

    def counters(self) -> ExchangeCounters:
        """Return what the exchange has counted so far."""
        return self.exchange.counters()

    def check(self) -> None:
        """Raise `LabError` if the exchange or the link has ended by itself."""
        if self._lab is not None:
            self._lab.check()
        else:
            self.exchange.check()

    def stop(self) -> LinkReport | None:
        """End both and return the link's own account, if there is a link."""
        if self._lab is None:
            self.exchange.stop()
            return None
        with suppress(LabError):  # a link that died says so in its report
            self._lab.measure_rtt(n=_SELF_CHECKS)
        self.exchange.stop()
        return self._lab.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.exchange.stop()
        if self._lab is not None:
            self._lab.stop()


def _placed(exchange: ExchangeSpec, lab: Lab) -> ExchangeSpec:
    names = (*exchange.names, *lab.names)
    return replace(exchange, host=lab.server_host, names=names)


class ServedExchange:
    """An exchange for clients outside: on loopback, with a relay where there is a link.

    Args:
        exchange: What the exchange is like; its port is set here.
        link: The round trip to emulate, or None.
        port: Where clients connect; 0 takes any free port.
        host: The address that clients connect to; unspecified (`0.0.0.0`, `::`) takes
            all of this machine's.
        behaviour: How it misbehaves; None is not at all.

    Raises:
        LabError: It could not be started, for example because the port is taken.
    """

    def __init__(
        self,
        exchange: ExchangeSpec,
        link: LinkSpec | None,
        *,
        port: int,
        host: str = "127.0.0.1",
        behaviour: Behaviour | None = None,
    ) -> None:
        check_extras(exchange)  # before anything is started
        self._lab: Lab | None = None
        self._address = address = ip_address(host)
        # Nobody can connect to "any address": where it listens on all, it goes by name.
        self._host = platform.node() if address.is_unspecified else host
        exchange = replace(exchange, names=(*exchange.names, self._host))
        where = "on loopback" if self.is_private else f"on {host}"
        if link is None:
            self.label = f"{where}, no link"
            self._exchange = ExchangeProcess(
                replace(exchange, host=host, port=port), behaviour=behaviour
            )
            self._port = self._exchange.port
            return
        self.label = (
            f"simulated in user space, RTT {link.rtt_ms:g} ms: "
            "the TCP handshake is charged to TLS"
        )
        self._lab = lab = Lab(replace(link, engine="relay"))
        try:
            self._exchange = ExchangeProcess(
                _placed(exchange, lab), behaviour=behaviour, spawn=self._spawn
            )
            _, self._port = lab.connect_address(self._exchange.port, at=port, host=host)
        except BaseException:
            lab.stop()
            raise

    def _spawn(self, argv: Sequence[str], fds: Mapping[int, int]) -> Any:
        if self._lab is None:
            raise RuntimeError("without a link the exchange is started as a child")
        return self._lab.spawn(argv, fds=fds)

    @property
    def ca_pem(self) -> str:
        """The certificate that a client has to trust."""
        return self._exchange.ca_pem

    def base_url(self) -> str:
        """Return the URL that clients use."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"https://{host}:{self._port}/v2"

    @property
    def is_private(self) -> bool:
        """True where only this machine can reach it."""
        return self._address.is_loopback

    def own(self, file: Path) -> None:
        """Hand over a temporary file: it is removed when the exchange ends, however."""
        self._exchange.own(file)

    def counters(self) -> ExchangeCounters:
        """Return what the exchange has counted so far."""
        return self._exchange.counters()

    def check(self) -> None:
        """Raise `LabError` if the exchange or its relay has ended by itself."""
        if self._lab is not None:
            self._lab.check()
        self._exchange.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exchange.stop()
        if self._lab is not None:
            self._lab.stop()
