"""What studies say of a run, for tests that hold any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from msgspec.structs import replace as replaced

from vestbench.model.run import Run
from vestbench.stats.decision import Settling
from vestbench.stats.metrics import Group
from vestbench.studies.bench.plan import BenchPlan, BenchRun
from vestbench.studies.compare.plan import ComparePlan, CompareRun
from vestbench.studies.registry import study_of
from vestbench.studies.starts.plan import ConnectPlan, ConnectRun, WarmUpPlan, WarmUpRun


def settlings_of(run: Run) -> tuple[Settling, ...]:
    """Return how each saving of a run settled."""
    return study_of(run).settlings(run)


def groups_in(run: Run) -> tuple[Group, ...]:
    """Return the groups that a run sets against each other."""
    return study_of(run).sides(run).groups(run.plan.confidence)


def latencies_in(run: Run) -> Mapping[str, Sequence[float]]:
    """Return the latencies of these groups."""
    return study_of(run).sides(run).latencies()


def savings_ms(run: Run) -> Sequence[float]:
    """Return the savings of a run, one a session or round."""
    return study_of(run).saving(run).each


def what_is_compared(run: Run) -> str:
    """Return what a run compares."""
    return study_of(run).saving(run).compared


def bench_of(run: Run) -> BenchRun:
    """Return a run that is known to be of `bench`."""
    assert isinstance(run.plan, BenchPlan)
    return cast(BenchRun, run)


def compare_of(run: Run) -> CompareRun:
    """Return a run that is known to be of `compare`."""
    assert isinstance(run.plan, ComparePlan)
    return cast(CompareRun, run)


def warm_up_of(run: Run) -> WarmUpRun:
    """Return a run that is known to be of `warmup`."""
    assert isinstance(run.plan, WarmUpPlan)
    return cast(WarmUpRun, run)


def connect_of(run: Run) -> ConnectRun:
    """Return a run that is known to be of `connect`."""
    assert isinstance(run.plan, ConnectPlan)
    return cast(ConnectRun, run)


def planned(run: Run, **changes: Any) -> Run:
    """Return a run with some of its plan changed."""
    return replace(run, plan=replaced(run.plan, **changes))


def conditioned(run: Run, **changes: Any) -> Run:
    """Return a run with some of its conditions changed."""
    return replace(run, conditions=replaced(run.conditions, **changes))
