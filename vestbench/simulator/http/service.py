"""What the connections of one exchange share: its settings, its tally, its time.

No HTTP; and asyncio runs it, but is not imported.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vestbench.simulator.http.behaviour import SERVER_ERRORS, Behaviour, Fault
from vestbench.simulator.http.messages import Application, Request

# Does the work, perhaps in another thread, and calls back with what it returned.
Background = Callable[[Callable[[], Any], Callable[[Any], None]], None]


def at_once(work: Callable[[], Any], done: Callable[[Any], None]) -> None:
    """Do the work here and now: the simplest `Background`."""
    done(work())


@dataclass(slots=True)
class Tally:
    """What the connections of one exchange have counted so far."""

    accepted: int = 0  # TCP connections
    handshakes: int = 0  # TLS handshakes completed
    resumed: int = 0  # of these, the ones that resumed a session
    requests: int = 0
    open: int = 0
    per_connection: list[int] = field(default_factory=list)  # requests
    closes: Counter[str] = field(default_factory=Counter)  # by reason
    websockets: int = 0  # connections that became one
    websocket_closes: Counter[str] = field(default_factory=Counter)  # by code sent


class Timer(Protocol):
    """What `call_at` returns."""

    def cancel(self) -> None:
        """Cancel the call."""


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

    def close(self, *, notify: bool = True) -> None:
        """End the stream after what was written; in TLS too, if `notify`."""

    def reset(self) -> None:
        """End it so that the peer sees a reset."""

    def pause_reading(self) -> None:
        """Deliver nothing more for now."""

    def resume_reading(self) -> None:
        """Deliver again."""


class Chance:
    """Decides what happens to each request; the same seed decides the same."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._random = random.Random(behaviour.seed)
        self._chances = {k: v for k, v in behaviour.chances.items() if v}

    def fault(self) -> Fault | None:
        """Return the fault that the next request meets, if any."""
        if not self._chances:
            return None
        drawn = self._random.random()
        for fault, chance in self._chances.items():
            if drawn < chance:
                return fault
            drawn -= chance
        return None

    def server_error(self) -> int:
        """Return the status of the next server error."""
        return self._random.choice(SERVER_ERRORS)


@dataclass(slots=True, kw_only=True)
class Service:
    """What all connections of one exchange share."""

    application: Application
    timers: Timers
    idle_timeout_s: float = 75.0
    max_requests: int = 0  # of one connection; 0 is no limit
    processing_s: float = 0.0
    order_processing_s: float | None = None  # of orders and cancels; None is the same
    background: Background = at_once  # where what takes time is computed
    behaviour: Behaviour = field(default_factory=Behaviour)
    tally: Tally = field(default_factory=Tally)
    # How to shut down each connection that is open.
    ends: set[Callable[[], None]] = field(default_factory=set)
    _date: tuple[int, str] = (0, "")
    _chance: Chance | None = None

    def service_time_s(self, request: Request) -> float:
        """Return how long after its arrival a request is answered."""
        ordering_s = self.order_processing_s
        if ordering_s is not None and self.application.is_order(request):
            return ordering_s
        return self.processing_s

    def chance(self) -> Chance:
        """Return what decides on faults; it begins anew with each new behaviour."""
        if self._chance is None or self._chance.behaviour is not self.behaviour:
            self._chance = Chance(self.behaviour)
        return self._chance

    def date(self) -> str:
        """Return the time for a Date header, written once a second."""
        now = int(time.time())
        if now != self._date[0]:
            text = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
            self._date = (now, text)
        return self._date[1]
