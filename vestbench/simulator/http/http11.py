"""HTTP/1.1 as the simulated exchange speaks it.

`request_reader` takes requests apart. Answers follow the standard, but for the faults
that `Behaviour` names. asyncio runs this module, but is not imported.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from vestbench.simulator.http.behaviour import Fault
from vestbench.simulator.http.messages import Response, Talk
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    Head,
    RefusedError,
    RequestReader,
)
from vestbench.simulator.http.seen import SeenRequest
from vestbench.simulator.http.served import LINGER_S, End, ServedConnection
from vestbench.simulator.http.service import Service, Stream

if TYPE_CHECKING:
    from vestbench.simulator.websocket.connection import WebSocket

_RESTART = 1012  # documented for a restart
_GARBAGE = b"\x00\x1f this is not HTTP \xff\xfe\r\n\r\n"


def encode_response(
    response: Response, fields: list[tuple[str, str]], *, chunked: bool = False
) -> tuple[bytes, bytes]:
    """Return the head and the body of a response as they go over the wire."""
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    body, fields = response.body, response.typed(fields)
    if response.talk is not None:
        fields = [each for each in fields if each[0] != "Content-Type"]
    elif chunked:
        fields = [*fields, ("Transfer-Encoding", "chunked")]
        halves = (body[: len(body) // 2], body[len(body) // 2 :])
        body = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves if half)
        body += b"0\r\n\r\n"
    else:
        fields = [*fields, ("Content-Length", str(len(body)))]
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in (*fields, *response.headers)]
    return "\r\n".join((*lines, "\r\n")).encode("latin-1"), body


class Http11Connection(ServedConnection):
    """One connection of HTTP/1.1: answers in the order of the requests.

    After an upgrade it hands on all that arrives.
    """

    def __init__(self, service: Service, stream: Stream, **facts: Any) -> None:
        super().__init__(service, stream, **facts)
        self._reader = RequestReader()
        self._kept: SeenRequest | None = None  # the one that is being answered
        self._busy = False  # a request was taken up and is not answered yet
        self._advancing = False
        self._told_to_continue = False
        self._talk: Talk | None = None  # begins after the answer that is under way
        self._websocket: WebSocket | None = None
        self._wait()

    def connection_lost(self) -> None:
        """Forget the connection, and the WebSocket that it has become."""
        if self._websocket is not None:
            self._websocket.lost()
        super().connection_lost()

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read."""
        super().pause_writing()
        if self._websocket is not None:
            self._websocket.pause_writing()

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writable = True
        if self._websocket is not None:
            self._websocket.resume_writing()
        self._advance()

    def shut_down(self) -> None:
        """End it because the exchange ends, which a WebSocket is told."""
        if self._websocket is not None:
            self._websocket.close(_RESTART, "the exchange stops")
        super().shut_down()

    # Reading.

    def _read(self, data: bytes) -> None:
        if self._websocket is not None:
            self._websocket.received(data)
            return
        self._reader.feed(data)
        self._advance()

    def _advance(self) -> None:
        """Answer whole requests until one takes time or none is left."""
        if self._is_over() or self._advancing or self._websocket is not None:
            return
        self._advancing = True
        try:
            while self._writable and not (self._busy or self._is_over()):
                received = self._reader.next()
                if received is None:
                    self._wait_for_rest()
                    return
                self._serve(*received)
        except RefusedError as error:
            self._refuse(error)
        finally:
            self._advancing = False
        if len(self._reader) > MAX_BODY_BYTES and not self._ended:
            self._stream.pause_reading()  # a client that pipelines without end

    def _wait_for_rest(self) -> None:
        if self._reader.is_idle:
            return  # the idle timer runs already
        head = self._reader.head
        if head is not None and head.expects_continue and not self._told_to_continue:
            self._told_to_continue = True
            self._stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wait()

    def _idle_for_too_long(self) -> None:
        if self._reader.is_idle:
            self._end("idle", self._service.behaviour.idle_close)
        elif not self._writable:
            self._end("error", "rst")  # it sends, but does not read
        else:
            self._refuse(RefusedError(408, "Request timeout"))

    # Answering.

    def _serve(self, head: Head, body: bytes) -> None:
        """Take a whole request up, and answer it when the service time is over."""
        service = self._service
        arrived = service.timers.time()
        self._clear_timer()
        self._busy, self._told_to_continue = True, False
        self._count()
        request = head.request(body, self._peer)
        self._kept = self._keep(request)
        fault = service.chance().fault()
        if self._is_ignored(self._uses, fault):
            return
        due = arrived + service.service_time_s(request)
        # The answer is made before the pause of the service time: after it the caches
        # are cold, and the 0.1 ms that this costs would be added to the pause.
        if service.behaviour.garbage:
            self._answer_at(due, _GARBAGE, b"", End("behaviour"))
        elif fault == "reset":
            self._answer_at(due, b"", b"", End("behaviour", "rst"))
        else:

            def done(response: Response) -> None:
                if not self._ended:
                    self._answer_at(due, *self._prepare(head, response, fault))

            self._respond(request, fault, due, self._kept, done)

    def _answer_at(
        self, due: float, data: bytes, slowly: bytes, end: End | None
    ) -> None:
        if due > self._service.timers.time():
            self._set_timer(due, self._deliver, data, slowly, end)
        else:
            self._deliver(data, slowly, end)

    def _prepare(
        self, head: Head, response: Response, fault: Fault | None
    ) -> tuple[bytes, bytes, End | None]:
        """Return what is written at once, what byte by byte, and the end after it."""
        behaviour = self._service.behaviour
        if self._kept is not None:
            self._kept.status = response.status
        self._talk = response.talk
        if self._talk is not None:
            return *encode_response(response, self._fields(self._uses)), None
        end = self._ending(self._uses, fault, asked=not head.keeps_alive)
        told = [("Connection", "close")] if end and end.told else []
        if end is None and head.minor == 0:
            told = [("Connection", "keep-alive")]  # HTTP/1.0 would not expect it
        fields = self._fields(self._uses, *told)
        chunked = behaviour.chunked and head.minor > 0
        start, content = encode_response(response, fields, chunked=chunked)
        if head.method == "HEAD":
            content = b""
        if behaviour.trickle_ms > 0:
            return start, content, end
        return start + content, b"", end

    def _deliver(self, data: bytes, slowly: bytes, end: End | None) -> None:
        """Write `data`, then the rest byte by byte, then be ready for the next."""
        self._timer = None
        witness, kept = self._witness, self._kept
        if witness is not None and kept is not None:
            witness.answers(kept)
        if data:
            self._stream.write(data)
        if witness is not None and kept is not None and not slowly:
            witness.answered(kept)
        if slowly:
            when = self._after(self._service.behaviour.trickle_ms / 1000)
            self._set_timer(when, self._deliver, slowly[:1], slowly[1:], end)
        elif self._talk is not None:
            self._upgrade(self._talk)
        else:
            self._busy = False
            if end is not None:
                self._end_after_answer(end)
            else:
                self._wait()
                self._stream.resume_reading()
        self._advance()

    def _upgrade(self, talk: Talk) -> None:
        """Be a WebSocket from here on; what has arrived already is its first data."""
        from vestbench.simulator.websocket.connection import WebSocket

        self._stream.resume_reading()
        self._websocket = WebSocket(
            self._service, self._stream, talk, self._end, self._witness
        )
        if rest := self._reader.rest():
            self._websocket.received(rest)

    def _refuse(self, error: RefusedError) -> None:
        """Answer a request that cannot be served, and end the connection."""
        self._count()
        self._deaf = self._refused = True
        if self._witness is not None:
            self._witness.unreadable(str(error))
        response = self._service.application.refusal(error.status, str(error))
        fields = self._fields(self._uses, ("Connection", "close"))
        self._stream.write(b"".join(encode_response(response, fields)))
        if error.status == 413:
            self._set_timer(self._after(LINGER_S), self._end, "error")
        else:
            self._end("error")
