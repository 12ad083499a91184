"""Whether two groups of requests were answered alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from vestbench.characters import plain
from vestbench.model.record import Record
from vestbench.model.request import Sample
from vestbench.report.units import plural

# How rarely a difference of two groups may be an accident that is named all the same.
_LUCK = 0.001
# The share of sizes at either end that may lie among those of the other group.
_ODD = 20


class Difference(Record, frozen=True, kw_only=True):
    """What the answers to one group had, and those to another had not."""

    what: str  # such as "content type"
    control: str
    candidate: str


class Answers:
    """Counts the answers to a group of requests by what they are like."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str | None, int]] = Counter()

    def add(self, sample: Sample) -> None:
        """Take the answer to one request."""
        self._counts[sample.status, sample.content_type, sample.body_bytes] += 1

    def by(self, place: int) -> Counter[Any]:
        """Return how many there are of each status, type or size: 0, 1 or 2."""
        found: Counter[Any] = Counter()
        for key, count in self._counts.items():
            found[key[place]] += count
        return found


def differences(control: Answers, candidate: Answers) -> tuple[Difference, ...]:
    """Return in what the answers to two groups differ.

    Bodies may vary in length by themselves, such as with the time of day in them. A
    difference counts if it separates the groups: a value that one of them often had
    and the other never, or sizes that do not overlap, if neither can be an accident.
    """
    return tuple(_found(control, candidate))


def _found(control: Answers, candidate: Answers) -> Iterator[Difference]:
    for place, (what, said) in enumerate(_SAID.items()):
        ours, theirs = control.by(place), candidate.by(place)
        apart = _is_only_in(ours, theirs) or _is_only_in(theirs, ours)
        if apart or (place == _SIZE and _lie_apart(ours, theirs)):
            yield Difference(what=what, control=said(ours), candidate=said(theirs))


def _is_only_in(ours: Mapping[Any, int], theirs: Mapping[Any, int]) -> bool:
    """Say whether a value of ours is missing in theirs, and that is no accident."""
    count = max((n for value, n in ours.items() if value not in theirs), default=0)
    return count > 0 and _luck(count, sum(ours.values()), sum(theirs.values())) < _LUCK


def _lie_apart(ours: Mapping[int, int], theirs: Mapping[int, int]) -> bool:
    if not ours or not theirs:
        return False
    n, m = sum(ours.values()), sum(theirs.values())
    (low, high), (least, most) = _range(ours), _range(theirs)
    return (high < least or most < low) and 2 * _luck(n, n, m) < _LUCK


def _luck(count: int, n: int, m: int) -> float:
    """Return how likely `count` of n + m answers are all among the n, by lot alone."""
    others, chance = sorted((count, m)), 1.0
    for place in range(others[0]):
        chance *= (n + m - others[1] - place) / (n + m - place)
        if chance < _LUCK / 2:
            return 0.0
    return chance


def _range(sizes: Mapping[int, int]) -> tuple[int, int]:
    """Return the least and the largest size, without some odd ones at either end."""
    ranked = sorted(sizes)
    ends = list(accumulate(sizes[size] for size in ranked))
    odd = ends[-1] // _ODD
    low = next(s for s, end in zip(ranked, ends, strict=True) if end > odd)
    high = next(s for s, e in zip(ranked, ends, strict=True) if e >= ends[-1] - odd)
    return low, high


def _values(counts: Counter[Any]) -> str:
    named = [plain(str(v or "no type")) for v, _ in counts.most_common(2)]
    return " or ".join([*named, "others"][: len(counts)])


def _sizes(counts: Counter[int]) -> str:
    low, high = _range(counts)
    return plural(low, "byte") if low == high else f"{low} to {plural(high, 'byte')}"


_SAID: Mapping[str, Callable[[Counter[Any]], str]] = {
    "status": _values,
    "content type": _values,
    "body": _sizes,
}
_SIZE = 2
