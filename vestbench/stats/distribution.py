"""A distribution in bounded memory: exact for as long as it is small.

Beyond that, values are counted in buckets whose width is 1/4096 of the power of two
below them: every quantile is then within 0.025 % of the value measured. This is the
idea of HdrHistogram (G. Tene), with floating-point exponents as its sub-ranges.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import frexp, inf, isfinite, isnan, ldexp
from typing import overload

EXACT = 100_000  # values kept as they are; as an array of doubles, 0.8 MB
_BITS = 12


class Distribution:
    """Durations, failures among them as `inf`, in any number and order.

    Up to `exact` of them are kept as they are.
    """

    def __init__(self, values: Iterable[float] = (), *, exact: int = EXACT) -> None:
        self._exact = exact
        self._values = array("d")
        self._counts: Counter[float] | None = None  # once there are too many
        self._n = 0
        self.low = inf  # of what was added, exactly; so is `high`
        self.high = -inf
        for value in values:
            self.add(value)

    def __len__(self) -> int:
        return self._n

    def add(self, value: float) -> None:
        """Take a value; `ValueError` if it is NaN or `-inf`, and so no duration."""
        value = float(value)
        if isnan(value) or value == -inf:
            raise ValueError(f"{value} is not a latency")
        self._n += 1
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        if self._counts is not None:
            self._counts[_bucket(value)] += 1
            return
        self._values.append(value)
        if self._n > self._exact:
            self._counts = Counter(map(_bucket, self._values))
            self._values = array("d")

    def ranked(self) -> Sequence[float]:
        """Return the values in ascending order."""
        if self._counts is None:
            return sorted(self._values)
        return _Steps(self._counts)


def _bucket(value: float) -> float:
    """Return the middle of the bucket that a value falls into."""
    if not isfinite(value):
        return value
    fraction, exponent = frexp(value)
    return ldexp(round(ldexp(fraction, _BITS)), exponent - _BITS)


class _Steps(Sequence[float]):
    """A sorted sequence in which equal values are stored once."""

    def __init__(self, counts: Counter[float]) -> None:
        self._levels = sorted(counts)
        self._ends = list(accumulate(counts[level] for level in self._levels))

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, place: int) -> float: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[float]: ...

    def __getitem__(self, place: int | slice) -> float | Sequence[float]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(place)
        return self._levels[bisect_right(self._ends, number)]
