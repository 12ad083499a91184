"""HTTP/1.1 as the simulated exchange speaks it: one `Connection` per TCP connection.

What comes in, `request_reader` takes apart. The faults that `Behaviour` names are the
only ways in which writing leaves the standard. asyncio runs it, but is not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from vestbench.simulator.exchange.behaviour import CloseMode, Fault
from vestbench.simulator.exchange.messages import (
    Deferred,
    ErrorCode,
    Response,
    error_response,
)
from vestbench.simulator.exchange.request_reader import (
    MAX_BODY_BYTES,
    Head,
    RefusedError,
    RequestReader,
)
from vestbench.simulator.exchange.service import Service, Stream, Timer

# How long a refused body may go on being sent before the connection is closed. A close
# with unread bytes is a reset, which can destroy the answer on its way.
LINGER_S = 0.5
_GARBAGE = b"\x00\x1f this is not HTTP \xff\xfe\r\n\r\n"


def encode_response(
    response: Response, fields: list[tuple[str, str]], *, chunked: bool = False
) -> tuple[bytes, bytes]:
    """Return the head and the body of a response as they go over the wire."""
    try:
        reason = HTTPStatus(response.status).phrase
    except ValueError:
        reason = ""
    body = response.body
    if chunked:
        fields = [*fields, ("Transfer-Encoding", "chunked")]
        halves = (body[: len(body) // 2], body[len(body) // 2 :])
        body = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves if half)
        body += b"0\r\n\r\n"
    else:
        fields = [*fields, ("Content-Length", str(len(body)))]
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in (*fields, *response.headers)]
    return "\r\n".join((*lines, "\r\n")).encode("latin-1"), body


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer as it will be written, and what follows it."""

    at_once: bytes
    slowly: bytes  # byte by byte
    reason: str  # why the connection ends with it; empty if it does not
    mode: CloseMode


class Connection:
    """One connection: reads requests, answers them in order, and knows when to end.

    The methods without underscore are called by what owns the stream, which is an
    asyncio protocol; they are named as there.

    Args:
        service: What it shares with the others.
        stream: Where answers go.
        resumed: Whether the TLS handshake resumed an earlier session.
        peer: The address of the client.
    """

    def __init__(
        self, service: Service, stream: Stream, *, resumed: bool, peer: str = ""
    ) -> None:
        self._service = service
        self._stream = stream
        self._resumed = resumed
        self._peer = peer
        self._reader = RequestReader()
        self._timer: Timer | None = None
        self._uses = 0
        self._busy = False  # a request was taken up and is not answered yet
        self._advancing = False
        self._told_to_continue = False
        self._writable = True
        self._refused = False  # what still comes in is thrown away
        self._ended = False
        service.tally.open += 1
        service.tally.per_connection.append(0)
        self._serial = len(service.tally.per_connection)
        service.connections.add(self)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on, and answer what is complete."""
        if not (self._ended or self._refused):
            self._reader.feed(data)
            self._advance()

    def connection_lost(self) -> None:
        """Forget the connection: the stream has ended, from whichever side."""
        self._leave("error" if self._refused else "client")
        self._service.connections.discard(self)

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writable = True
        self._advance()

    def shut_down(self) -> None:
        """End it because the exchange ends."""
        self._end("stop")

    # Reading.

    def _advance(self) -> None:
        """Answer whole requests until one takes time or none is left."""
        if self._ended or self._refused or self._advancing:
            return
        self._advancing = True
        try:
            while not self._busy and self._writable and not self._ended:
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

    def _wait(self) -> None:
        """Close if nothing arrives for the idle timeout from now on."""
        deadline = self._service.timers.time() + self._service.idle_timeout_s
        self._set_timer(deadline, self._idle_for_too_long)

    def _set_timer(self, when: float, action: Callable[..., None], *args: Any) -> None:
        self._clear_timer()
        self._timer = self._service.timers.call_at(when, action, *args)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _idle_for_too_long(self) -> None:
        if self._reader.is_idle:
            self._end("idle")
        elif not self._writable:
            self._end("error", reset=True)  # it sends, but does not read
        else:
            self._refuse(RefusedError(408, "Request timeout"))

    # Answering.

    def _serve(self, head: Head, body: bytes) -> None:
        """Take a whole request up, and answer it when the service time is over."""
        service, behaviour = self._service, self._service.behaviour
        arrived = service.timers.time()
        self._clear_timer()
        self._busy, self._told_to_continue = True, False
        self._count()
        fault = service.chance().fault()
        if behaviour.after_response == "close-unanswered" and self._is_nth():
            self._end("behaviour")
            return
        if behaviour.stall or fault == "stall":
            return
        request = head.request(body, self._peer)
        due = arrived + service.service_time_s(request)
        # All that can be done before is: what comes after a pause runs on cold caches,
        # at 0.1 ms, and would be added to the service time.
        if behaviour.garbage:
            self._answer_at(due, _Answer(_GARBAGE, b"", "behaviour", "fin"))
        elif fault == "reset":
            self._answer_at(due, _Answer(b"", b"", "behaviour", "rst"))
        else:
            answer = self._override(fault) or service.respond(request)
            if isinstance(answer, Deferred):
                self._compute(due, head, fault, answer)
            else:
                self._answer_at(due, self._prepare(head, answer, fault))

    def _compute(
        self, due: float, head: Head, fault: Fault | None, answer: Deferred
    ) -> None:
        """Have an answer computed elsewhere, within the service time if that lasts."""

        def done(result: Any) -> None:
            # The request has arrived, so it has its effect even if its client is gone.
            response = answer.finish(result)
            if not self._ended:
                self._answer_at(due, self._prepare(head, response, fault))
                self._advance()

        self._service.background(answer.work, done)

    def _answer_at(self, due: float, answer: _Answer) -> None:
        if due > self._service.timers.time():
            self._set_timer(due, self._due, answer)
        else:
            self._deliver(answer)

    def _count(self) -> None:
        self._uses += 1
        tally = self._service.tally
        tally.requests += 1
        tally.per_connection[self._serial - 1] = self._uses

    def _is_nth(self) -> bool:
        return self._uses % self._service.behaviour.close_every == 0

    def _override(self, fault: Fault | None) -> Response | None:
        """Return what is answered instead of the answer, if anything is."""
        behaviour = self._service.behaviour
        status, after = behaviour.status, behaviour.retry_after_s
        if fault == "5xx":
            status, after = self._service.chance().server_error(), None
        elif fault == "429":
            status, after = 429, 1 if after is None else after
        elif not status or self._service.tally.requests % behaviour.status_every:
            return None
        code = int(ErrorCode.TOO_MANY_REQUESTS) if status == 429 else status
        fields = () if after is None else (("Retry-After", str(after)),)
        return error_response(status, code, f"Simulated status {status}", fields)

    def _prepare(self, head: Head, response: Response, fault: Fault | None) -> _Answer:
        behaviour = self._service.behaviour
        reason, mode = self._closing(head)
        told = mode == "fin" and (reason != "behaviour" or behaviour.announce)
        if fault == "close" and not reason:
            reason, mode = "behaviour", "fin"  # not told: that is the fault
        connection = "close" if told else ""
        if not reason and head.minor == 0:
            connection = "keep-alive"  # an HTTP/1.0 client has to be told
        start, content = encode_response(
            response,
            self._fields(connection),
            chunked=behaviour.chunked and head.minor > 0,
        )
        if head.method == "HEAD":
            content = b""
        if behaviour.trickle_ms > 0:
            return _Answer(start, content, reason, mode)
        return _Answer(start + content, b"", reason, mode)

    def _due(self, answer: _Answer) -> None:
        self._timer = None
        self._deliver(answer)
        self._advance()

    def _deliver(self, answer: _Answer) -> None:
        if answer.at_once:
            self._stream.write(answer.at_once)
        self._trickle(answer, 0)

    def _closing(self, head: Head) -> tuple[str, CloseMode]:
        """Return why the connection ends with this response, if so, and how."""
        behaviour, limit = self._service.behaviour, self._service.max_requests
        if behaviour.after_response in ("fin", "rst") and self._is_nth():
            return "behaviour", behaviour.after_response
        if not head.keeps_alive:
            return "asked", "fin"
        if limit and self._uses >= limit:
            return "max_requests", "fin"
        return "", "keep"

    def _fields(self, connection: str) -> list[tuple[str, str]]:
        fields = [
            ("Date", self._service.date()),
            ("Content-Type", "application/json"),
            ("x-vestbench-connection", str(self._serial)),
            ("x-vestbench-request", str(self._uses)),
            ("x-vestbench-resumed", str(int(self._resumed))),
        ]
        return [*fields, ("Connection", connection)] if connection else fields

    def _trickle(self, answer: _Answer, sent: int) -> None:
        """Write the rest of an answer byte by byte, then be ready for the next."""
        self._timer = None
        if sent < len(answer.slowly):
            timers, behaviour = self._service.timers, self._service.behaviour
            when = timers.time() + behaviour.trickle_ms / 1000
            self._set_timer(when, self._trickle_on, answer, sent)
            return
        self._busy = False
        if answer.reason:
            self._end(answer.reason, reset=answer.mode == "rst")
        else:
            self._wait()
            self._stream.resume_reading()

    def _trickle_on(self, answer: _Answer, sent: int) -> None:
        self._stream.write(answer.slowly[sent : sent + 1])
        self._trickle(answer, sent + 1)
        self._advance()

    def _refuse(self, error: RefusedError) -> None:
        """Answer a request that cannot be served, and end the connection."""
        self._count()
        self._refused = True
        response = error_response(error.status, error.status, str(error))
        self._stream.write(b"".join(encode_response(response, self._fields("close"))))
        if error.status == 413:
            until = self._service.timers.time() + LINGER_S
            self._set_timer(until, self._end, "error")
        else:
            self._end("error")

    # Ending.

    def _end(self, reason: str, *, reset: bool = False) -> None:
        if self._ended:
            return
        self._leave(reason)
        if reset:
            self._stream.reset()
        else:
            self._stream.close()

    def _leave(self, reason: str) -> None:
        """Count the end of the connection, the first time it is known."""
        if self._ended:
            return
        self._ended = True
        self._clear_timer()
        tally = self._service.tally
        tally.open -= 1
        tally.closes[reason] = tally.closes.get(reason, 0) + 1
