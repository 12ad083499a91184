"""How the saving of a run settled: what each round said, and the interval after it.

Played again from the stored requests, through what decided while the run was on.
"""

from __future__ import annotations

from collections.abc import Sequence

from vestbench.model.record import Record
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import MedianSummary, Ranked
from vestbench.stats.evidence import threshold_of, votes_needed


class Step(Record, frozen=True, kw_only=True):
    """What one round says, and what is known after it; both in the settling's unit."""

    bounds: Bounds
    found: MedianSummary


class Settling(Record, frozen=True, kw_only=True):
    """The savings of one candidate in the order they were measured."""

    candidate: str  # label of its arm; empty where there is only one saving
    each: str  # what a step is: a session or a round
    unit: str  # ms or %
    target: float  # the saving asked for
    confidence: float  # of the intervals
    steps: tuple[Step, ...]


def settled(
    each: str, bounds: Sequence[Bounds], target_ms: float, confidence: float
) -> Settling:
    """Return how the median of `bounds` settled, in ms, where there is one saving."""
    threshold = threshold_of(confidence)
    ranked = Ranked()
    steps = []
    for one in bounds:
        ranked.add(one)
        found = ranked.median(votes_needed(len(ranked), threshold))
        steps.append(Step(bounds=one, found=found))
    return Settling(
        candidate="",
        each=each,
        unit="ms",
        target=target_ms,
        confidence=confidence,
        steps=tuple(steps),
    )
