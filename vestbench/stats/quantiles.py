"""Quantiles of one arm and their intervals, free of any assumption on the distribution.

A failed request counts as infinitely slow, so values may be `inf`; it is never dropped.
The intervals are for a fixed number of independent samples of a stationary arm. Taken
after a stop that depends on the data they are descriptive; verdicts do not use them.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate, pairwise
from math import ceil, exp, floor, frexp, inf, ldexp, lgamma, log, log1p, sqrt
from operator import index
from typing import Any

from vestbench.model.record import Record

# Up to here the binomial distribution is summed in integers (about 5 ms at the limit),
# beyond in floating point, whose error is far below the distance of a rank from the
# next: the probability of a single value is about 1e-3 at n = 100,000.
EXACT_LIMIT = 1000
EXACT = 100_000  # values kept as they are; as an array of doubles, 0.8 MB
_BITS = 12


class Distribution:
    """Durations, failures among them as `inf`, in any number and order.

    Up to `exact` of them are kept as they are. More are counted in buckets whose width
    is 1/4096 of the power of two below them: every quantile is then within 0.025 % of
    the value measured. This is the idea of HdrHistogram (G. Tene), with floating-point
    exponents as its sub-ranges.
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
        if not value > -inf:
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
    if value == inf:
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

    def __getitem__(self, place: Any) -> Any:
        chosen = range(len(self))[place]
        if isinstance(chosen, range):
            return [self[each] for each in chosen]
        return self._levels[bisect_right(self._ends, chosen)]


class QuantileEstimate(Record, frozen=True, kw_only=True):
    """A quantile of some samples, as far as their number supports one."""

    q: float
    n: int  # samples, failures included
    point: float | None  # None below 1 / (1 - q) samples; inf if it falls on a failure
    low: float | None  # lower end of the interval; None where it is open
    high: float | None  # upper end; None where it is open, inf if it is a failure
    missing: int  # samples to add until both ends exist; 0 when they do


def quantile(values: Sequence[float] | Distribution, q: float) -> float:
    """Return the `q`-quantile, linearly interpolated at rank 1 + (n-1) q.

    Method 7 of Hyndman and Fan (1996), "Sample quantiles in statistical packages", and
    the default of NumPy. Between a finite value and `inf` the result is `inf`. There
    must be a value, in any order; `q` is from 0 to 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"{q} is not between 0 and 1")
    if not len(values):
        raise ValueError("no values, no quantile")
    return _quantile(_ranked(values), float(q))


def quantile_ranks(
    n: int, q: float, confidence: float = 0.95
) -> tuple[int | None, int | None]:
    """Return the ranks of the order statistics that enclose the `q`-quantile.

    With K binomial(n, q) and a = (1 - confidence) / 2, the lower rank is the largest l
    with P(K <= l-1) <= a and the upper one the smallest u with P(K <= u-1) >= 1 - a
    (David and Nagaraja, "Order Statistics", 3rd edition, section 7.1). Counted from 1;
    `None` for an end that is open, because even the smallest or the largest of the `n`
    samples does not bound the quantile.
    """
    if index(n) < 0:
        raise ValueError(f"{n} is not a number of samples")
    return _ranks(index(n), _rational(q), _tail(confidence))


@lru_cache(maxsize=1024)
def _ranks(n: int, share: Fraction, tail: Fraction) -> tuple[int | None, int | None]:
    ranks = _exact_ranks if n <= EXACT_LIMIT else _approximate_ranks
    low, high = ranks(n, share, tail)
    return low or None, high if high <= n else None


def samples_needed(q: float, confidence: float = 0.95) -> int:
    """Return the number of samples from which the interval has both ends.

    The smallest n with max(q, 1-q)^n <= (1 - confidence) / 2: 6 for the median, 36, 72
    and 368 for p90, p95 and p99 at 95 %.
    """
    share, tail = _rational(q), _tail(confidence)
    outer = max(share, 1 - share)
    # The logarithms give the number up to a unit; the powers decide exactly.
    n = max(1, floor(log(tail) / log(outer)) - 1)
    while outer**n > tail:
        n += 1
    return n


def estimate(
    values: Sequence[float] | Distribution, q: float, confidence: float = 0.95
) -> QuantileEstimate:
    """Return the `q`-quantile of `values` with its interval, or what is missing for it.

    There is a point from 1 / min(q, 1-q) samples on (10 for p90, 100 for p99), because
    with fewer it would be the largest sample under another name. The median has a point
    from the first sample on. There may be no value at all; failures are `inf`.
    """
    ranked = _ranked(values)
    n = len(ranked)
    rank_low, rank_high = quantile_ranks(n, q, confidence)
    share = _rational(q)
    enough = n * min(share, 1 - share) >= 1 or (n > 0 and share == Fraction(1, 2))
    return QuantileEstimate(
        q=float(q),
        n=n,
        point=_quantile(ranked, float(q)) if enough else None,
        low=None if rank_low is None else ranked[rank_low - 1],
        high=None if rank_high is None else ranked[rank_high - 1],
        missing=max(0, samples_needed(q, confidence) - n),
    )


def _ranked(values: Sequence[float] | Distribution) -> Sequence[float]:
    if not isinstance(values, Distribution):
        values = Distribution(values, exact=len(values))
    return values.ranked()


def _quantile(ranked: Sequence[float], q: float) -> float:
    # In floating point 100 * 0.29 is 28.999..., and such dust on the other side of a
    # rank would let an infinite neighbour in.
    position = (len(ranked) - 1) * Fraction(repr(q))
    below = floor(position)
    weight = float(position - below)
    low, high = ranked[below], ranked[min(below + 1, len(ranked) - 1)]
    if low == high or weight == 0:
        return low
    return low + weight * (high - low)


def _exact_ranks(n: int, share: Fraction, tail: Fraction) -> tuple[int, int]:
    """Return both ranks, 0 and n+1 for open ends, by integer arithmetic."""
    won, whole = share.numerator, share.denominator
    lost = whole - won
    # Every probability is an integer over whole^n; term is that of K = j.
    below = floor(tail * whole**n)
    above = whole**n - below
    term = total = lost**n
    low, j = 0, 0
    while total < above:
        if total <= below:
            low = j + 1
        term = term * (n - j) * won // ((j + 1) * lost)
        j += 1
        total += term
    return low, j + 1


def _approximate_ranks(n: int, share: Fraction, tail: Fraction) -> tuple[int, int]:
    """Return both ranks by floating point, summing from where the mass begins.

    Only values within 12 standard deviations of the mean are summed; what is left out
    is below 1e-30 unless the distribution is one-sided, and then nothing is.
    """
    q = float(share)
    reach = 12 * sqrt(n * q * (1 - q)) + 40
    j = max(0, floor(n * q - reach))
    ways = lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1)
    term = exp(ways + j * log(q) + (n - j) * log1p(-q))
    total, low = term, 0
    below, above = float(tail), 1 - float(tail)
    last = min(n, ceil(n * q + reach))
    while total < above and j < last:
        if total <= below:
            low = j + 1
        term *= (n - j) / (j + 1) * q / (1 - q)
        j += 1
        total += term
    return low, j + 1


def _rational(q: float) -> Fraction:
    """Return the decimal that was written, 9/10 for 0.9, not the binary neighbour."""
    share = Fraction(repr(float(q))) if 0 < q < 1 else Fraction(0)
    if not 0 < share < 1:
        raise ValueError(f"{q} is not strictly between 0 and 1")
    return share


def _tail(confidence: float) -> Fraction:
    return (1 - _rational(confidence)) / 2


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """Count `values` in `bins` equal bins from `low` to `high`, both ends included.

    A value on the edge of two bins is in the upper one. Values outside, infinite ones
    among them, are not counted.
    """
    if not low < high or bins < 1:
        raise ValueError(f"no histogram of {bins} bins from {low} to {high}")
    ranked, step = sorted(values), (high - low) / bins
    below = [bisect_left(ranked, low + place * step) for place in range(bins)]
    below.append(bisect_right(ranked, high))
    return [upper - lower for lower, upper in pairwise(below)]


def share_interval(
    count: int, total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the exact interval of a share, between 0 and 1, given `count` of `total`.

    Its ends are the shares under which so many, or so few, are as rare as half of what
    the confidence leaves (Clopper and Pearson, "The use of confidence or fiducial
    limits", Biometrika 26, 1934). It is never too narrow, whatever the share.
    """
    if not 0 <= count <= total or total < 1 or not 0 < confidence < 1:
        what = f"{count} of {total} at a confidence of {confidence}"
        raise ValueError(f"no interval for {what}")
    if 2 * count > total:  # the same of those that are not counted: fewer terms
        low, high = share_interval(total - count, total, confidence)
        return 1 - high, 1 - low
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _share_below(count - 1, total, 1 - tail)
    return low, _share_below(count, total, tail)


def _share_below(count: int, total: int, probability: float) -> float:
    """Return the share under which at most `count` of `total` have that probability."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if _at_most(count, total, middle) > probability:
            low = middle  # the larger the share, the rarer is so small a count
        else:
            high = middle
    return high


def _at_most(count: int, total: int, share: float) -> float:
    whole, counted, other = lgamma(total + 1), log(share), log1p(-share)

    def weight(k: int) -> float:
        ways = whole - lgamma(k + 1) - lgamma(total - k + 1)
        return exp(ways + k * counted + (total - k) * other)

    return sum(map(weight, range(count + 1)))
