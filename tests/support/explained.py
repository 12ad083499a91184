"""Runs of every command, slower in one phase, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.support.compare_runs import rounds
from tests.support.records import (
    bench_run,
    compare_run,
    sample,
    warm_up_run,
    whole_call,
)
from tests.support.runs_on_stacks import REQWEST
from tests.support.starts import connect_run
from tests.support.starts import rounds as starts
from vestbench.model.request import NS_PER_MS, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.registry import study_of
from vestbench.studies.starts.plan import NOT_WARMED, WARMED, ConnectRun, WarmUpRun

Change = Callable[[Sample], Sample]


def said(run: Run) -> str:
    return "\n".join(study_of(run).findings(run).warnings)


def longer(sample: Sample, phase: str, by_ms: float) -> Sample:
    """Return a sample one phase of which took longer."""
    by = round(by_ms * NS_PER_MS)
    fields: dict[str, Any] = {"latency_ns": sample.latency_ns + by}
    if phase != "client":
        fields[f"{phase}_ns"] = (getattr(sample, f"{phase}_ns") or 0) + by
    return replace(sample, **fields)


def opening(phase: str, by_ms: float) -> Change:
    return lambda one: one if one.reused else longer(one, phase, by_ms)


def keeping(phase: str, by_ms: float) -> Change:
    return lambda one: longer(one, phase, by_ms) if one.reused else one


def compared(
    *changes: Change, count: int = 12, plan: Mapping[str, Any] | None = None
) -> CompareRun:
    outcomes: list[Outcome] = []
    for one in rounds(count=count):
        assert isinstance(one, Sample)
        for change in changes:
            one = change(one)
        outcomes.append(one)
    is_whole = whole_call in changes
    return compare_run(outcomes, plan=plan, conditions=REQWEST if is_whole else None)


def benched(*changes: Change) -> BenchRun:
    samples = [sample(n, i, reused=i > 0) for n in range(20) for i in range(4)]
    for change in changes:
        samples = [change(one) for one in samples]
    return bench_run(samples, conditions=REQWEST if whole_call in changes else None)


def warmed(*changes: Change) -> WarmUpRun:
    samples = []
    for n in range(20):
        samples.append(sample(n, 0, arm=NOT_WARMED))
        samples.append(sample(n, 1, arm=WARMED, role=Role.WARM_UP, connection=100 + n))
        samples.append(sample(n, 2, arm=WARMED, reused=True, connection=100 + n))
    for change in changes:
        samples = [change(one) for one in samples]
    return warm_up_run(samples)


def started(*changes: Change) -> ConnectRun:
    samples = [one for one in starts(12, 97.0, 36.0) if isinstance(one, Sample)]
    for change in changes:
        samples = [change(one) for one in samples]
    return connect_run(list(samples))


ALL = [compared, benched, warmed, started]
