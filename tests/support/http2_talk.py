"""python-h2 as the client of the exchange, in memory and in scripted time."""

from __future__ import annotations

from struct import pack
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.support.exchange_talk import Answering, RecordedStream, ScriptedTimers
from vestbench.simulator.http.http2 import Http2Connection
from vestbench.simulator.http.messages import Request, Response
from vestbench.simulator.http.service import Service

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Got:
    """What the client has got on one stream."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False
        self.reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers.get(":status", 0))


class Talk2:
    """A client in memory, and one connection to a service that answers everything."""

    def __init__(self, service: Service | None = None, **options: Any) -> None:
        self.timers = ScriptedTimers()
        self.requests: list[Request] = []
        self.body = b'{"n":1}'
        self.service = service or Service(
            application=Answering(self.respond), timers=self.timers, **options
        )
        self.stream = RecordedStream()
        self.connection = Http2Connection(self.service, self.stream, resumed=False)
        self.client = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.client.initiate_connection()
        self.got: dict[int, Got] = {}
        self.goodbyes: list[events.ConnectionTerminated] = []
        self._read = 0
        self.move()

    def respond(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, self.body)

    def move(self, *, acknowledge: bool = True) -> None:
        """Carry bytes both ways until nothing moves any more."""
        while True:
            data = self.client.data_to_send()
            if data:
                self.connection.data_received(data)
            back = self.stream.written[self._read :]
            self._read += len(back)
            if not data and not back:
                return
            for event in self.client.receive_data(back):
                self._notice(event, acknowledge)

    def _notice(self, event: events.Event, acknowledge: bool) -> None:
        if isinstance(event, events.ConnectionTerminated):
            self.goodbyes.append(event)
            return
        number = getattr(event, "stream_id", None)
        if not number:
            return
        got = self.got.setdefault(number, Got())
        match event:
            case events.ResponseReceived():
                got.headers = {str(k): str(v) for k, v in event.headers}
            case events.DataReceived():
                got.body += event.data
                if acknowledge:
                    length = event.flow_controlled_length
                    self.client.acknowledge_received_data(length, number)
            case events.StreamEnded():
                got.ended = True
            case events.StreamReset():
                got.reset = event.error_code

    def send(
        self, *more: tuple[str, str], method: str = "GET", body: bytes | None = None
    ) -> int:
        """Write a request; return the number of its stream."""
        number = self.client.get_next_available_stream_id()
        path = "/v2/orders" if method == "POST" else "/v2/x?a=1"
        head = [(":method", method), (":path", path), (":scheme", "https")]
        head += [(":authority", "h"), *more]
        self.client.send_headers(number, head, end_stream=body is None)
        if body is not None:
            self.client.send_data(number, body, end_stream=True)
        return number

    def ask(self, *more: tuple[str, str], **request: Any) -> Got:
        """Send a request and return what is there at once."""
        number = self.send(*more, **request)
        self.move()
        return self.got.get(number, Got())

    @property
    def closes(self) -> dict[str, int]:
        return self.service.tally.closes


def goaway(*, last: int) -> bytes:
    return pack(">HBBBLLL", 0, 8, 7, 0, 0, last, 0)


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    head = len(payload).to_bytes(3) + bytes([kind, flags])
    return head + stream.to_bytes(4) + payload


SETTINGS = frame(4, b"")
