"""Starts of a bot, warmed up and not: what a warm-up gives the requests after it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vestbench.errors import VenueError
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
    Subscription,
)
from vestbench.model.session import Session
from vestbench.running.asking import tried
from vestbench.running.clients import Clients
from vestbench.running.ports import MakeRequest, Pacer, RunEnd
from vestbench.studies.starts.plan import NOT_WARMED, WARMED

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of a start."""

    make: MakeRequest
    log: str = ""  # what log lines call it; it is not logged without
    take: Callable[[bytes], None] | None = None  # takes the body of its answer
    tries: int = 1
    # Of one that opens the WebSocket: what is wanted of it.
    wanted: Callable[[], Subscription] | None = None
    # Of one that leads to an event: takes the body of its answer, and the event.
    hear: Callable[[bytes, bytes], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSchedule:
    """How many starts, and how each is warmed up."""

    session: SessionPlan  # its concurrency is how many connections are warmed up
    rounds: int  # each is one warmed start and one that is not
    seed: int
    title: str  # what log lines call the pool
    # Whether the first step has the same index in both sorts of start: the one after
    # the warm-up requests, even where there are none.
    numbered_alike: bool = False


def log_configuration(pool: PoolSettings, title: str) -> None:
    """Log the line that the bot logs when its client is built."""
    logger.info(
        "[INIT] %s client configured: "
        "pool_max_idle=%d, pool_idle_timeout=%gs, tcp_keepalive=%gs",
        title,
        pool.max_idle,
        pool.idle_timeout_s,
        pool.tcp_keepalive_s,
    )


def warm_up(
    session: Session,
    make_request: MakeRequest,
    slots: Sequence[Slot],
    *,
    title: str,
    level: int = logging.INFO,
) -> list[Outcome]:
    """Open one connection for each of `slots`, and log what the bot logs.

    A warm-up that fails, or gets a status other than 200 and 401, is a warning and no
    error: the bot starts all the same. All are sent at the same moment, because one
    after the other would use one connection. Success is logged at `level`.
    """
    outcomes = session.burst([make_request() for _ in slots], slots)
    done = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            logger.warning("%s", _failed(outcome))
    if done:
        latency_ms = max(sample.latency_ns for sample in done) / NS_PER_MS
        logger.log(
            level,
            "[INIT] %s connection pool warmed up (latency=%.0fms)",
            title,
            latency_ms,
        )
    return outcomes


def _failed(failure: Failure) -> str:
    if failure.kind in (FailureKind.STATUS, FailureKind.RATE_LIMITED):
        return f"HTTP warm-up returned {failure.detail} (non-fatal)"
    return f"HTTP warm-up failed (non-fatal): {failure.kind}: {failure.detail}"


@dataclass(slots=True, kw_only=True)
class Starter:
    """Carries out starts, each with a fresh client.

    A start that fails at one step ends there, as the bot's would. Nothing is measured
    between two steps: a request is built before its time begins. Warm-up requests have
    the first indices of a start, then come its steps, which `begin` makes; all tries of
    a step have the same index.
    """

    schedule: StartSchedule
    clients: Clients
    make_warm_up: MakeRequest
    begin: Callable[[], Sequence[Step]]
    pacer: Pacer
    record: Callable[[Outcome], None]
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> RunEnd:
        """Start warmed and not warmed, in coin-flip order.

        One start of each sort is discarded before: the first of a process pays for its
        caches. The discarded warmed start is logged at INFO, the others at DEBUG.
        """
        rng = random.Random(self.schedule.seed)
        log_configuration(self.schedule.session.pool, self.schedule.title)
        self._start(-1, NOT_WARMED, logging.DEBUG)
        self._start(-1, WARMED, logging.INFO)
        self.clients.discard()
        for number in range(self.schedule.rounds):
            arms = [WARMED, NOT_WARMED]
            if rng.random() < 0.5:
                arms.reverse()
            for arm in arms:
                self._start(number, arm, logging.DEBUG)
        return self.clients.end()

    def _start(self, number: int, arm: str, level: int) -> None:
        if self.clients.stop.over():
            return
        first = self.schedule.session.concurrency
        plan = replace(self.schedule.session, round=number)
        with self.clients.open(plan) as session:
            if arm == WARMED:
                self._warm_up(session, number, level)
            elif not self.schedule.numbered_alike:
                first = 0
            for place, step in enumerate(self.begin()):
                # A WebSocket opens a connection of its own, whatever was warmed up.
                first_cold = arm == NOT_WARMED and place == 0
                cold = first_cold or step.wanted is not None
                role = Role.COLD if cold else Role.SUBSEQUENT
                slot = Slot(session=number, index=first + place, role=role, arm=arm)
                if self.clients.stop.over() or not self._step(
                    session, step, slot, level
                ):
                    break

    def _warm_up(self, session: Session, number: int, level: int) -> None:
        width, title = self.schedule.session.concurrency, self.schedule.title
        slots = [
            Slot(session=number, index=index, role=Role.WARM_UP, arm=WARMED)
            for index in range(width)
        ]
        self.pacer.wait(width)
        for outcome in warm_up(
            session, self.make_warm_up, slots, title=title, level=level
        ):
            self._take(outcome)

    def _step(self, session: Session, step: Step, slot: Slot, level: int) -> bool:
        """Take one step, and say whether the start may go on."""

        def ask() -> tuple[Outcome, bytes]:
            self.pacer.wait()
            return _answer(session, step, slot), b""

        outcome: Outcome | None = None
        for outcome, _ in tried(ask, tries=step.tries, sleep=self.sleep):
            self._take(outcome)
            _log(step, outcome, level)
            if self.clients.stop.over():
                break
        return isinstance(outcome, Sample)

    def _take(self, outcome: Outcome) -> None:
        if outcome.slot.session >= 0:
            self.record(outcome)


def _answer(session: Session, step: Step, slot: Slot) -> Outcome:
    """Send the request of a step; an answer that cannot be used is a failure."""
    if step.wanted is not None:
        return session.listen(step.make(), slot, step.wanted())[0]
    if step.take is None:
        return session.send(step.make(), slot)
    event = b""
    if step.hear is None:
        outcome, body = session.ask(step.make(), slot)
    else:
        outcome, body, event = session.ask_and_hear(step.make(), slot)
    if isinstance(outcome, Failure):
        return outcome
    try:
        step.take(body)
        if step.hear is not None:
            step.hear(body, event)
    except VenueError as error:
        return outcome.failed(FailureKind.PROTOCOL, str(error))
    return outcome


def _log(step: Step, outcome: Outcome, level: int) -> None:
    if not step.log:
        return
    if isinstance(outcome, Failure):
        logger.warning(
            "[INIT] %s failed: %s: %s", step.log, outcome.kind, outcome.detail
        )
    else:
        latency_ms = outcome.latency_ns / NS_PER_MS
        logger.log(level, "[INIT] %s (latency=%.0fms)", step.log, latency_ms)
