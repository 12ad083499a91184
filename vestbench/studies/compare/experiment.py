"""Arms against each other: one request of each per round, in random order.

A candidate that keeps connections open gets a fresh pool in each round, opened by a
request that is not measured (the primer). With one connection for the whole run, its
luck would be in every round, but the statistics need rounds that are independent.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, replace
from operator import attrgetter

from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Outcome, Role, Slot
from vestbench.model.session import Session, Stack
from vestbench.running.clients import Clients
from vestbench.running.ports import MakeRequest, Pacer, RunEnd
from vestbench.studies.compare.plan import Arm, ComparePlan

# Discarded rounds before the first: name resolution, route, code paths. Three, so that
# the route's round trip can be told from them.
SETUP_ROUNDS = 3


# Takes the number of a round and its outcomes by label; True ends the run.
Judge = Callable[[int, Mapping[str, Outcome]], bool]


@dataclass
class Comparison:
    """Carries out the rounds of a plan; `sleep` is the pause after a warm-up."""

    plan: ComparePlan
    pool: PoolSettings
    rounds: range  # their numbers; those of a resumed run follow the earlier ones
    stack: Stack
    make_request: MakeRequest
    make_warm_up: MakeRequest
    _: KW_ONLY
    # The order of a round whose other half is still to come, in a resumed paired run.
    half: tuple[str, ...] = ()
    pacer: Pacer
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Begin without any client."""
        self._clients = Clients(self.stack)
        self._stop = self._clients.stop
        self._sent_unmeasured = 0
        self._discarded: list[Outcome] = []

    def set_up(self) -> list[Outcome]:
        """Carry out the discarded rounds and return what they saw."""
        labels = tuple(arm.label for arm in self.plan.arms)
        for number in range(SETUP_ROUNDS):
            if not self._stop.over():
                for outcome in self._round(-1, labels).values():
                    slot = replace(outcome.slot, session=number)
                    self._discarded.append(replace(outcome, slot=slot))
        self._clients.discard()
        self._sent_unmeasured = 0
        return self._discarded

    @property
    def is_over(self) -> bool:
        """Say whether the venue has ended it."""
        return self._stop.over()

    def run(self, record: Callable[[Outcome], None], judge: Judge) -> RunEnd:
        """Carry out rounds until the judge, the plan or the venue ends them.

        If the venue has ended them before the first, the discarded rounds are all that
        there is, and recorded; but not among the rounds of a run that is continued.
        """
        if self._stop.over() and not self.rounds.start:
            for outcome in self._discarded:
                record(outcome)
        # Seeded, and different after a resume.
        rng = random.Random(f"{self.plan.seed}/{self.rounds.start}")
        labels = [arm.label for arm in self.plan.arms]
        half = self.half
        for number in self.rounds:
            if self._stop.over():
                break
            if half:
                order, half = half[::-1], ()
            else:
                # For two arms a fair coin, for more a uniform permutation.
                order = tuple(rng.sample(labels, len(labels)))
                half = order if self.plan.vote == "pair" else ()
            outcomes = self._round(number, order)
            for label in order:
                if label in outcomes:
                    record(outcomes[label])
            if len(outcomes) == len(labels) and judge(number, outcomes):
                break
        return replace(self._clients.end(), unmeasured=self._sent_unmeasured)

    def _round(self, number: int, order: Sequence[str]) -> dict[str, Outcome]:
        """Prepare every arm, then send one request on each in the order given."""
        outcomes: dict[str, Outcome] = {}
        sessions, roles = {}, {}
        with ExitStack() as cleanup:
            # The longest preparation first, so that a primed connection is not left
            # waiting for another arm's warm-up.
            for arm in sorted(self.plan.arms, key=attrgetter("way.preparation")):
                session = cleanup.enter_context(
                    self._clients.open(self._plan_of(arm, number))
                )
                sessions[arm.label] = session
                roles[arm.label] = Role.COLD if arm.way.opens else Role.SUBSEQUENT
                self._prepare(arm, session, number)
            for index, label in enumerate(order):
                if self._stop.over():
                    break
                self.pacer.wait()
                role = roles[label]
                slot = Slot(session=number, index=index, role=role, arm=label)
                outcomes[label] = sessions[label].send(self.make_request(), slot)
        return outcomes

    def _plan_of(self, arm: Arm, number: int) -> SessionPlan:
        return SessionPlan(
            pool=self.pool,
            strategy=arm.way,
            concurrency=self.plan.warm_connections if arm.way.warms else 1,
            http2=self.plan.http2 or arm.way.http2,
            round=number,
            stack=arm.stack,
        )

    def _prepare(self, arm: Arm, session: Session, number: int) -> None:
        strategy = arm.way
        role, make = Role.PRIMER, self.make_request
        if strategy.warms:
            role, make = Role.WARM_UP, self.make_warm_up
        slots = [
            Slot(session=number, index=index, role=role, arm=arm.label)
            for index in range(strategy.unmeasured(self.plan.warm_connections))
        ]
        # A warm-up is all its requests at the same moment; primers follow each other.
        for burst in [slots] if strategy.warms else [[slot] for slot in slots]:
            if self._stop.over():
                return
            self.pacer.wait(len(burst))
            session.burst([make() for _ in burst], burst)
            self._sent_unmeasured += len(burst)
        if strategy.warms and not self._stop.over():
            self.sleep(self.plan.idle_s)
