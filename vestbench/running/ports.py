"""The pace of the requests of an experiment, when it stops, and what it leaves."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from vestbench.model.request import (
    NS_PER_S,
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
)

MakeRequest = Callable[[], RequestSpec]

# Without a Retry-After, this many refusals of an endpoint in a row mean "go away" as
# well: of the rate; of one that never was answered as wanted; and of any other one. One
# request in five may fail by chance; ten of these in a row are one in ten million.
_LIMITED_IN_A_ROW = 3
_REFUSED_FROM_THE_FIRST = 5
_REFUSED_IN_A_ROW = 10

# When nothing at all has come back from the venue, this many tries are enough.
_HOPELESS_AFTER = 5

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """What an experiment leaves besides its outcomes."""

    build_ns: tuple[int, ...] = ()  # what each client took to build
    built_by: tuple[str, ...] = ()  # the stack of each of these
    notes: tuple[str, ...] = ()  # pool settings that the stack could not honour
    stopped: str  # why it ended early; empty when it did not
    unmeasured: int | None = None  # primers and warm-up requests; None: not counted


@dataclass(slots=True, kw_only=True)
class Pacer:
    """Waits between requests.

    A pause is drawn uniformly from half to one and a half times the interval, so that
    requests do not fall into step with anything periodic. `max_rate` is a hard limit on
    top of it, counted from one departure to the next.
    """

    interval_s: float = 0.0
    max_rate: float | None = None  # requests per second
    rng: random.Random = field(default_factory=random.Random)
    clock: Callable[[], int] = time.perf_counter_ns
    sleep: Callable[[float], None] = time.sleep
    _not_before: int = 0

    def wait(self, requests: int = 1) -> None:
        """Wait for the moment at which the next `requests` requests may depart."""
        pause_s = self.interval_s * self.rng.uniform(0.5, 1.5)
        if self.max_rate:
            pause_s = max(pause_s, (self._not_before - self.clock()) / NS_PER_S)
        if pause_s > 0:
            self.sleep(pause_s)
        if self.max_rate:
            self._not_before = self.clock() + ceil(requests * NS_PER_S / self.max_rate)


@dataclass(slots=True)
class StopRule:
    """Notices that there is no point, or no politeness, in going on."""

    reason: str = ""  # why to stop, and what to do; empty while it may go on
    _refused: Counter[str] = field(default_factory=Counter)  # in a row, by endpoint
    _wanted: set[str] = field(default_factory=set)  # endpoints that have answered
    _unanswered: int = 0
    _answered: bool = False

    def over(self) -> bool:
        """Say whether to stop now."""
        return bool(self.reason)

    def notice(self, outcome: Outcome, endpoint: str = "") -> None:
        """Take the outcome of a request to an endpoint into account."""
        if isinstance(outcome, Sample):
            self._answered = True
            self._wanted.add(endpoint)
            self._refused[endpoint] = 0
        elif outcome.status is None:
            self._unanswered += 1
            if not self._answered and self._unanswered >= _HOPELESS_AFTER:
                self.reason = (
                    f"none of the first {self._unanswered} requests got through "
                    f"({outcome.kind}: {outcome.detail})"
                )
        else:
            self._answered = True
            if outcome.kind in (FailureKind.STATUS, FailureKind.RATE_LIMITED):
                self._refused[endpoint] += 1
                self.reason = self.reason or self._politely(outcome, endpoint)

    def _politely(self, refusal: Failure, endpoint: str) -> str:
        """Return why a refusal ends the run; empty if it does not."""
        status, times = refusal.status, self._refused[endpoint]
        limited = refusal.kind is FailureKind.RATE_LIMITED
        what = "the venue limits the rate" if limited else "the venue refuses"
        if refusal.retry_after_s is not None:
            asked = _asked(refusal.retry_after_s)
            what += f" and asked {asked} ({status} with Retry-After)"
            return f"{what}; wait, then send fewer or more slowly (--rate)"
        if limited and times >= _LIMITED_IN_A_ROW:
            what += f" ({times} times {status})"
            return f"{what}; wait, then send more slowly (--rate)"
        if endpoint not in self._wanted and times >= _REFUSED_FROM_THE_FIRST:
            what += f" each request from the first on ({times} times {refusal.detail})"
            return f"{what}; check the URL, the endpoint and the keys"
        if times >= _REFUSED_IN_A_ROW:
            what += f" now ({times} times in a row, last {refusal.detail})"
            return f"{what}; wait, then send fewer or more slowly (--rate)"
        return ""


def _asked(wait_s: float) -> str:
    """Say what a Retry-After asks for."""
    if wait_s > _DAY_S:
        return "to wait more than a day"
    return f"to wait {wait_s:g} s" if wait_s else "for a pause"
