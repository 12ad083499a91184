"""TLS of one connection, between its TCP transport and its HTTP version."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
from contextlib import suppress
from typing import Any, cast

from vestbench.simulator.http.http11 import Http11Connection
from vestbench.simulator.http.served import ServedConnection
from vestbench.simulator.http.service import Service

_HANDSHAKE_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0  # for the peer to close after the exchange has
_COLLECT_EVERY = 32  # connections closed
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


class TlsProtocol(asyncio.Protocol):
    """The protocol of one TCP connection, and the `Stream` of its `ServedConnection`.

    asyncio's own TLS transport waits for the client's close_notify, up to 30 s, before
    it sends FIN. Real servers send both at once, and whether a pooled client notices
    is one of the things to measure.
    """

    def __init__(self, service: Service, context: ssl.SSLContext) -> None:
        self._service = service
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._connection: ServedConnection | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closing = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client to begin the handshake."""
        self._live = cast(asyncio.Transport, transport)
        # asyncio sets it too, but only on sockets that it has made itself. With Nagle
        # the first answer would wait 40 ms for the ACK of the session tickets.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._service.tally.accepted += 1
        self._abort_after(_HANDSHAKE_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        """Decrypt what has arrived and pass it on."""
        if self._closing:
            return
        self._incoming.write(data)
        try:
            if self._connection is None:
                self._shake_hands()
            while self._connection is not None and not self._closing:
                received = self._tls.read(65_536)
                if not received:
                    break
                self._connection.data_received(received)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self.close()  # close_notify is answered with the same
        except ssl.SSLError:
            self._flush()  # the alert
            self._live.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the end, whichever side it came from."""
        del exc  # a client may close by a reset
        self._closing = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._connection is not None:
            self._connection.connection_lost()
            self._connection = None
        # Each connection leaves cycles of 7 objects; to collect them takes 0.2 ms here.
        if self._service.tally.accepted % _COLLECT_EVERY == 0:
            gc.collect()

    def pause_writing(self) -> None:
        """Tell the connection that the client does not read."""
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell the connection that the client reads again."""
        if self._connection is not None:
            self._connection.resume_writing()

    # What the connection calls: it sees a `Stream`.

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if not self._closing:
            self._tls.write(data)
            self._flush()

    def close(self, *, notify: bool = True) -> None:
        """Send FIN, after a close_notify if `notify`, and wait a while for the peer."""
        if self._closing:
            return
        self._closing = True
        if notify:
            with suppress(ssl.SSLError):  # the client has not sent its own yet
                self._tls.unwrap()
        self._flush()
        if not self._live.is_closing():
            # Unlike `close`, it goes on reading, and unread bytes would make a reset.
            with suppress(OSError):  # the client has gone already
                self._live.write_eof()
            self._live.resume_reading()
            self._abort_after(_CLOSE_TIMEOUT_S)

    def reset(self) -> None:
        """Make the kernel send RST."""
        self._closing = True
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._live.abort()

    def pause_reading(self) -> None:
        """Leave what the client sends in the kernel."""
        self._live.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._live.resume_reading()

    # Its own.

    @property
    def _socket(self) -> Any:
        return self._live.get_extra_info("socket")

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        # The session tickets go out here, in a write of their own.
        self._flush()
        if self._deadline is not None:
            self._deadline.cancel()
        resumed = bool(self._tls.session_reused)
        self._service.tally.handshakes += 1
        self._service.tally.resumed += resumed
        peer = self._live.get_extra_info("peername")
        speak = http_version(self._tls.selected_alpn_protocol())
        self._connection = speak(
            self._service, self, resumed=resumed, peer=peer[0] if peer else ""
        )

    def _flush(self) -> None:
        if self._outgoing.pending and not self._live.is_closing():
            self._live.write(self._outgoing.read())

    def _abort_after(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(delay_s, self._live.abort)


def http_version(alpn: str | None) -> type[ServedConnection]:
    """Return what speaks the HTTP version that was agreed on in the handshake."""
    if alpn != "h2":
        return Http11Connection
    # An exchange that does not offer HTTP/2 does without its library.
    from vestbench.simulator.http.http2 import Http2Connection

    return Http2Connection
