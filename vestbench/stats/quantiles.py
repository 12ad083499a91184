"""Quantiles of one arm and their intervals, free of any assumption on the distribution.

A failed request counts as infinitely slow, so values may be `inf`; it is never dropped.
The intervals are for a fixed number of independent samples of a stationary arm. Taken
after a stop that depends on the data they are descriptive; verdicts do not use them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import ceil, exp, floor, lgamma, log, log1p, sqrt
from operator import index

from vestbench.model.record import Record
from vestbench.stats.distribution import Distribution

# Up to here the binomial distribution is summed in integers (about 5 ms at the limit),
# beyond in floating point, whose error is far below the distance of a rank from the
# next: the probability of a single value is about 1e-3 at n = 100,000.
EXACT_LIMIT = 1000


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
    from the first sample on.

    Args:
        values: One per request, failures as `inf`, in any order; may be empty.
        q: Strictly between 0 and 1, as `confidence` is.
        confidence: Of the interval.
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


@lru_cache(maxsize=1024)
def _ranks(n: int, share: Fraction, tail: Fraction) -> tuple[int | None, int | None]:
    ranks = _exact_ranks if n <= EXACT_LIMIT else _approximate_ranks
    low, high = ranks(n, share, tail)
    return low or None, high if high <= n else None


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
