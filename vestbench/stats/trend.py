"""Where the saving changed from one run to the next, in a series of stored runs.

A series has one value a run, the median saving. A change has to be told from how much
runs differ among themselves, which no single run knows.
"""

from collections.abc import Sequence
from statistics import median

from vestbench.model.record import Record
from vestbench.model.verdict import Change
from vestbench.stats.shift import (
    MIN_RUNS,
    BaselineVerdict,
    PredictionInterval,
    compare_with_baseline,
    prediction_interval,
)

# A split has to be rarer than this among all orders of the same values. Of 4,000
# simulated stable series each of 10, 20 and 60 runs (tests/bench/stable_series.py), 0.7
# to 1.3 % were split, and in at most 0.1 % the split cleared the margin too, and so was
# shown. A series in which each value resembles the one before is not stable to this
# test: of AR(1) with 0.5, 27 % were split, and 5 % shown if values vary by 10 %, none
# if by 3 %.
SIGNIFICANCE = 0.01
MARGIN = 0.10  # of the median before: smaller changes are not shown

# With fewer runs not even two halves that do not overlap are rare enough.
FEWEST_RUNS = 10


class ChangePoint(Record, frozen=True, kw_only=True):
    """A place in a series at which the saving changed."""

    at: int  # the first run after it, counted from 0
    verdict: BaselineVerdict  # the runs after it, up to the next, against those before
    level: float  # median of the runs after it, up to the next


class Newest(Record, frozen=True, kw_only=True):
    """The last run of a series against those before it, back to the last change."""

    change: Change
    expected: PredictionInterval


def change_points(
    values: Sequence[float], margin: float = MARGIN
) -> tuple[ChangePoint, ...]:
    """Return where a series of finite values, one a run in order, changes its level.

    Binary segmentation: the ranks of the values decide whether a series is split, the
    values themselves decide where. It is split if `rarity` is small, at the place where
    all values lie nearest to the medians of both sides; then both sides are searched.
    A split is shown if the Hodges-Lehmann shift from one segment to the next clears the
    margin, a share of the median of the segment before, with its whole interval. Other
    splits are taken back, the smallest first.
    """
    if not values:
        return ()
    edges = [0, *_splits(values, 0), len(values)]
    while len(edges) > 2:
        found = []
        for first, at, last in zip(edges, edges[1:], edges[2:], strict=False):
            before, after = values[first:at], values[at:last]
            least = margin * abs(median(before))
            verdict = compare_with_baseline(before, after, margin=least)
            found.append(ChangePoint(at=at, verdict=verdict, level=median(after)))
        unproved = [c for c in found if c.verdict.change is Change.NO_CHANGE_SHOWN]
        if not unproved:
            return tuple(found)
        edges.remove(min(unproved, key=lambda c: abs(c.verdict.shift.estimate)).at)
    return ()


def newest_run(values: Sequence[float], margin: float = MARGIN) -> Newest | None:
    """Say whether the last value is as those before it, back to the last change.

    It has changed if it lies outside their prediction interval and farther from their
    mean than the margin. Of the stable series above this was said of 0.1 to 3.8 % where
    runs vary by 3 %, and of 3.5 to 7.5 % where they vary by 10 %: a single run is
    easily an outlier, while a change point needs several runs. `None` with fewer than 6
    values before it.
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


def _splits(values: Sequence[float], offset: int) -> list[int]:
    if len(set(values)) < 2:
        return []
    from vestbench.stats.orders import rarity  # brings numpy, which takes long

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
