"""Where the saving changed from one run to the next, in a series of stored runs.

One value a run, its median saving: how much runs differ among themselves is what a
change has to be told from, and one run alone does not know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from statistics import median
from typing import TYPE_CHECKING, Any

from vestbench.model.verdict import Change
from vestbench.stats.shift import (
    MIN_RUNS,
    BaselineVerdict,
    PredictionInterval,
    compare_with_baseline,
    prediction_interval,
)

if TYPE_CHECKING:
    import numpy as np

# A split has to be rarer than this among all orders of the same values. Simulated with
# 4,000 stable series each of 10, 20 and 60 runs (tests/studies/stable_series.py): a
# split in 0.7 to 1.3 % of them; one that clears the margin too, and so is shown, in at
# most 0.1 %. Values that drag on are no stable series to this test: of AR(1) with 0.5
# 27 % split, and 5 % are shown if they vary by 10 %, none if by 3 %.
SIGNIFICANCE = 0.01
MARGIN = 0.10  # of the median before: smaller changes are not shown

# With fewer runs not even two halves that do not overlap are rare enough.
FEWEST_RUNS = 10

_EXACT_RUNS = 8  # up to here all orders are counted
_ORDERS = 9_999  # beyond, as many are drawn, always the same ones


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """A place in a series at which the saving changed."""

    at: int  # the first run after it, counted from 0
    verdict: BaselineVerdict  # the runs after it, up to the next, against those before
    level: float  # median of the runs after it, up to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The last run of a series against those before it, back to the last change."""

    change: Change
    expected: PredictionInterval


def change_points(
    values: Sequence[float], margin: float = MARGIN
) -> tuple[ChangePoint, ...]:
    """Return where a series changes its level, in its order.

    Binary segmentation: a series is split if the largest difference of rank sums over
    all splits (standardised Wilcoxon) is rare among all orders of the same values, and
    then both sides are searched. Whether is for the ranks, where is for the values:
    they lie nearest to the two medians. A split is shown if the Hodges-Lehmann shift
    from one segment to the next clears the margin with its whole interval; others are
    taken back, the smallest first.

    Args:
        values: One a run, in the order of the runs; all finite.
        margin: As a share of the median of the segment before.
    """
    if not values:
        return ()
    edges = [0, *_splits(values, 0), len(values)]
    while len(edges) > 2:
        found = [
            _change(values[first:at], values[at:last], at, margin)
            for first, at, last in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        unproved = [c for c in found if c.verdict.change is Change.NO_CHANGE_SHOWN]
        if not unproved:
            return tuple(found)
        edges.remove(min(unproved, key=lambda c: abs(c.verdict.shift.estimate)).at)
    return ()


def newest_run(values: Sequence[float], margin: float = MARGIN) -> Newest | None:
    """Say whether the last value is as those before it, back to the last change.

    It has changed if it lies outside of their prediction interval and by more than the
    margin from their mean. In the stable series above that was so for 0.1 to 3.8 % of
    the newest runs where runs vary by 3 %, and for 3.5 to 7.5 % where by 10 %: one run
    is soon an outlier, and a change point needs several.

    Returns:
        None with fewer than 6 values before it.
    """
    changes = change_points(values, margin)
    before = values[changes[-1].at if changes else 0 : -1]
    if len(before) < MIN_RUNS:
        return None
    expected = prediction_interval(before)
    far, last = margin * abs(expected.mean), values[-1]
    change = Change.NO_CHANGE_SHOWN
    if last < min(expected.low, expected.mean - far):
        change = Change.REGRESSED
    elif last > max(expected.high, expected.mean + far):
        change = Change.IMPROVED
    return Newest(change=change, expected=expected)


def _change(
    before: Sequence[float], after: Sequence[float], at: int, margin: float
) -> ChangePoint:
    verdict = compare_with_baseline(
        before, after, margin=margin * abs(median(before)), confidence=0.95
    )
    return ChangePoint(at=at, verdict=verdict, level=median(after))


def _splits(values: Sequence[float], offset: int) -> list[int]:
    if len(values) < 2 or len(set(values)) == 1:
        return []
    if rarity(values) > SIGNIFICANCE:
        return []
    at = place(values)
    left = _splits(values[:at], offset)
    return [*left, offset + at, *_splits(values[at:], offset + at)]


def place(values: Sequence[float]) -> int:
    """Return before which value to split, so that all lie nearest to two medians.

    By the sum of absolute differences: an outlier counts as one, not as its square.
    """

    def distance(side: Sequence[float]) -> float:
        middle = median(side)
        return sum(abs(value - middle) for value in side)

    return min(
        range(1, len(values)),
        key=lambda at: distance(values[:at]) + distance(values[at:]),
    )


def rarity(values: Sequence[float]) -> float:
    """Return how rare it is that two sides of a series differ so much.

    Args:
        values: At least two, not all equal.

    Returns:
        The share of all orders of the values in which the largest difference of any
        split is as large or larger: exact up to 8 values, of drawn orders beyond.
    """
    import numpy as np

    ranks = _midranks(values)
    found = _differences(np.array([ranks])).max()
    largest = _largest_of_orders(tuple(sorted(ranks)))
    # Equal sums of ranks may differ in the last digits.
    reached, total = int((largest >= found - 1e-9).sum()), len(largest)
    if len(values) > _EXACT_RUNS:  # the order that was found is one of them
        reached, total = reached + 1, total + 1
    return reached / total


def _differences(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return how much the rank sum before each split is off, in standard deviations.

    Each row is a series of ranks; the variance is that of drawing without putting
    back, which allows for ties (Lehmann, "Nonparametrics", 1975, section 1.4).
    """
    import numpy as np

    n = rows.shape[1]
    before = np.arange(1, n)
    spread = rows[0] - rows[0].mean()
    variance = before * (n - before) / (n * (n - 1)) * (spread @ spread)
    sums = np.cumsum(rows, axis=1)[:, :-1]
    expected = before * rows[0].mean()
    off: np.ndarray[Any, Any] = np.abs(sums - expected) / np.sqrt(variance)
    return off


@lru_cache(maxsize=128)
def _largest_of_orders(ranks: tuple[float, ...]) -> np.ndarray[Any, Any]:
    """Return the largest difference of each order of `ranks`, or of many of them."""
    import numpy as np

    if len(ranks) <= _EXACT_RUNS:
        orders = np.array(list(permutations(ranks)))
    else:
        rows = np.tile(np.array(ranks), (_ORDERS, 1))
        # Seeded, so that the same series always says the same.
        orders = np.random.default_rng(len(ranks)).permuted(rows, axis=1)
    largest: np.ndarray[Any, Any] = _differences(orders).max(axis=1)
    return largest


def _midranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    count = {value: ordered.count(value) for value in first}
    return [first[value] + (count[value] + 1) / 2 for value in values]
