"""TLS connections of which an account is kept."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from vestbench.simulator.http.seen import Account, Witness
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.tls import TlsProtocol


class Witnessed(asyncio.Protocol):
    """Gives a new connection a witness, and hands it over at once.

    Only then it is known who its client is.

    Args:
        service: What all connections share.
        account: Where each connection is kept.
        context: Returns what TLS goes by.
    """

    def __init__(
        self, service: Service, account: Account, context: Callable[[], ssl.SSLContext]
    ) -> None:
        self._service, self._account, self._context = service, account, context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it over."""
        live = cast(asyncio.Transport, transport)
        address, port = live.get_extra_info("peername")[:2]
        witness = Witness(self._account, (address, port))
        found = TlsProtocol(self._service, self._context(), witness)
        live.set_protocol(found)
        found.connection_made(live)
