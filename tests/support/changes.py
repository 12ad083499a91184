"""Two stored runs against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.printed import written
from tests.support.records import compare_run, sample
from vestbench.history.stored import StoredComparison, compare_stored, stored_report
from vestbench.model.request import Outcome
from vestbench.model.run import Run
from vestbench.model.verdict import Change

POOLED = 400.0  # ms, of the candidate; large, for savings may be negative


def saving_run(
    saved: Sequence[float], *, rtt: float | None = 1.0, **changes: Any
) -> Run:
    """Return a comparison with these savings in ms, over a route of `rtt` ms."""
    outcomes: list[Outcome] = []
    for number, saving in enumerate(saved):
        one = sample(
            number,
            0,
            arm="unpooled",
            latency=POOLED + saving,
            connect=rtt,
            syn_rtt=rtt,
        )
        other = sample(number, 1, arm="pooled", reused=True, latency=POOLED)
        outcomes += [one, other]
    return compare_run(outcomes, **changes)


def compared(then: Run, now: Run, confidence: float = 0.95) -> StoredComparison:
    return compare_stored(then, now, confidence=confidence)


def change_of(found: StoredComparison) -> Change | None:
    return None if found.verdict is None else found.verdict.change


def shown(found: StoredComparison, width: int = 80) -> str:
    return written(stored_report(found, "results/then.toml", "results/now.toml"), width)


def spread(centre: float, count: int = 20) -> list[float]:
    """Return savings around a median, no two alike."""
    return [centre + (n - (count - 1) / 2) / 10 for n in range(count)]
