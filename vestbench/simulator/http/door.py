"""The door of an exchange that serves every host: TLS or plain HTTP, as clients like.

Which of the two it is, the first byte says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.seen import Account, Witness
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.socket_protocol import SocketProtocol
from vestbench.simulator.http.tls import TlsProtocol

_HANDSHAKE = 0x16  # the first byte of a TLS connection


class PlainProtocol(SocketProtocol):
    """A connection without TLS."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve requests at once."""
        super().connection_made(transport)
        self._service.tally.accepted += 1
        self._begin(Http11Connection, resumed=False)

    def data_received(self, data: bytes) -> None:
        """Pass on what has arrived."""
        if self._witness is not None:
            self._witness.up += len(data)
        if self._connection is not None and not self._closing:
            self._connection.data_received(data)

    def write(self, data: bytes) -> None:
        """Send."""
        if not self._closing:
            self._send(data)


class Door(asyncio.Protocol):
    """Waits for the first byte of a connection, and lets whoever understands it go on.

    Args:
        service: What all connections share.
        account: Where each connection is kept.
        context_for: Returns what TLS goes by, by the address that was dialled.
    """

    def __init__(
        self,
        service: Service,
        account: Account,
        context_for: Callable[[str], ssl.SSLContext],
    ) -> None:
        self._service = service
        self._account = account
        self._context_for = context_for

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first byte, as long as for a request."""
        self._live = cast(asyncio.Transport, transport)
        # The link shows the address that was dialled as that of the client.
        self._dialled, port = self._live.get_extra_info("peername")[:2]
        self._witness = Witness(self._account, (self._dialled, port))
        wait_s = self._service.idle_timeout_s
        self._deadline = asyncio.get_running_loop().call_later(wait_s, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Hand the connection over."""
        self._deadline.cancel()
        if data[0] == _HANDSHAKE:
            context = self._context_for(self._dialled)
            found: SocketProtocol = TlsProtocol(self._service, context, self._witness)
        else:
            found = PlainProtocol(self._service, self._witness)
        self._live.set_protocol(found)
        found.connection_made(self._live)
        found.data_received(data)

    def eof_received(self) -> None:
        """See that the client has gone without a word; the transport then closes."""
        self._witness.closes("client", "fin")

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep how it ended."""
        self._deadline.cancel()
        self._witness.closes("client", "rst" if exc else "fin")
        self._service.tally.accepted += 1

    def _give_up(self) -> None:
        self._witness.closes("server", "fin", "idle")
        self._live.close()
