"""A client's WebSocket beside its pool: opened, timed and listened to.

It is on the wire's own instrument, so its phases are those of a request. wsproto, of
the extra `ws`, is imported when one is opened.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    Slot,
    Subscription,
)
from vestbench.stacks.outcomes import Answer, Exchange
from vestbench.stacks.session import USER_AGENT
from vestbench.stacks.wire.failures import WireError, detail_of
from vestbench.stacks.wire.instrument import Instrument
from vestbench.stacks.wire.stream import TimedStream

if TYPE_CHECKING:
    from wsproto import WSConnection
    from wsproto.events import Event

_HTTP = "HTTP/1.1"
_MOST_BYTES = 2**20  # of what has not become a whole message
_READ_BYTES = 2**16


class BrokenWebSocketError(WireError):
    """What came is no WebSocket, or it was closed."""

    kind = FailureKind.PROTOCOL


class WebSocketClient:
    """One WebSocket that says little and listens.

    Args:
        instrument: Has the limits and the stamps; of this WebSocket alone.
        context: With the certificates to trust.
        origin_ns: When the run began, by CLOCK_MONOTONIC.
    """

    def __init__(
        self, instrument: Instrument, context: ssl.SSLContext, origin_ns: int
    ) -> None:
        self._instrument = instrument
        self._context = context
        self._origin_ns = origin_ns
        self._stream: TimedStream | None = None
        self._heard: deque[tuple[str, int]] = deque()  # messages, and when they came
        self._parts: list[str] = []

    def open(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        """Connect, upgrade, subscribe, and wait for the first event.

        The latency is that of the upgrade, from the call to the end of its answer; the
        sample's `event_ns` is from the first byte of its request to the first event.

        Returns:
            The outcome, and the first event; that is empty without one.
        """
        clock, stamps = self._instrument.clock, self._instrument.begin()
        self._wire, request = _handshake(spec, wanted)
        begin = clock()
        try:
            answer = self._upgrade(spec, request)
            elapsed = clock() - begin
        except WireError as error:
            exchange = Exchange(spec, slot, begin - self._origin_ns, clock() - begin)
            opening = stamps.failed(error.kind)
            detail = detail_of(error)
            return exchange.failed(
                error.kind, detail, reused=False, opening=opening
            ), b""
        exchange = Exchange(spec, slot, begin - self._origin_ns, elapsed)
        outcome = exchange.answered(answer, stamps.carried(), stamps.phases())
        if isinstance(outcome, Failure):
            return outcome, b""
        self._instrument.begin()
        try:
            for word in wanted.words:
                self._say(word)
        except WireError as error:
            return exchange.failed(error.kind, detail_of(error), reused=False), b""
        return self.hear(outcome, stamps.first_write, wanted.greeting)

    def hear(
        self, sample: Sample, first_byte_ns: int, wanted: str
    ) -> tuple[Outcome, bytes]:
        """Wait for the next event that holds `wanted`.

        Args:
            sample: The request that leads to it.
            first_byte_ns: When its first byte was written, by the instrument's clock.
            wanted: Is in the text of the event; all others are passed over.

        Returns:
            The sample with its `event_ns`, or a failure where none came in time; and
            the text.
        """
        self._instrument.begin()  # the time that a request may take
        try:
            text, came_ns = self._next(wanted)
        except WireError as error:
            why = f"answered, but no event: {detail_of(error)}"
            return replace(sample.failed(error.kind, why), opened=sample.opened), b""
        more = {**(sample.extra or {}), "event_ns": came_ns - first_byte_ns}
        return replace(sample, extra=more), text.encode()

    def close(self) -> None:
        """Close it without waiting for the exchange."""
        if self._stream is not None:
            self._stream.close()

    def _upgrade(self, spec: RequestSpec, request: bytes) -> Answer:
        """Open the connection and ask; return the answer, whatever it says."""
        url = urlsplit(spec.url)
        host = url.hostname or ""
        self._stream = TimedStream.connect(self._instrument, host, url.port or 443)
        self._stream.start_tls(self._context, host)
        self._stream.write(request)
        while True:
            for event in self._events():
                status = getattr(event, "status_code", 101)
                return Answer(status, "", None, _HTTP, b"", None)

    def _next(self, wanted: str) -> tuple[str, int]:
        while True:
            while self._heard:
                text, came_ns = self._heard.popleft()
                if wanted in text:
                    return text, came_ns
            for event in self._events():
                self._take(event)

    def _take(self, event: Event) -> None:
        from wsproto.events import CloseConnection, Ping, TextMessage

        if isinstance(event, TextMessage):
            self._parts.append(event.data)
            if event.message_finished:
                came_ns = self._instrument.current().last_read
                self._heard.append(("".join(self._parts), came_ns))
                self._parts.clear()
            elif sum(map(len, self._parts)) > _MOST_BYTES:
                raise BrokenWebSocketError("an event is too long")
        elif isinstance(event, Ping):
            self._send(self._wire.send(event.response()))
        elif isinstance(event, CloseConnection):
            raise BrokenWebSocketError(f"it was closed with code {int(event.code)}")

    def _events(self) -> Iterator[Any]:
        """Read once, and yield what that completes."""
        from wsproto.utilities import RemoteProtocolError

        stream = self._stream
        if stream is None:
            raise RuntimeError("the WebSocket is not open")
        data = stream.read(_READ_BYTES)
        if not data:
            raise BrokenWebSocketError("the server has closed the connection")
        try:
            self._wire.receive_data(data)
            yield from self._wire.events()
        except (RemoteProtocolError, UnicodeError) as error:
            raise BrokenWebSocketError(str(error)) from error

    def _say(self, word: str) -> None:
        from wsproto.events import TextMessage

        self._send(self._wire.send(TextMessage(word)))

    def _send(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)


def _handshake(spec: RequestSpec, wanted: Subscription) -> tuple[WSConnection, bytes]:
    """Return the two ends of a handshake: what reads the answer, and the request."""
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import Request

    url = urlsplit(spec.url)
    wire = WSConnection(ConnectionType.CLIENT)
    headers = [("User-Agent", USER_AGENT), *spec.headers]
    asked = Request(
        host=url.netloc,
        target=f"{url.path}?{url.query}{wanted.query}",
        extra_headers=[(name.encode(), value.encode()) for name, value in headers],
    )
    return wire, wire.send(asked)
