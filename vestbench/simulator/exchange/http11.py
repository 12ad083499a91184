"""HTTP/1.1 as the simulated exchange speaks it: one `Connection` per TCP connection.

Reading is strict (RFC 9112): what could be understood in two ways is refused and ends
the connection. The faults that `Behaviour` names are the only ways in which writing
leaves the standard.

Nothing here imports asyncio, although asyncio runs it: the parent process makes
`Behaviour` objects too, and asyncio would cost its start-up 90 ms.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, unquote

from vestbench.simulator.exchange.application import (
    ErrorCode,
    Request,
    Response,
    error_response,
)

MAX_HEAD_BYTES = 16_384
MAX_HEADERS = 100
MAX_BODY_BYTES = 1_048_576
# How long a refused body may go on being sent before the connection is closed. A close
# with unread bytes is a reset, which can destroy the answer on its way.
LINGER_S = 0.5
_CHUNK_LINE_BYTES = 1_024
_GARBAGE = b"\x00\x1f this is not HTTP \xff\xfe\r\n\r\n"

CloseMode = Literal["keep", "fin", "rst", "close-unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the exchange deviates from a well-behaved one. The default does not."""

    # What follows a response: nothing; close_notify and FIN; a reset. The last closes
    # without giving the response at all.
    after_response: CloseMode = "keep"
    close_every: int = 1  # `after_response` holds for every n-th one of a connection
    announce: bool = True  # a "fin" after a response is announced in its head
    # Answer every n-th request, counted over all connections, with a status; 0 never.
    status: int = 0
    status_every: int = 1
    retry_after_s: int | None = None  # Retry-After of these
    stall: bool = False  # read requests and never answer
    garbage: bool = False  # answer with bytes that are not HTTP, and close
    trickle_ms: float = 0.0  # time between two bytes of the body; 0 sends it at once
    chunked: bool = False  # send the body chunked instead of with its length
    # TLS session tickets sent after a handshake. TLS 1.3 resumes nothing with 0; the
    # session cache that TLS 1.2 has besides cannot be turned off from Python.
    num_tickets: int = 2

    def __post_init__(self) -> None:
        if min(self.close_every, self.status_every) < 1:
            raise ValueError("every n-th: n must be at least 1")
        if self.status and not 200 <= self.status <= 599:
            raise ValueError("status must be between 200 and 599")


class RefusedError(Exception):
    """A request that cannot be served; the connection ends with the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


_TOKEN = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_REQUEST_LINE = re.compile(_TOKEN + rb" ([!-~]+) HTTP/([0-9])\.([0-9])")
_HEADER = re.compile(_TOKEN + rb":([\t -~\x80-\xff]*)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~\x80-\xff]*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """The first part of a request: everything before its body."""

    method: str
    target: str
    minor: int  # of the HTTP version; the major one is 1
    headers: dict[str, str]  # names in lower case; values of equal names joined

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants the connection to stay open."""
        options = _options(self.headers.get("connection", ""))
        return "close" not in options and (self.minor > 0 or "keep-alive" in options)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return self.minor > 0 and "expect" in self.headers

    def request(self, body: bytes) -> Request:
        """Return the whole request, its target taken apart."""
        path, _, query = _AUTHORITY.sub("", self.target, count=1).partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        return Request(self.method, unquote(path or "/"), pairs, self.headers, body)


class RequestReader:
    """Bytes in, requests out, one at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # the head does not end before this
        self._length = 0  # of the body
        self._chunks: bytearray | None = None  # of the body, where it has no length
        self.head: Head | None = None  # of the request that is being read

    def __len__(self) -> int:
        """Return how many bytes have not been taken yet."""
        return len(self._buffer)

    @property
    def is_idle(self) -> bool:
        """True between requests."""
        return self.head is None and not self._buffer

    def feed(self, data: bytes) -> None:
        """Take in what has arrived."""
        self._buffer += data

    def next(self) -> tuple[Head, bytes] | None:
        """Return the next whole request as head and body, or None if there is none.

        Raises:
            RefusedError: What has arrived is not a request that can be served.
        """
        if self.head is None:
            self.head = self._read_head()
            if self.head is None:
                return None
            self._begin_body(self.head)
        if self._chunks is not None:
            body = self._read_chunks(self._chunks)
        else:
            body = self._take(self._length)
        if body is None:
            return None
        head, self.head = self.head, None
        return head, body

    def _read_head(self) -> Head | None:
        buffer = self._buffer
        # Empty lines before a request are to be ignored (RFC 9112, 2.2).
        while buffer[:2] == b"\r\n":
            del buffer[:2]
            self._searched = 0
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        seen = len(buffer) if end < 0 else end
        if _BARE_LF.search(buffer, max(0, self._searched - 1), seen):
            raise RefusedError(400, "Line without carriage return")
        if seen > MAX_HEAD_BYTES:
            raise RefusedError(431, "Request header fields too large")
        if end < 0:
            self._searched = seen
            return None
        lines = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        self._searched = 0
        return _parse_head(lines)

    def _begin_body(self, head: Head) -> None:
        headers = head.headers
        if headers.get("expect", "100-continue").lower() != "100-continue":
            raise RefusedError(417, "Expectation failed")
        self._length, self._chunks = 0, None
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None:
            # Both at once, or a coding from an HTTP/1.0 client, is how requests are
            # smuggled past a proxy (RFC 9112, 6.1).
            if length is not None or head.minor == 0:
                raise RefusedError(400, "Ambiguous body length")
            if coding.lower() != "chunked":
                raise RefusedError(501, "Transfer coding not implemented")
            self._chunks = bytearray()
        elif length is not None:
            values = set(_options(length))
            if len(values) != 1 or not _LENGTH.fullmatch(value := values.pop()):
                raise RefusedError(400, "Invalid content length")
            self._length = int(value)
            if self._length > MAX_BODY_BYTES:
                raise RefusedError(413, "Content too large")

    def _read_chunks(self, chunks: bytearray) -> bytes | None:
        while True:
            end = self._buffer.find(b"\r\n", 0, _CHUNK_LINE_BYTES)
            if end < 0 and len(self._buffer) < _CHUNK_LINE_BYTES:
                return None
            match = _CHUNK.fullmatch(self._buffer, 0, max(0, end))
            if match is None:
                raise RefusedError(400, "Invalid chunk size")
            size = int(match[1], 16)
            if size == 0:
                return self._end_chunks(chunks, end)
            if len(chunks) + size > MAX_BODY_BYTES:
                raise RefusedError(413, "Content too large")
            chunk = self._take(end + 2 + size + 2)
            if chunk is None:
                return None
            if not chunk.endswith(b"\r\n"):
                raise RefusedError(400, "Invalid chunk")
            chunks += chunk[end + 2 : -2]

    def _end_chunks(self, chunks: bytearray, line: int) -> bytes | None:
        """Take the last chunk, the trailer fields after it and the empty line.

        Args:
            chunks: The body.
            line: Where the line with the size of the last chunk ends.
        """
        end = self._buffer.find(b"\r\n\r\n", line)
        if (len(self._buffer) if end < 0 else end) > line + MAX_HEAD_BYTES:
            raise RefusedError(431, "Trailer fields too large")
        if end < 0:
            return None
        for field_line in bytes(self._buffer[line + 2 : end]).split(b"\r\n"):
            if field_line:
                _parse_header(field_line)
        del self._buffer[: end + 4]
        return bytes(chunks)

    def _take(self, count: int) -> bytes | None:
        if len(self._buffer) < count:
            return None
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def _options(value: str) -> list[str]:
    return [option.strip().lower() for option in value.split(",")]


def _parse_head(lines: list[bytes]) -> Head:
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise RefusedError(400, "Invalid request line")
    method, target, major, minor = (part.decode() for part in match.groups())
    if major != "1":
        raise RefusedError(505, "HTTP version not supported")
    if not target.startswith("/") and not _AUTHORITY.match(target):
        raise RefusedError(400, "Invalid request target")
    if len(lines) > MAX_HEADERS + 1:
        raise RefusedError(431, "Too many header fields")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, value = _parse_header(line)
        if name in headers:
            if name == "host":
                raise RefusedError(400, "More than one Host")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if minor != "0" and "host" not in headers:
        raise RefusedError(400, "Host is missing")
    return Head(method, target, int(minor), headers)


def _parse_header(line: bytes) -> tuple[str, str]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise RefusedError(400, "Invalid header field")
    return match[1].decode().lower(), match[2].strip(b" \t").decode("latin-1")


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


@dataclass(slots=True)
class Tally:
    """What the connections of one exchange have counted so far."""

    accepted: int = 0  # TCP connections
    handshakes: int = 0  # TLS handshakes completed
    resumed: int = 0  # of these, the ones that resumed a session
    requests: int = 0
    open: int = 0
    per_connection: list[int] = field(default_factory=list)  # requests
    closes: dict[str, int] = field(default_factory=dict)  # by reason


class Timer(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None:
        """Make it never happen."""


class Timers(Protocol):
    """The part of an asyncio loop that a connection needs; tests script it."""

    def time(self) -> float:
        """Return the time in seconds, from any origin."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call back at that time."""


class Stream(Protocol):
    """The part of a transport that a connection needs."""

    def write(self, data: bytes) -> None:
        """Send these bytes after all earlier ones."""

    def close(self) -> None:
        """End the stream after what was written, in good order."""

    def reset(self) -> None:
        """End it without any order, so that the peer sees a reset."""

    def pause_reading(self) -> None:
        """Deliver nothing more for now."""

    def resume_reading(self) -> None:
        """Deliver again."""


@dataclass(slots=True, kw_only=True)
class Service:
    """What all connections of one exchange share."""

    respond: Callable[[Request], Response]
    timers: Timers
    idle_timeout_s: float = 75.0
    max_requests: int = 0  # of one connection; 0 is no limit
    processing_s: float = 0.0
    behaviour: Behaviour = field(default_factory=Behaviour)
    tally: Tally = field(default_factory=Tally)
    connections: set[Connection] = field(default_factory=set)
    _date: tuple[int, str] = (0, "")

    def date(self) -> str:
        """Return the time for a Date header, written once a second."""
        now = int(time.time())
        if now != self._date[0]:
            text = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
            self._date = (now, text)
        return self._date[1]


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
    """

    def __init__(self, service: Service, stream: Stream, *, resumed: bool) -> None:
        self._service = service
        self._stream = stream
        self._resumed = resumed
        self._reader = RequestReader()
        self._timer: Timer | None = None
        self._uses = 0
        self._busy = False  # a request was taken up and is not answered yet
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
        if self._ended or self._refused:
            return
        try:
            while not self._busy and self._writable and not self._ended:
                received = self._reader.next()
                if received is None:
                    self._wait_for_rest()
                    return
                self._serve(*received)
        except RefusedError as error:
            self._refuse(error)
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
        due = service.timers.time() + service.processing_s
        self._clear_timer()
        self._busy, self._told_to_continue = True, False
        self._count()
        if behaviour.after_response == "close-unanswered" and self._is_nth():
            self._end("behaviour")
        elif not behaviour.stall:
            # All that can be done before is: what comes after a pause runs on cold
            # caches, at 0.1 ms, and would be added to the service time.
            answer = self._prepare(head, body)
            if service.processing_s > 0:
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

    def _override(self) -> Response | None:
        behaviour = self._service.behaviour
        status = behaviour.status
        if not status or self._service.tally.requests % behaviour.status_every:
            return None
        code = int(ErrorCode.TOO_MANY_REQUESTS) if status == 429 else status
        after = behaviour.retry_after_s
        fields = () if after is None else (("Retry-After", str(after)),)
        return error_response(status, code, f"Simulated status {status}", fields)

    def _prepare(self, head: Head, body: bytes) -> _Answer:
        behaviour = self._service.behaviour
        if behaviour.garbage:
            return _Answer(_GARBAGE, b"", "behaviour", "fin")
        response = self._override() or self._service.respond(head.request(body))
        reason, mode = self._closing(head)
        told = mode == "fin" and (reason != "behaviour" or behaviour.announce)
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
