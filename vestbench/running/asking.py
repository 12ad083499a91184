"""Requests whose answers are read: before a measurement, or to judge a sample.

What an answer means is for the venue to say; it comes in as a function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vestbench.errors import VenueError
from vestbench.model.client import SessionPlan
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Role,
    Sample,
    Slot,
    Subscription,
)
from vestbench.model.session import Session, Stack
from vestbench.venues.trading import Question

# As the bot registers: three tries, with a pause that doubles.
TRIES = 3
BACKOFF_S = 0.5

_SLOT = Slot(session=-1, index=0, role=Role.BURN_IN)

Ask = Callable[[], tuple[Outcome, bytes]]
# Takes a request, its outcome and the body of its answer; returns what the outcome is
# in the light of the body.
Judge = Callable[[RequestSpec, Outcome, bytes], Outcome]


def tried(
    ask: Ask, *, tries: int = TRIES, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[Outcome, bytes]]:
    """Yield the outcome of each try, until one succeeds or `tries` have failed.

    A venue that limits the rate, or asks for a pause, is not asked again.
    """
    for number in range(tries):
        if number:
            sleep(BACKOFF_S * 2 ** (number - 1))
        outcome, body = ask()
        yield outcome, body
        if isinstance(outcome, Sample) or _is_limited(outcome):
            return


def _is_limited(failure: Failure) -> bool:
    limited = failure.kind is FailureKind.RATE_LIMITED
    return limited or failure.retry_after_s is not None


def ask_all(
    session: Session,
    questions: Iterable[Question],
    *,
    wait: Callable[[], None] = lambda: None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask one question after the other; each may depend on the answers before it.

    Args:
        session: The client that asks.
        questions: Requests, each with what takes the body of its answer.
        wait: Called before each request.
        sleep: Waits before another try.

    Raises:
        VenueError: One was not answered as it should be, in three tries.
    """
    for spec, take in questions:

        def ask(spec: RequestSpec = spec) -> tuple[Outcome, bytes]:
            wait()
            return session.ask(spec, _SLOT)

        outcome, body = list(tried(ask, sleep=sleep))[-1]
        if isinstance(outcome, Failure):
            raise VenueError(
                f"{spec.endpoint}: {spec.method} {spec.url} failed: "
                f"{outcome.kind}: {outcome.detail}"
            )
        take(body)


@dataclass(frozen=True, slots=True)
class JudgingStack:
    """A stack whose single requests are judged by what their answers say."""

    stack: Stack  # sends
    judge: Judge
    # Called after each request that is judged, outside its time.
    after: Callable[[RequestSpec, Outcome], None] = lambda _spec, _outcome: None

    def open(self, plan: SessionPlan) -> Session:
        """Build a client with a pool of its own."""
        return _JudgingSession(self, self.stack.open(plan))


class _JudgingSession:
    def __init__(self, by: JudgingStack, session: Session) -> None:
        self._by = by
        self._session = session
        self.build_ns = session.build_ns
        self.notes = session.notes

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        return self.ask(spec, slot)[0]

    def ask(self, spec: RequestSpec, slot: Slot) -> tuple[Outcome, bytes]:
        outcome, body = self._session.ask(spec, slot)
        outcome = self._by.judge(spec, outcome, body)
        self._by.after(spec, outcome)
        return outcome, body

    def listen(
        self, spec: RequestSpec, slot: Slot, wanted: Subscription
    ) -> tuple[Outcome, bytes]:
        return self._session.listen(spec, slot, wanted)

    def ask_and_hear(
        self, spec: RequestSpec, slot: Slot
    ) -> tuple[Outcome, bytes, bytes]:
        outcome, body, event = self._session.ask_and_hear(spec, slot)
        outcome = self._by.judge(spec, outcome, body)
        self._by.after(spec, outcome)
        return outcome, body, event

    def burst(
        self, specs: Sequence[RequestSpec], slots: Sequence[Slot]
    ) -> list[Outcome]:
        if len(specs) == 1:
            return [self.send(specs[0], slots[0])]
        return self._session.burst(specs, slots)

    def close(self) -> None:
        self._session.close()
