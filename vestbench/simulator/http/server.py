"""The server: where it listens, what it has counted, how it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vestbench.model.simulated import ExchangeCounters, ExchangeSpec
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.certificates import Contexts, HostContexts
from vestbench.simulator.http.door import Door
from vestbench.simulator.http.loop import Worker
from vestbench.simulator.http.messages import Application
from vestbench.simulator.http.seen import Account
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.tls import TlsProtocol, http_version
from vestbench.simulator.http.witnessed import Witnessed

_STOP_TIMEOUT_S = 0.5
_BACKLOG = 1_024


class Server:
    """A TLS server of HTTP/1.1, and of HTTP/2 where that is wanted.

    Raises:
        ValueError: The TLS version is not known, or a name cannot be in a certificate.

    Attributes:
        ca_pem: The certificate to trust, as PEM.
        account: What was seen; nothing where that is not kept.
        worker: Where what takes time is computed.
    """

    def __init__(
        self,
        spec: ExchangeSpec,
        behaviour: Behaviour,
        application: Application,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._loop = loop
        self._spec = spec
        self.account = Account()
        self.worker = worker = Worker(loop)
        self._contexts = Contexts(spec, worker)
        self._take: Callable[[], asyncio.BaseProtocol] = lambda: TlsProtocol(
            self._service, self._contexts.take()
        )
        self.ca_pem = self._contexts.ca_pem
        order_ms = spec.order_processing_ms
        self._service = Service(
            application=application,
            timers=loop,
            idle_timeout_s=spec.idle_timeout_s,
            max_requests=spec.max_requests,
            processing_s=spec.processing_ms / 1000,
            order_processing_s=None if order_ms is None else order_ms / 1000,
            background=worker,
            behaviour=behaviour,
        )
        if spec.http2:
            http_version("h2")  # so that no handshake waits for the import

    async def listen(self) -> int:
        """Begin to accept connections; return the port."""
        self._server = await self._loop.create_server(
            self._take,
            self._spec.host,
            self._spec.port,
            backlog=_BACKLOG,
        )
        return int(self._server.sockets[0].getsockname()[1])

    def serve_every_host(self, name_of: Callable[[str], str]) -> HostContexts:
        """Serve any host, with TLS and without, and keep an account of it.

        Args:
            name_of: Returns the name that an address was given out for.
        """
        found = HostContexts(self._contexts, self._spec, self.worker, name_of)
        self.account = account = Account(
            host_of=lambda address: name_of(address) or address,
            name_of=found.host_of,
        )
        self._take = lambda: Door(self._service, account, found.dialled)
        return found

    def keep_account(self) -> None:
        """Keep an account of what clients send; all of it is to one host."""
        self.account = account = Account(host_of=lambda _: self._spec.host)
        self._take = lambda: Witnessed(self._service, account, self._contexts.take)

    def prepare(self) -> None:
        """Begin to make what the first request would have to wait for."""
        service = self._service
        service.background(service.application.prepare, lambda _: None)

    def behave(self, behaviour: Behaviour) -> None:
        """Behave differently from the next request on."""
        self._service.behaviour = behaviour

    def counters(self) -> ExchangeCounters:
        """Return what has been counted so far."""
        tally = self._service.tally
        return ExchangeCounters(
            connections=tally.accepted,
            handshakes=tally.handshakes,
            resumed=tally.resumed,
            requests=tally.requests,
            requests_per_connection=tuple(tally.per_connection),
            open_connections=tally.open,
            closes=dict(tally.closes),
            websockets=tally.websockets,
            websocket_closes=dict(tally.websocket_closes),
            hosts=dict(self.account.hosts),
        )

    def stop(self) -> float:
        """Close everything in good order; return after how long the process should end.

        FIN is out then, and the exit resets whoever has not closed within those
        seconds.
        """
        self._server.close()
        for shut_down in tuple(self._service.ends):
            shut_down()
        return _STOP_TIMEOUT_S if self._service.ends else 0.0
