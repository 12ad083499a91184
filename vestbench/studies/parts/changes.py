"""What has changed between two stored runs, where each holds several of a program.

Each start of the program is one sample of its totals; the two sets are held against
each other as any two that cannot be paired. Of all quantities less is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import comb
from statistics import median

from vestbench.model.record import Record
from vestbench.model.verdict import Change
from vestbench.stats.shift import Shift, shift


class Total(Record, frozen=True, kw_only=True):
    """A quantity of which there is one value for each start of the program."""

    name: str
    unit: str  # empty for a count
    each: tuple[float, ...]
    margin: float = 0.0  # share of its median that is no change


class Changed(Record, frozen=True, kw_only=True):
    """How a quantity has changed."""

    name: str
    unit: str
    before: float  # the medians
    after: float
    shift: Shift  # after minus before
    change: Change | None  # None where there are too few runs for an interval


class Changes(Record, frozen=True, kw_only=True):
    """What can be said of two stored runs of a program."""

    runs: tuple[int, int]  # how often it was started
    needed: int  # so many on either side give an interval
    changed: tuple[Changed, ...]  # the most telling first
    differing: tuple[str, ...]  # what makes them runs of different things
    notable: tuple[str, ...]  # what else differs, and may be why
    # Of all of them: worse if any is; None where there are too few runs.
    change: Change | None


def changes_of(
    before: Sequence[Total],
    after: Sequence[Total],
    confidence: float,
    *,
    differing: Sequence[str] = (),
    notable: Sequence[str] = (),
) -> Changes:
    """Return what has changed from one run to another.

    Args:
        before: Their totals, each of one value or more.
        after: The same of the later run, in the same order.
        confidence: Of the intervals.
        differing: What makes them runs of different things.
        notable: What else differs.
    """
    changed = tuple(
        _changed(one, other, confidence)
        for one, other in zip(before, after, strict=True)
    )
    return Changes(
        runs=(len(before[0].each), len(after[0].each)),
        needed=runs_needed(confidence),
        changed=changed,
        differing=tuple(differing),
        notable=tuple(notable),
        change=_of_all([each.change for each in changed]),
    )


def _of_all(changes: Sequence[Change | None]) -> Change | None:
    for decisive in (Change.REGRESSED, Change.IMPROVED, None):
        if decisive in changes:
            return decisive
    return Change.NO_CHANGE_SHOWN


def _changed(before: Total, after: Total, confidence: float) -> Changed:
    moved = shift(before.each, after.each, confidence)
    center = median(before.each)
    return Changed(
        name=before.name,
        unit=before.unit,
        before=center,
        after=median(after.each),
        shift=moved,
        change=_change(moved, before.margin * abs(center)),
    )


def _change(moved: Shift, margin: float) -> Change | None:
    if not moved.rank:
        return None
    if moved.high < -margin:
        return Change.IMPROVED
    return Change.REGRESSED if moved.low > margin else Change.NO_CHANGE_SHOWN


def runs_needed(confidence: float) -> int:
    """Return how many runs on either side give an interval (4 at 95 %).

    Its ends are then the smallest and the largest difference, beyond which the shift
    lies as rarely as one set lies wholly on one side of the other.
    """
    count = 1
    while 1 / comb(2 * count, count) > (1 - confidence) / 2 + 1e-12:
        count += 1
    return count


def differences(then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    """Yield the names of facts that are not the same in both."""
    return (name for name, fact in then.items() if now.get(name) != fact)
