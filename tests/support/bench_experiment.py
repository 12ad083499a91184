"""The bench experiment on a stack without a network."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.support.stacks import FakeStack, spec
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Outcome
from vestbench.model.strategy import POOLED, Strategy
from vestbench.running.ports import Pacer, RunEnd
from vestbench.studies.bench.experiment import BenchSchedule, run_bench

PROPERTY = settings(deadline=None, derandomize=True)


def bench_plan(
    requests: int,
    sessions: int,
    *,
    concurrency: int = 1,
    strategy: Strategy = POOLED,
) -> BenchSchedule:
    session = SessionPlan(
        pool=PoolSettings(), strategy=strategy, concurrency=concurrency
    )
    return BenchSchedule(session=session, requests=requests, sessions=sessions)


def run(
    plan: BenchSchedule, stack: FakeStack, pacer: Pacer | None = None
) -> tuple[RunEnd, list[Outcome]]:
    recorded: list[Outcome] = []
    end = run_bench(
        plan,
        stack,
        spec,
        pacer=pacer or Pacer(sleep=no_sleep),
        record=recorded.append,
    )
    return end, recorded


def no_sleep(seconds: float) -> None:
    pytest.fail(f"slept {seconds} s without an interval")
