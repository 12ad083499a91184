"""HTTP/2 as the simulated exchange speaks it: many requests at once on a connection.

python-h2 reads and writes the frames and refuses what breaks the protocol (RFC 9113).
This module gives the same answers, service times, faults and ends as over HTTP/1.1, and
bounds what it keeps for a client. asyncio runs it, but is not imported.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from struct import pack
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import NoSuchStreamError, ProtocolError
from h2.settings import SettingCodes, Settings

from vestbench.simulator.http.behaviour import Ending
from vestbench.simulator.http.http2_reader import (
    MAX_FRAME_BYTES,
    FrameLengths,
    read_head,
)
from vestbench.simulator.http.messages import Response
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Head,
    RefusedError,
)
from vestbench.simulator.http.seen import SeenRequest
from vestbench.simulator.http.served import LINGER_S, End, ServedConnection
from vestbench.simulator.http.service import Service, Stream, Timer

MAX_STREAMS = 100  # at once, as nginx and many others have it
MAX_BODIES_BYTES = 4 * MAX_BODY_BYTES  # of all requests of a connection together
# Settings of five bytes, which nobody may accept (RFC 9113, 6.5).
_GARBAGE = bytes((0, 0, 5, 4, 0, 0, 0, 0, 0)) + b"wrong"


@dataclass(slots=True)
class _Exchange:
    """One request and its answer: what HTTP/2 calls a stream."""

    head: Head
    body: bytearray = field(default_factory=bytearray)
    use: int = 0  # the number of the request on its connection; 0 before it is whole
    serving: bool = False  # taken up, and no part of the answer has been sent
    content: bytes | None = None  # the answer's body; None before its head is sent
    sent: int = 0  # bytes of `content`
    allowed: int = 0  # up to where `content` may be sent by now
    end: End | None = None  # of the connection, after the answer
    timer: Timer | None = None
    kept: SeenRequest | None = None  # where an account is wanted


class Http2Connection(ServedConnection):
    """One connection of HTTP/2: answers each request when its own time has come."""

    speech = "h2"

    def __init__(self, service: Service, stream: Stream, **facts: Any) -> None:
        super().__init__(service, stream, **facts)
        self._lengths = FrameLengths()
        self._h2 = H2Connection(
            H2Configuration(client_side=False, header_encoding=None)
        )
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD_BYTES,
            },
        )
        self._h2.decoder.max_header_list_size = MAX_HEAD_BYTES
        self._exchanges: dict[int, _Exchange] = {}
        self._computing = 0  # answers, those to requests since cancelled included
        self._last = 0  # the highest stream of which a request was taken up
        self._leaving: End | None = None  # once the rest is answered
        self._said_goodbye = False
        self._h2.initiate_connection()
        self._flush()
        self._wait()

    def pause_writing(self) -> None:
        """Answer and read nothing more until the client has read.

        Whatever it sends may need an answer, which would have to be kept.
        """
        super().pause_writing()
        self._stream.pause_reading()

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writable = True
        self._stream.resume_reading()
        self._pump()

    # Reading.

    def _read(self, data: bytes) -> None:
        if not self._lengths.fits(data):
            self._refuse(self._goodbye(ErrorCodes.FRAME_SIZE_ERROR))
            return
        try:
            received = self._h2.receive_data(data)
        except ProtocolError:
            self._refuse()  # h2 has written a GOAWAY that says why
            return
        if any(isinstance(each, events.ConnectionTerminated) for each in received):
            self._end("client")  # it wants no more answers, and h2 would write none
            return
        # A request that is cancelled by what came with it is over already.
        over = {e.stream_id for e in received if isinstance(e, events.StreamReset)}
        heard = False
        for event in received:
            reset = isinstance(event, events.StreamReset)
            if reset or getattr(event, "stream_id", None) not in over:
                heard |= self._take(event)
            if self._is_over():
                return
        if not self._pump() and heard:
            self._watch()

    def _take(self, event: events.Event) -> bool:
        """Act on what has come; say whether it belongs to a request."""
        match event:
            case events.StreamReset():
                self._drop(event.stream_id)
            case events.RequestReceived():
                self._begin(event)
            case events.DataReceived():
                self._read_body(event)
            case events.StreamEnded():
                number = event.stream_id
                if (found := self._exchanges.get(number)) and not found.use:
                    self._serve(number, found)
            case _:
                return False
        return True

    def _begin(self, event: events.RequestReceived) -> None:
        number = event.stream_id
        if self._leaving is not None:
            # The client may send it again: nothing was done (RFC 9113, 8.7).
            self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        try:
            head = read_head(event.headers)
        except RefusedError as error:
            self._decline(number, error, whole=event.stream_ended is not None)
            return
        self._exchanges[number] = _Exchange(head)
        if head.expects_continue and event.stream_ended is None:
            self._h2.send_headers(number, [(":status", "100")])

    def _read_body(self, event: events.DataReceived) -> None:
        number = event.stream_id
        # What is kept is bounded here, so the window need not bound it as well.
        self._h2.acknowledge_received_data(event.flow_controlled_length, number)
        found = self._exchanges.get(number)
        if found is None or found.use:
            return
        found.body += event.data
        kept = sum(len(each.body) for each in self._exchanges.values())
        if len(found.body) > MAX_BODY_BYTES or kept > MAX_BODIES_BYTES:
            error = RefusedError(413, "Content too large")
            self._decline(number, error, whole=event.stream_ended is not None)

    def _decline(self, number: int, error: RefusedError, *, whole: bool) -> None:
        """Answer a request that cannot be served; the others go on.

        `whole` says that all of it has come.
        """
        self._drop(number)
        self._count()
        self._last = max(self._last, number)
        response = self._service.application.refusal(error.status, str(error))
        head = self._answer_head(response, self._uses)
        if self._h2.local_flow_control_window(number) < len(response.body):
            self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        self._h2.send_headers(number, head)
        self._h2.send_data(number, response.body, end_stream=True)
        if not whole:
            # What it still sends is thrown away; not for long (RFC 9113, 8.1), but some
            # clients, httpcore among them, read no answer before they have sent all.
            until = self._after(LINGER_S)
            self._service.timers.call_at(until, self._cut_off, number)

    def _cut_off(self, number: int) -> None:
        if self._is_over():
            return
        with suppress(NoSuchStreamError):  # it has sent all of it
            self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
        self._flush()

    def _idle_for_too_long(self) -> None:
        self._timer = None
        if not self._exchanges:
            self._end("idle", self._service.behaviour.idle_close)
        elif not self._writable:
            self._end("error", "rst")  # it sends, but does not read
        else:
            self._end("error")  # half a request, or an answer that it has no room for

    # Answering.

    def _serve(self, number: int, found: _Exchange) -> None:
        """Take a whole request up, and answer it when the service time is over."""
        service = self._service
        arrived = service.timers.time()
        if self._computing >= MAX_STREAMS:
            # The client cancels and asks again, faster than answers are computed.
            self._drop(number)
            self._h2.reset_stream(number, ErrorCodes.ENHANCE_YOUR_CALM)
            return
        self._count()
        self._last, found.use, found.serving = max(self._last, number), self._uses, True
        request = found.head.request(bytes(found.body), self._peer)
        found.body.clear()
        found.kept = self._keep(request)
        fault = service.chance().fault()
        if self._is_ignored(found.use, fault):
            return
        due = arrived + service.service_time_s(request)
        if service.behaviour.garbage or fault == "reset":
            how: Ending = "rst" if fault == "reset" else "fin"
            self._at(due, found, self._spoil, how)
            return
        self._computing += 1

        def done(response: Response) -> None:
            self._computing -= 1
            if self._exchanges.get(number) is found:
                found.end = self._ending(found.use, fault)
                self._at(due, found, self._due, number, response)

        self._respond(request, fault, due, found.kept, done)

    def _spoil(self, how: Ending) -> None:
        if how == "fin":
            self._stream.write(_GARBAGE)
        self._end_after_answer(End("behaviour", how))

    def _at(
        self, due: float, found: _Exchange, action: Callable[..., None], *args: Any
    ) -> None:
        if due > self._service.timers.time():
            found.timer = self._service.timers.call_at(due, action, *args)
        else:
            action(*args)

    def _due(self, number: int, response: Response) -> None:
        found = self._exchanges[number]
        found.timer, found.serving = None, False
        if self._witness is not None and found.kept is not None:
            found.kept.status = response.status
            self._witness.answers(found.kept)
        body = b"" if found.head.method == "HEAD" else response.body
        self._h2.send_headers(
            number, self._answer_head(response, found.use), end_stream=not body
        )
        found.content = body
        if self._service.behaviour.trickle_ms > 0:
            self._trickle(found)
        else:
            found.allowed = len(body)
            self._pump()

    def _answer_head(self, response: Response, use: int) -> list[tuple[str, str]]:
        length = ("content-length", str(len(response.body)))
        fields = response.typed(self._fields(use, *response.headers, length))
        status = (":status", str(response.status))
        return [status, *((name.lower(), value) for name, value in fields)]

    def _trickle(self, found: _Exchange) -> None:
        """Let one more byte of the body be sent, now and after each pause."""
        found.timer = None
        if found.allowed < len(found.content or b""):
            found.allowed += 1
            when = self._after(self._service.behaviour.trickle_ms / 1000)
            found.timer = self._service.timers.call_at(when, self._trickle, found)
        self._pump()

    # Writing.

    def _pump(self) -> bool:
        """Send what the client has room for; say whether any of an answer was sent."""
        sent = False
        for number, found in tuple(self._exchanges.items()):
            if found.content is not None:
                sent |= self._send_content(number, found, found.content)
                if self._is_over():
                    self._flush()
                    return True
        self._flush()
        if self._leaving is not None and not self._exchanges:
            self._end_after_answer(self._leaving)
        elif sent:
            self._watch()
        return sent

    def _send_content(self, number: int, found: _Exchange, content: bytes) -> bool:
        before = found.sent
        while self._writable and found.sent < found.allowed:
            room = min(
                self._h2.local_flow_control_window(number),
                self._h2.max_outbound_frame_size,
                found.allowed - found.sent,
            )
            if room <= 0:
                break
            part = content[found.sent : found.sent + room]
            found.sent += room
            whole = found.sent == len(content)
            self._h2.send_data(number, part, end_stream=whole)
            if not whole:
                self._flush()
        if found.sent == len(content):
            self._finish(number, found)
            return True
        return found.sent > before

    def _finish(self, number: int, found: _Exchange) -> None:
        """Send the end of an answer, and say with it if it is the last one."""
        self._drop(number)
        if self._witness is not None and found.kept is not None:
            self._flush()
            self._witness.answered(found.kept)
        if found.end is None:
            return
        if found.end.told:
            # What has come meanwhile is still answered; the client asks no more.
            self._leaving = found.end
            self._flush(self._goodbye())
        else:
            self._flush()
            self._end_after_answer(found.end)

    def _flush(self, more: bytes = b"") -> None:
        data = self._h2.data_to_send() + more
        if data and not self._ended:
            self._stream.write(data)

    def _goodbye(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> bytes:
        """Return a GOAWAY frame, the first time.

        python-h2 writes none without ending all that is under way.
        """
        if self._said_goodbye:
            return b""
        self._said_goodbye = True
        return pack(">HBBBLLL", 0, 8, 7, 0, 0, self._last, code)

    # Ending.

    def _watch(self) -> None:
        """Let the idle timer run while nothing is being done for the client."""
        if self._is_over():
            return
        if any(each.serving or each.timer for each in self._exchanges.values()):
            self._clear_timer()
        else:
            self._wait()

    def _drop(self, number: int) -> None:
        """Forget a request: it is answered, or cancelled."""
        found = self._exchanges.pop(number, None)
        if found is not None and found.timer is not None:
            found.timer.cancel()
            found.timer = None

    def _refuse(self, goodbye: bytes = b"") -> None:
        """End a connection on which the protocol was broken."""
        self._deaf = self._refused = self._said_goodbye = True
        self._flush(goodbye)
        self._end("error")

    def _end(self, reason: str, how: Ending = "fin") -> None:
        if not self._ended and how == "fin" and reason != "behaviour":
            self._flush(self._goodbye())
        super()._end(reason, how)

    def _leave(self, reason: str) -> None:
        super()._leave(reason)
        for number in tuple(self._exchanges):
            self._drop(number)
