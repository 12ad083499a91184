"""TLS of one connection, between its TCP transport and its HTTP version."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.seen import Witness
from vestbench.simulator.http.served import ServedConnection
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.socket_protocol import SocketProtocol

_HANDSHAKE_TIMEOUT_S = 10.0


class TlsProtocol(SocketProtocol):
    """A connection with TLS.

    Args:
        service: What all connections share.
        context: What TLS goes by.
        witness: Keeps what happens on this one; None where no account is wanted.
    """

    def __init__(
        self,
        service: Service,
        context: ssl.SSLContext,
        witness: Witness | None = None,
    ) -> None:
        super().__init__(service, witness)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client to begin the handshake."""
        super().connection_made(transport)
        self._service.tally.accepted += 1
        self._abort_after(_HANDSHAKE_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        """Decrypt what has arrived and pass it on."""
        if self._closing:
            return
        self._incoming.write(data)
        if self._witness is not None:
            self._witness.up += len(data)
        try:
            if self._connection is None:
                self._shake_hands()
            while self._connection is not None and not self._closing:
                received = self._tls.read(65_536)
                if not received:
                    break
                self._pass_on(self._connection, received)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            if self._witness is not None:
                self._witness.closes("client", "fin")
            self.close()  # close_notify is answered with the same
        except ssl.SSLError as error:
            if self._witness is not None:
                self._witness.refused(error.reason or "")
            self._flush()  # the alert
            self._live.abort()

    # What the connection calls.

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if not self._closing:
            self._tls.write(data)
            self._flush()

    # Its own.

    def _pass_on(self, connection: ServedConnection, received: bytes) -> None:
        witness = self._witness
        if witness is None:
            connection.data_received(received)
            return
        # What is not decrypted yet belongs to what comes after.
        left = self._incoming.pending
        witness.up -= left
        connection.data_received(received)
        witness.up += left

    def _say_goodbye(self, *, notify: bool) -> None:
        if notify:
            with suppress(ssl.SSLError):  # the client has not sent its own yet
                self._tls.unwrap()
        self._flush()

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        # The session tickets go out here, in a write of their own.
        self._flush()
        self._clear_deadline()
        resumed = bool(self._tls.session_reused)
        self._service.tally.handshakes += 1
        self._service.tally.resumed += resumed
        alpn = self._tls.selected_alpn_protocol()
        if self._witness is not None:
            self._witness.secured(self._tls, left=self._incoming.pending)
        self._begin(http_version(alpn), resumed=resumed)

    def _flush(self) -> None:
        if self._outgoing.pending and not self._live.is_closing():
            self._send(self._outgoing.read())


def http_version(alpn: str | None) -> type[ServedConnection]:
    """Return what speaks the HTTP version that was agreed on in the handshake."""
    if alpn != "h2":
        return Http11Connection
    # An exchange that does not offer HTTP/2 does without its library.
    from vestbench.simulator.http.http2 import Http2Connection

    return Http2Connection
