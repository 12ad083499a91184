"""The pace of the requests of an experiment, when it stops, and what it leaves."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from vestbench.model.request import (
    NS_PER_S,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
)

MakeRequest = Callable[[], RequestSpec]

# Without a Retry-After, this many refusals in a row mean "go away" as well.
_REFUSALS_IN_A_ROW = 3

# When nothing at all has come back from the venue, this many tries are enough.
_HOPELESS_AFTER = 5


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

    reason: str = ""  # why to stop; empty while it may go on
    _refusals: int = 0
    _unanswered: int = 0
    _answered: bool = False

    def over(self) -> bool:
        """Say whether to stop now."""
        return bool(self.reason)

    def notice(self, outcome: Outcome) -> None:
        """Take an outcome into account."""
        if isinstance(outcome, Sample) or outcome.status is not None:
            self._answered = True
        else:
            self._unanswered += 1
            if not self._answered and self._unanswered >= _HOPELESS_AFTER:
                self.reason = (
                    f"none of the first {self._unanswered} requests got through"
                )
        if isinstance(outcome, Sample) or outcome.kind is not FailureKind.RATE_LIMITED:
            self._refusals = 0
            return
        self._refusals += 1
        if outcome.retry_after_s is not None:
            wait = outcome.retry_after_s
            asked = f"to wait {wait:g} s" if wait else "for a pause"
            self.reason = (
                f"the venue limits the rate and asked {asked} (429 with Retry-After)"
            )
        elif self._refusals >= _REFUSALS_IN_A_ROW:
            self.reason = f"the venue limits the rate ({self._refusals} times 429)"
