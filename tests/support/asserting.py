"""Runs, and what is asserted of them."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.records import bench_run, sample, sessions
from vestbench.assertions.judge import AssertionResult
from vestbench.model.request import Outcome
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.studies.judging import judge

PASS, FAIL = Verdict.PASS, Verdict.FAIL
INCONCLUSIVE, INVALID = Verdict.INCONCLUSIVE, Verdict.INVALID


def spread(middle: float, count: int, step: float = 0.1) -> list[float]:
    """Return latencies round `middle`, `step` apart."""
    return [middle + step * (place - (count - 1) / 2) for place in range(count)]


def bench(count: int = 20, **changes: object) -> Run:
    """Return a bench run of about 100 ms cold, 36 ms subsequent, by session."""
    return bench_run(sessions(spread(100.0, count)), **changes)  # type: ignore[arg-type]


def rounds(
    pooled: Iterable[float], unpooled: float = 100.0, **arms: float
) -> list[Outcome]:
    """Return a round for each latency in `pooled`."""
    found: list[Outcome] = []
    for number, latency in enumerate(pooled):
        found += [
            sample(number, 0, arm="unpooled", latency=unpooled),
            sample(number, 1, arm="pooled", reused=True, latency=latency),
        ]
        found += [
            sample(number, 2, arm=label, reused=True, latency=value)
            for label, value in arms.items()
        ]
    return found


def one(run: Run, text: str) -> AssertionResult:
    (found,) = judge(run, [text])
    return found


def outcome(run: Run, text: str) -> Verdict:
    return one(run, text).outcome
