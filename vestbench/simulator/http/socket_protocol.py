"""The socket under a connection: what it is for HTTP with TLS and without."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
from abc import abstractmethod
from contextlib import suppress
from typing import Any, cast

from vestbench.simulator.http.seen import Witness
from vestbench.simulator.http.served import ServedConnection
from vestbench.simulator.http.service import Service

_CLOSE_TIMEOUT_S = 2.0  # for the peer to close after the exchange has
_COLLECT_EVERY = 32  # connections closed
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for 0 s


class SocketProtocol(asyncio.Protocol):
    """The protocol of one TCP connection, and the `Stream` of its `ServedConnection`.

    asyncio's own TLS transport waits for the client's close_notify, up to 30 s, before
    it sends FIN. Real servers send both at once, and whether a pooled client notices
    is one of the things to measure.

    Args:
        service: What all connections share.
        witness: Keeps what happens on this one; None where no account is wanted.
    """

    def __init__(self, service: Service, witness: Witness | None = None) -> None:
        self._service = service
        self._witness = witness
        self._connection: ServedConnection | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closing = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._live = cast(asyncio.Transport, transport)
        # asyncio sets it too, but only on sockets that it has made itself. With Nagle
        # the first answer would wait 40 ms for the ACK of the session tickets.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def eof_received(self) -> None:
        """See that the client has sent all it wants to; the transport then closes."""
        if self._witness is not None:
            self._witness.closes("client", "fin")

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the end, whichever side it came from."""
        self._closing = True
        self._clear_deadline()
        if self._witness is not None:
            # A client may close by a reset.
            self._witness.closes("client", "rst" if exc else "fin")
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

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send these bytes after all earlier ones."""

    def close(self, *, notify: bool = True) -> None:
        """Send FIN, after a close_notify if `notify`, and wait a while for the peer."""
        if self._closing:
            return
        self._closing = True
        self._say_goodbye(notify=notify)
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

    def _say_goodbye(self, *, notify: bool) -> None:
        """Send what the protocol above TCP says at the end."""

    def _begin(self, speak: type[ServedConnection], *, resumed: bool) -> None:
        """Serve requests from here on."""
        peer = self._live.get_extra_info("peername")
        host = peer[0] if peer else ""
        if self._witness is not None:
            self._witness.ready(speak.speech)
        self._connection = speak(
            self._service, self, resumed=resumed, peer=host, witness=self._witness
        )

    def _send(self, data: bytes) -> None:
        if self._witness is not None:
            self._witness.down += len(data)
        self._live.write(data)

    def _abort_after(self, delay_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(delay_s, self._live.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
