"""Comparisons on a stack without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.support.records import failure
from tests.support.stacks import Clock, FakeStack, Script, ok, spec
from vestbench.model.client import PoolSettings
from vestbench.model.request import FailureKind, Outcome, Role, Slot
from vestbench.model.strategy import POOLED, UNPOOLED, WARMED, Strategy
from vestbench.running.ports import Pacer, RunEnd
from vestbench.studies.compare.experiment import CompareSchedule, Comparison
from vestbench.studies.compare.question import name_arms

TWO = (POOLED, UNPOOLED)
ALL = (UNPOOLED, POOLED, WARMED)
MEASURED = (Role.COLD, Role.SUBSEQUENT)


def plan(strategies: Sequence[Strategy] = TWO, **fields: object) -> CompareSchedule:
    defaults: dict[str, object] = {"max_rounds": 12, "seed": 7, "pool": PoolSettings()}
    return CompareSchedule(
        arms=name_arms(strategies),
        **{**defaults, **fields},  # type: ignore[arg-type]
    )


class Recorder:
    """Carries out a comparison on a fake stack and keeps what it did."""

    def __init__(
        self,
        plan: CompareSchedule,
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
            plan,
            self.stack,
            spec,
            lambda: spec("time"),
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


def ran(plan: CompareSchedule, script: Script = ok, **options: object) -> Recorder:
    recorder = Recorder(plan, script, **options)  # type: ignore[arg-type]
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
