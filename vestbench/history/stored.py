"""Two stored runs against each other: savings, never latencies.

A stored run cannot be paired or randomised against another, so a difference of
latencies may be one of the days. Savings in round trips do not move with the route;
with a margin of 10 % they raised no false alarm in the simulations behind this rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from vestbench.model.record import Record
from vestbench.model.run import Run
from vestbench.stats.shift import BaselineVerdict, compare_with_baseline
from vestbench.studies.parts.route import round_trip_ms
from vestbench.studies.registry import study_of

MARGIN = 0.10  # of the median saving then

# Fewer savings than this on either side give no interval worth the name.
FEWEST = 6


class StoredSide(Record, frozen=True, kw_only=True):
    """One of the two runs."""

    started: str
    host: str
    n: int  # savings: one a session or round
    failures: int  # requests without a response, and so without a saving
    median_saving: float  # in the unit
    median_saving_ms: float
    rtt_ms: float | None


class StoredComparison(Record, frozen=True, kw_only=True):
    """What can be said of two stored runs."""

    then: StoredSide | None  # None without a single saving
    now: StoredSide | None
    unit: str  # round trips, or ms where one of them knows no round trip
    verdict: BaselineVerdict | None  # None if there are too few savings
    differing: tuple[str, ...]  # what makes them runs of different things
    notable: tuple[str, ...]  # what else differs, and may be why


def compare_stored(then: Run, now: Run, *, confidence: float) -> StoredComparison:
    """Compare the savings of two stored runs."""
    found = [study_of(run).saving(run) for run in (then, now)]
    both = [saving.each for saving in found]
    trips = [round_trip_ms(run) for run in (then, now)]
    in_trips = all(trips)
    scaled = [
        [saving / rtt for saving in savings] if in_trips and rtt else savings
        for savings, rtt in zip(both, trips, strict=True)
    ]
    verdict = None
    if min(map(len, scaled)) >= FEWEST:
        margin = MARGIN * abs(median(scaled[0]))
        verdict = compare_with_baseline(
            scaled[0], scaled[1], margin=margin, confidence=confidence
        )
    return StoredComparison(
        then=_side(then, both[0], scaled[0], trips[0]),
        now=_side(now, both[1], scaled[1], trips[1]),
        unit="round trips" if in_trips else "ms",
        verdict=verdict,
        differing=_differences(then, now, ("venue", "endpoint", "stack")),
        notable=_differences(then, now, ("host", "command", "strategy", "TLS version")),
    )


def _side(
    run: Run, savings_ms: Sequence[float], scaled: Sequence[float], rtt: float | None
) -> StoredSide | None:
    if not savings_ms:
        return None
    return StoredSide(
        started=f"{run.started:%Y-%m-%d %H:%M} UTC",
        host=run.conditions.host,
        n=len(savings_ms),
        failures=len(run.failures),
        median_saving=median(scaled),
        median_saving_ms=median(savings_ms),
        rtt_ms=rtt,
    )


def _differences(then: Run, now: Run, names: Sequence[str]) -> tuple[str, ...]:
    first, second = _facts(then), _facts(now)
    return tuple(name for name in names if first[name] != second[name])


def _facts(run: Run) -> Mapping[str, Any]:
    conditions = run.conditions
    return {
        "venue": conditions.venue,
        "endpoint": conditions.endpoint,
        "stack": conditions.stack,
        "host": conditions.host,
        "command": run.command,
        "strategy": study_of(run).saving(run).compared,
        "TLS version": {sample.tls_version for sample in run.samples},
    }
