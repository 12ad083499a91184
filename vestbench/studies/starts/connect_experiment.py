"""The start of a bot, step by step, once warmed up and once not."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vestbench.errors import VenueError
from vestbench.model.client import SessionPlan
from vestbench.model.request import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
)
from vestbench.running.asking import tried
from vestbench.running.ports import MakeRequest, Pacer, RunEnd, Session, Stack, StopRule
from vestbench.studies.starts.warmup_experiment import (
    NOT_WARMED,
    VEST,
    WARMED,
    log_configuration,
    warm_up,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of a start."""

    name: str
    make: MakeRequest
    log: str  # what the log line calls it when it is done
    take: Callable[[bytes], None] = lambda _: None  # takes the body of its answer
    tries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectPlan:
    """How many starts."""

    session: SessionPlan
    rounds: int  # each is one warmed start and one that is not
    seed: int
    title: str = VEST  # what log lines call the pool


@dataclass(slots=True, kw_only=True)
class Starter:
    """Carries out starts.

    A start that fails at one step ends there, as the bot's would. Nothing is measured
    between two steps: what a request is made of is made before its time begins.

    Args:
        plan: How.
        stack: Builds the clients.
        make_warm_up: Builds the venue's warm-up request.
        begin: Makes the steps of a fresh start, in order.
        pacer: Waits before each request.
        record: Takes each outcome. The index of its slot is the place of its step,
            from 1; the warm-up is 0. Further tries have the same.
        sleep: Waits before another try.
    """

    plan: ConnectPlan
    stack: Stack
    make_warm_up: MakeRequest
    begin: Callable[[], Sequence[Step]]
    pacer: Pacer
    record: Callable[[Outcome], None]
    sleep: Callable[[float], None] = time.sleep
    _stop: StopRule = field(default_factory=StopRule)
    _builds: list[int] = field(default_factory=list)
    _notes: dict[str, None] = field(default_factory=dict)

    def run(self) -> RunEnd:
        """Start warmed and not warmed, in coin-flip order.

        One start of each sort is discarded before: the first of a process pays for its
        caches. It is the one that is logged at INFO.
        """
        rng = random.Random(self.plan.seed)
        log_configuration(self.plan.session.pool, self.plan.title)
        for arm, level in ((NOT_WARMED, logging.DEBUG), (WARMED, logging.INFO)):
            if not self._stop.over():
                self._start(-1, arm, level)
        self._builds.clear()
        for number in range(self.plan.rounds):
            arms = [WARMED, NOT_WARMED]
            if rng.random() < 0.5:
                arms.reverse()
            for arm in arms:
                if not self._stop.over():
                    self._start(number, arm, logging.DEBUG)
        return RunEnd(
            build_ns=tuple(self._builds),
            notes=tuple(self._notes),
            stopped=self._stop.reason,
        )

    def _start(self, number: int, arm: str, level: int) -> None:
        session = self.stack.open(self.plan.session)
        self._builds.append(session.build_ns)
        self._notes.update(dict.fromkeys(session.notes))
        try:
            if arm == WARMED:
                slot = Slot(session=number, index=0, role=Role.WARM_UP, arm=arm)
                self.pacer.wait()
                for outcome in warm_up(
                    session,
                    self.make_warm_up,
                    [slot],
                    title=self.plan.title,
                    level=level,
                ):
                    self._take(outcome)
            for place, step in enumerate(self.begin(), start=1):
                cold = arm == NOT_WARMED and place == 1
                role = Role.COLD if cold else Role.SUBSEQUENT
                slot = Slot(session=number, index=place, role=role, arm=arm)
                if self._stop.over() or not self._step(session, step, slot, level):
                    break
        finally:
            session.close()

    def _step(self, session: Session, step: Step, slot: Slot, level: int) -> bool:
        """Take one step, and say whether the start may go on."""

        def ask() -> tuple[Outcome, bytes]:
            self.pacer.wait()
            outcome, body = session.ask(step.make(), slot)
            return _usable(outcome, body, step), body

        outcome: Outcome | None = None
        for outcome, _ in tried(ask, tries=step.tries, sleep=self.sleep):
            self._take(outcome)
            if isinstance(outcome, Failure):
                logger.warning(
                    "[INIT] %s failed: %s: %s", step.log, outcome.kind, outcome.detail
                )
        if not isinstance(outcome, Sample):
            return False
        latency_ms = outcome.latency_ns / NS_PER_MS
        logger.log(level, "[INIT] %s (latency=%.0fms)", step.log, latency_ms)
        return True

    def _take(self, outcome: Outcome) -> None:
        self._stop.notice(outcome)
        if outcome.slot.session >= 0:
            self.record(outcome)


def _usable(outcome: Outcome, body: bytes, step: Step) -> Outcome:
    """Hand the answer over; one that cannot be used is a failure."""
    if isinstance(outcome, Failure):
        return outcome
    try:
        step.take(body)
    except VenueError as error:
        return Failure(
            slot=outcome.slot,
            start_ns=outcome.start_ns,
            elapsed_ns=outcome.latency_ns,
            kind=FailureKind.PROTOCOL,
            detail=str(error),
            status=outcome.status,
            reused=outcome.reused,
        )
    return outcome
