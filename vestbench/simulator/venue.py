"""The simulated venue as one thing: the exchange, and the link in front of it."""

from __future__ import annotations

import platform
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self

from vestbench.errors import LabError
from vestbench.model.simulated import ExchangeCounters, ExchangeSpec, LinkReport
from vestbench.simulator.exchange_process import ExchangeProcess, check_extras
from vestbench.simulator.links import open_link
from vestbench.simulator.relayed import RelayedLink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vestbench.children import Process
    from vestbench.model.simulated import LinkSpec, Refusal
    from vestbench.simulator.exchange_messages import Seen
    from vestbench.simulator.http.behaviour import Behaviour
    from vestbench.simulator.links import Link

_SELF_CHECKS = 5  # connects, before and after


class _Simulated:
    """A running exchange, behind a link where one is wanted."""

    _keeps_account = False  # of what clients send

    def __init__(
        self, exchange: ExchangeSpec, link: LinkSpec | None, behaviour: Behaviour | None
    ) -> None:
        check_extras(exchange)  # before anything is started
        self._link: Link | None = None
        if link is None:
            self.exchange = ExchangeProcess(
                exchange, behaviour=behaviour, account=self._keeps_account
            )
            self._port = self.exchange.port
            return
        self._link = opened = open_link(link)
        names = (*exchange.names, *opened.names)
        placed = replace(exchange, host=opened.server_host, names=names)
        with ExitStack() as failing:
            failing.callback(opened.stop)
            self.exchange = ExchangeProcess(
                placed,
                behaviour=behaviour,
                spawn=opened.spawner,
                account=self._keeps_account,
            )
            failing.callback(self.exchange.stop)
            self._pass_through(opened)
            failing.pop_all()

    def _pass_through(self, link: Link) -> None:
        """Find out where clients connect."""
        raise NotImplementedError

    @property
    def has_link(self) -> bool:
        """True where a client must be started with `spawn`."""
        return self._link is not None and self._link.spawner is not None

    @property
    def ca_pem(self) -> str:
        """The certificate that a client has to trust."""
        return self.exchange.ca_pem

    def spawn(self, argv: Sequence[str], fds: Mapping[int, int]) -> Process:
        """Start a program at the client's end of the link."""
        if self._link is None or self._link.spawner is None:
            raise RuntimeError("without a network, programs are started anywhere")
        return self._link.spawner(argv, fds)

    def counters(self) -> ExchangeCounters:
        """Return what the exchange has counted so far."""
        return self.exchange.counters()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.exchange.stop()
        if self._link is not None:
            self._link.stop()

    def handles(self) -> tuple[int, ...]:
        """Return the descriptors that can be read when either of them has ended."""
        if self._link is None:
            return (self.exchange.fileno(),)
        if self.has_link:  # the network tells how all in it ends
            return (self._link.fileno(),)
        return self._link.fileno(), self.exchange.fileno()

    def check(self) -> None:
        """Raise `ProcessDiedError` if the exchange or the link has ended by itself."""
        if self._link is not None:
            self._link.check()
        if not self.has_link:
            self.exchange.check()


class SimulatedVenue(_Simulated):
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
        self._host = exchange.host
        super().__init__(exchange, link, behaviour)

    def _pass_through(self, link: Link) -> None:
        self._host, self._port = link.connect_address(self.exchange.port)
        link.measure_rtt(n=_SELF_CHECKS)

    @property
    def engine(self) -> str:
        """How the link is emulated; empty without one."""
        return self._link.engine if self._link else ""

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why each better engine does not work here."""
        return self._link.refusals if self._link else ()

    def base_url(self, path: str = "/v2") -> str:
        """Return the URL that reaches the exchange through the link."""
        return f"https://{self._host}:{self._port}{path}"

    def stop(self) -> LinkReport | None:
        """End both and return the link's own account, if there is a link."""
        if self._link is None:
            self.exchange.stop()
            return None
        with suppress(LabError):  # a link that died says so in its report
            self._link.measure_rtt(n=_SELF_CHECKS)
        self.exchange.stop()
        return self._link.stop()


class ServedExchange(_Simulated):
    """An exchange for clients outside: on loopback, with a relay where there is a link.

    Args:
        exchange: What the exchange is like; its port is set here.
        link: The round trip to emulate, or None.
        port: Where clients connect; 0 takes any free port.
        host: The address that clients connect to; unspecified (`0.0.0.0`, `::`) takes
            all of this machine's.
        behaviour: How it misbehaves, if it does.

    Raises:
        LabError: It could not be started, for example because the port is taken.
    """

    _keeps_account = True

    def __init__(
        self,
        exchange: ExchangeSpec,
        link: LinkSpec | None,
        *,
        port: int,
        host: str = "127.0.0.1",
        behaviour: Behaviour | None = None,
    ) -> None:
        self._listens = host, port
        self._address = address = ip_address(host)
        # No client can connect to an unspecified address; the host's name leads here.
        self._host = platform.node() if address.is_unspecified else host
        exchange = replace(exchange, names=(*exchange.names, self._host))
        if link is None:
            where = "on loopback" if self.is_private else f"on {host}"
            self.label = f"{where}, no link"
            exchange = replace(exchange, host=host, port=port)
        else:
            link = replace(link, engine="relay")
            self.label = (
                f"simulated in user space, RTT {link.rtt_ms:g} ms: "
                "the TCP handshake is charged to TLS"
            )
        super().__init__(exchange, link, behaviour)

    def _pass_through(self, link: Link) -> None:
        host, port = self._listens
        if isinstance(link, RelayedLink):  # it is nothing else
            _, self._port = link.connect_address(self.exchange.port, at=port, host=host)

    def base_url(self) -> str:
        """Return the URL that clients use."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"https://{host}:{self._port}/v2"

    @property
    def is_private(self) -> bool:
        """True where only this machine can reach it."""
        return self._address.is_loopback

    def own(self, file: Path) -> None:
        """Hand over a temporary file: it is removed however the exchange ends."""
        self.exchange.own(file)

    def seen(self) -> Seen:
        """Return what clients have sent so far."""
        return self.exchange.seen()
