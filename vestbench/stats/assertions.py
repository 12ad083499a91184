"""What is asserted of a run, each assertion decided on its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from vestbench.models import Run
from vestbench.stats.bench import summarise_bench
from vestbench.stats.compare import summarise_compare
from vestbench.stats.evidence import MedianSummary
from vestbench.stats.groups import Acceptance, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionResult:
    """One assertion, and what the run says of it."""

    text: str  # as it was asked for, such as "saving >= 50ms"
    quantity: str  # what was measured, such as "saving"
    unit: str  # of the values: "ms", "%", "round trips", or empty for a count
    outcome: Acceptance
    value: float | None  # the point estimate; None where there is none
    low: float | None  # the ends of its interval; None where it is open
    high: float | None
    n: int  # how many requests, sessions or rounds it rests on
    reason: str = ""  # why it is undecided or invalid, where the values do not say it


def assertions_of(run: Run) -> tuple[AssertionResult, ...]:
    """Return what is asserted of `run`: its acceptance, one for each pair of arms.

    A run without one, such as of a warm-up, has none.
    """
    if run.command == "bench":
        return _of_bench(run)
    if run.command == "compare":
        return _of_compare(run)
    return ()


def _of_bench(run: Run) -> tuple[AssertionResult, ...]:
    found = summarise_bench(run)
    if found.acceptance is None:
        return ()
    target = f"{run.plan['min_saving_ms']:g}ms"
    rounds = found.saving.rounds if found.saving is not None else 0
    return (
        _acceptance(
            "saving", target, found.acceptance, found.why, found.saving, rounds
        ),
    )


def _of_compare(run: Run) -> tuple[AssertionResult, ...]:
    found = summarise_compare(run)
    target = f"{found.target:.4g}{'%' if found.percent_target else 'ms'}"
    several = len(found.pairs) > 1
    return tuple(
        _acceptance(
            f"{pair.candidate}.saving" if several else "saving",
            target,
            pair.acceptance,
            pair.why,
            pair.percent if found.percent_target else pair.saving,
            pair.rounds,
        )
        for pair in found.pairs
    )


def _acceptance(
    quantity: str,
    target: str,
    acceptance: Acceptance,
    why: Why,
    found: MedianSummary | None,
    n: int,
) -> AssertionResult:
    interval = found.interval if found is not None else None
    exact = found is not None and found.median_lo == found.median_hi
    return AssertionResult(
        text=f"{quantity} >= {target}",
        quantity=quantity,
        unit="%" if target.endswith("%") else "ms",
        outcome=acceptance,
        value=_known(found.median_lo) if found is not None and exact else None,
        low=_known(interval.low) if interval is not None else None,
        high=_known(interval.high) if interval is not None else None,
        n=n,
        reason=str(why),
    )


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
