"""What a job is: something to be measured, who watches it, and what it gets."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vestbench.errors import VestbenchError
from vestbench.model.request import NS_PER_MS, Outcome, RequestSpec
from vestbench.model.run import Conclusion, Plan, Run
from vestbench.venues import Endpoint, Venue

if TYPE_CHECKING:
    from vestbench.model.session import Stack
    from vestbench.running.ports import RunEnd
    from vestbench.running.trader import Trader

BEGUN = Conclusion(interrupted=False, stopped="")


class Observer(Protocol):
    """Who is told how a run goes on; it must not disturb what is measured."""

    def say(self, text: str) -> None:
        """Take note of what is being done."""

    def advance(self, outcome: Outcome) -> None:
        """Take note of one outcome."""


class Silence:
    """An observer that tells nobody."""

    def say(self, text: str) -> None:
        """Take no note."""

    def advance(self, outcome: Outcome) -> None:
        """Take no note."""


@dataclass(slots=True)
class Measurement:
    """What a job gets to work with, and leaves behind."""

    stack: Stack
    venue: Venue
    endpoint: Endpoint
    record: Callable[[Outcome], None]
    say: Callable[[str], None]  # shows where the run stands, between two requests
    trader: Trader | None = None  # where the endpoint wants an account
    conclusion: Conclusion = BEGUN
    rest: Callable[[float], None] = time.sleep  # waits, and notices what dies meanwhile

    def conclude(self, **found: Any) -> None:
        """Keep what is known at the end, as fields of the conclusion."""
        self.conclusion = self.conclusion.changed(**found)

    def take(self, end: RunEnd) -> None:
        """Keep what an experiment left besides its outcomes."""
        several = len(set(end.built_by)) > 1
        self.conclude(
            stopped=end.stopped,
            refused=bool(end.stopped),
            client_build_ms=tuple(ns / NS_PER_MS for ns in end.build_ns),
            notes=end.notes,
            unmeasured=end.unmeasured,
            client_build_stacks=end.built_by if several else (),
        )

    def request(self) -> RequestSpec:
        """Build the next request to the endpoint that is measured."""
        if self.trader is not None:
            return self.trader.request()
        return self.venue.request(self.endpoint, now_ms=now_ms())

    def warm_up_request(self) -> RequestSpec:
        """Build the next warm-up request."""
        return self.venue.request(self.venue.warm_up, now_ms=now_ms())


def now_ms() -> int:
    """Return the Unix time that requests are built with, in ms."""
    return time.time_ns() // NS_PER_MS


class Job(Protocol):
    """What is to be measured at a destination."""

    @property
    def command(self) -> str:
        """The command that it is a run of."""

    @property
    def label(self) -> str:
        """What distinguishes the run in a file name."""

    @property
    def plan(self) -> Plan:
        """What is asked for; its `seed` is the link's too."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Conditions that the job knows beforehand, such as the strategy."""

    @property
    def earlier(self) -> Run | None:
        """A run that this one continues; its requests come first."""

    @property
    def recorded(self) -> int:
        """How many requests are measured; 0 where that is to be found out."""

    @property
    def most_requests(self) -> int:
        """How many requests it may send, the unmeasured ones included."""

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:
        """Send what comes before; what is returned is added to the conditions."""

    def measure(self, measurement: Measurement) -> None:
        """Send the requests that are measured."""

    def summary(self, run: Run) -> Mapping[str, Any]:
        """Return what the run found, as plain values, for whoever reads its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run that is over, and where it is kept."""

    run: Run
    path: Path
    failure: VestbenchError | None = None  # what ended it early
