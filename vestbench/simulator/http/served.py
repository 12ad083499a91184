"""What connections of both HTTP versions have: a number, a count, a clock, an end.

How bytes become requests, and answers bytes, is in `http11` and `http2`. asyncio runs
both, but is not imported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from vestbench.simulator.http.behaviour import Ending, Fault
from vestbench.simulator.http.messages import (
    JSON,
    Deferred,
    Listener,
    Request,
    Response,
)
from vestbench.simulator.http.seen import SeenRequest, Witness
from vestbench.simulator.http.service import Service, Stream, Timer

# How long a refused body may go on being sent before that is ended. A close with unread
# bytes is a reset, which can destroy the answer on its way.
LINGER_S = 0.5


class End(NamedTuple):
    """How a connection ends after an answer."""

    reason: str
    how: Ending = "fin"
    told: bool = False  # the client learns it with the answer


class ServedConnection(ABC):
    """One connection: reads requests, answers them, and knows when to end.

    The methods without underscore are called by the asyncio protocol that owns the
    stream, and have the names that they have there. `resumed` says that the TLS
    handshake resumed an earlier session, `peer` is the address of the client, and
    `witness` keeps what happens, where that is wanted.
    """

    speech = "http/1.1"

    def __init__(
        self,
        service: Service,
        stream: Stream,
        *,
        resumed: bool,
        peer: str = "",
        witness: Witness | None = None,
    ) -> None:
        self._service = service
        self._stream = stream
        self._resumed = resumed
        self._peer = peer
        self._witness = witness
        self._timer: Timer | None = None
        self._uses = 0
        self._writable = True
        self._deaf = False  # what still comes in is thrown away
        self._refused = False  # because of what the client has sent
        self._ended = False
        service.tally.open += 1
        service.tally.per_connection.append(0)
        self._serial = len(service.tally.per_connection)
        service.ends.add(self.shut_down)

    def data_received(self, data: bytes) -> None:
        """Read on, and answer what is complete."""
        if not self._is_over():
            self._read(data)

    @abstractmethod
    def _read(self, data: bytes) -> None: ...

    def connection_lost(self) -> None:
        """Forget the connection: the stream has ended, from whichever side."""
        self._leave("error" if self._refused else "client")
        self._service.ends.discard(self.shut_down)

    def pause_writing(self) -> None:
        """Answer nothing more until the client has read."""
        self._writable = False

    @abstractmethod
    def resume_writing(self) -> None:
        """Go on answering."""

    def shut_down(self) -> None:
        """End it because the exchange ends."""
        self._end("stop")

    def _is_over(self) -> bool:
        return self._ended or self._deaf

    # Waiting.

    def _wait(self) -> None:
        """Close if nothing arrives for the idle timeout from now on."""
        deadline = self._after(self._service.idle_timeout_s)
        self._set_timer(deadline, self._idle_for_too_long)

    @abstractmethod
    def _idle_for_too_long(self) -> None: ...

    def _after(self, delay_s: float) -> float:
        return self._service.timers.time() + delay_s

    def _set_timer(self, when: float, action: Callable[..., None], *args: Any) -> None:
        self._clear_timer()
        self._timer = self._service.timers.call_at(when, action, *args)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Answering.

    def _count(self) -> None:
        self._uses += 1
        tally = self._service.tally
        tally.requests += 1
        tally.per_connection[self._serial - 1] = self._uses

    def _keep(self, request: Request) -> SeenRequest | None:
        """Keep a request that has come, where an account is wanted."""
        return None if self._witness is None else self._witness.request(request)

    def _is_nth(self, use: int) -> bool:
        return use % self._service.behaviour.close_every == 0

    def _is_ignored(self, use: int, fault: Fault | None) -> bool:
        """Say whether a request is never answered, which may end the connection."""
        behaviour = self._service.behaviour
        if behaviour.after_response == "close-unanswered" and self._is_nth(use):
            self._end("behaviour")
            return True
        return behaviour.stall or fault == "stall"

    def _ending(
        self, use: int, fault: Fault | None, *, asked: bool = False
    ) -> End | None:
        """Return how the connection ends after this answer, if it does."""
        behaviour, limit = self._service.behaviour, self._service.max_requests
        if (how := behaviour.ending) and self._is_nth(use):
            return End("behaviour", how, told=how == "fin" and behaviour.announce)
        if asked:
            return End("asked", told=True)
        if limit and use >= limit:
            return End("max_requests", told=True)
        # That the client is not told is the fault.
        return End("behaviour") if fault == "close" else None

    def _respond(
        self,
        request: Request,
        fault: Fault | None,
        due: float,
        kept: SeenRequest | None,
        done: Callable[[Response], None],
    ) -> None:
        """Give the answer to `done`: now, or after it was computed elsewhere.

        A request that has arrived has its effect even if its client is gone.
        """

        def give(response: Response) -> None:
            done(response)
            if response.besides is not None:
                self._service.timers.call_at(due, self._tell, response.besides, kept)

        answer = self._override(fault) or self._service.application.begin(request)
        if isinstance(answer, Deferred):
            finish = answer.finish
            self._service.background(answer.work, lambda found: give(finish(found)))
        else:
            give(answer)

    def _tell(
        self, besides: Callable[[], Listener | None], kept: SeenRequest | None
    ) -> None:
        """Do what else an answer brings about, and keep when that was told."""
        listener = besides()
        mark = None if listener is None else listener.mark()
        if self._witness is not None and kept is not None and mark is not None:
            self._witness.told(kept, *mark)

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
        fields = () if after is None else (("Retry-After", str(after)),)
        word = self._service.application.refusal
        return word(status, f"Simulated status {status}", fields)

    def _fields(self, use: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
        """Return the headers of every answer; `use` is the number of its request."""
        return [
            ("Date", self._service.date()),
            ("Content-Type", JSON),
            ("x-vestbench-connection", str(self._serial)),
            ("x-vestbench-request", str(use)),
            ("x-vestbench-resumed", str(int(self._resumed))),
            *more,
        ]

    # Ending.

    def _end_after_answer(self, end: End) -> None:
        """End it now, or after the delay that the behaviour puts before the close."""
        if self._is_over():
            return  # its end is due already
        delay_s = self._service.behaviour.close_delay_ms / 1000
        if end.reason != "behaviour" or delay_s <= 0:
            self._end(end.reason, end.how)
            return
        self._deaf = True
        self._set_timer(self._after(delay_s), self._end, end.reason, end.how)

    def _end(self, reason: str, how: Ending = "fin") -> None:
        if self._ended:
            return
        self._leave(reason)
        if self._witness is not None:
            self._witness.closes(
                "client" if reason == "client" else "server",
                "rst" if how == "rst" else "fin",
                reason,
            )
        if how == "rst":
            self._stream.reset()
        else:
            self._stream.close(notify=how == "fin")

    def _leave(self, reason: str) -> None:
        """Count the end of the connection, the first time it is known."""
        if self._ended:
            return
        self._ended = True
        self._clear_timer()
        tally = self._service.tally
        tally.open -= 1
        tally.closes[reason] += 1
