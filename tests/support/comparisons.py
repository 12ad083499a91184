"""Comparisons on a stack without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.support.records import compare_plan, failure
from tests.support.stacks import Clock, FakeStack, Script, ok, spec
from vestbench.model.client import PoolSettings
from vestbench.model.request import FailureKind, Outcome, Role, Slot
from vestbench.model.strategy import POOLED, UNPOOLED, WARMED, Strategy
from vestbench.running.ports import Pacer, RunEnd
from vestbench.studies.compare.experiment import Comparison
from vestbench.studies.compare.plan import ComparePlan
from vestbench.studies.compare.question import name_arms

TWO = (POOLED, UNPOOLED)
ALL = (UNPOOLED, POOLED, WARMED)
MEASURED = (Role.COLD, Role.SUBSEQUENT)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a comparison on a fake stack is to do."""

    plan: ComparePlan
    pool: PoolSettings
    rounds: range
    half: tuple[str, ...]


def plan(
    strategies: Sequence[Strategy] = TWO,
    *,
    pool: PoolSettings | None = None,
    max_rounds: int = 12,
    first_round: int = 0,
    half: tuple[str, ...] = (),
    paired: bool = False,
    **fields: object,
) -> Asked:
    arms = name_arms(strategies)
    vote = "pair" if paired else "round"
    return Asked(
        plan=compare_plan(arms, control=arms[-1].label, vote=vote, **fields),
        pool=pool or PoolSettings(),
        rounds=range(first_round, max_rounds),
        half=half,
    )


class Recorder:
    """Carries out a comparison on a fake stack and keeps what it did."""

    def __init__(
        self,
        asked: Asked,
        script: Script = ok,
        *,
        pacer: Pacer | None = None,
        notes: tuple[str, ...] = (),
        ends_at: int | None = None,
    ) -> None:
        self.clock = Clock()
        self.stack = FakeStack(script, notes)
        self.recorded: list[Outcome] = []
        self.judged: list[tuple[int, Mapping[str, Outcome]]] = []
        self.open_when_judged: list[int] = []
        self._ends_at = ends_at
        self.comparison = Comparison(
            asked.plan,
            asked.pool,
            asked.rounds,
            self.stack,
            spec,
            lambda: spec("time"),
            half=asked.half,
            pacer=pacer or Pacer(sleep=no_sleep),
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        self.stack.calls.append(f"idle {seconds:g}")
        self.clock.sleep(seconds)

    def _judge(self, number: int, outcomes: Mapping[str, Outcome]) -> bool:
        self.judged.append((number, outcomes))
        self.open_when_judged.append(len(self.stack.open_now))
        return number == self._ends_at

    def run(self) -> RunEnd:
        return self.comparison.run(self.recorded.append, self._judge)

    def orders(self) -> list[tuple[str, ...]]:
        """Return the labels of each round in the order they were sent."""
        found: dict[int, list[str]] = {}
        for slot in self.stack.slots:
            if slot.role in MEASURED and slot.session >= 0:
                found.setdefault(slot.session, []).append(slot.arm)
        return [tuple(found[number]) for number in sorted(found)]


def ran(asked: Asked, script: Script = ok, **options: object) -> Recorder:
    recorder = Recorder(asked, script, **options)  # type: ignore[arg-type]
    recorder.run()
    return recorder


def no_sleep(seconds: float) -> None:
    pytest.fail(f"slept {seconds} s without an interval")


def refused(slot: Slot) -> Outcome:
    return failure(
        slot.session,
        slot.index,
        kind=FailureKind.RATE_LIMITED,
        role=slot.role,
        arm=slot.arm,
        status=429,
        retry_after_s=30.0,
    )


def dead(slot: Slot) -> Outcome:
    return failure(slot.session, slot.index, role=slot.role, arm=slot.arm)
