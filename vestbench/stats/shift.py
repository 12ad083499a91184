"""How far one set of savings lies from another, and from one run to the next.

For stored runs, which cannot be paired with those of today. No run is judged by these:
where savings are skewed they estimate another centre than the median.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import atan2, comb, cos, floor, inf, isfinite, pi, sin, sqrt
from statistics import NormalDist, fmean, median, stdev

from vestbench.model.record import Record
from vestbench.model.verdict import Change
from vestbench.stats.bounds import finite

# Up to this many pairs of samples the Mann-Whitney distribution is counted out.
EXACT_PAIRS = 10_000
MIN_RUNS = 6  # stored runs from which a prediction interval is given


class Shift(Record, frozen=True, kw_only=True):
    """By how much the candidate exceeds the baseline, in the unit of both."""

    estimate: float
    low: float  # -inf if the samples are too few for an interval
    high: float  # inf likewise
    rank: int  # the ends are the rank-th smallest and largest difference; 0 if open


class BaselineVerdict(Record, frozen=True, kw_only=True):
    """A comparison of savings with stored ones, in the unit of both."""

    change: Change
    shift: Shift
    margin: float  # the interval must clear it on one side


class PredictionInterval(Record, frozen=True, kw_only=True):
    """Where the median of one more run is to be expected."""

    low: float
    high: float
    mean: float  # of the medians of the stored runs
    deviation: float  # their standard deviation
    runs: int


def shift(
    baseline: Sequence[float], candidate: Sequence[float], confidence: float = 0.95
) -> Shift:
    """Return the two-sample shift, candidate minus baseline, with its interval.

    The estimate is the median of all n*m differences (Hodges and Lehmann, 1963). The
    interval inverts the Mann-Whitney test: its ends are the c-th smallest and largest
    difference, with c the number of values u for which P(U <= u) is at most
    (1 - confidence) / 2. That distribution is exact up to 10,000 differences and normal
    beyond. Ties make the interval wider than asked for, never narrower. Neither side
    may be empty or hold a value that is not finite.
    """
    x, y = _finite(baseline), _finite(candidate)
    if not 0 < confidence < 1:
        raise ValueError(
            f"a confidence of {confidence} is not strictly between 0 and 1"
        )
    differences = sorted(b - a for a in x for b in y)
    rank = _shift_rank(*sorted((len(x), len(y))), float(confidence))
    return Shift(
        estimate=median(differences),
        low=differences[rank - 1] if rank else -inf,
        high=differences[-rank] if rank else inf,
        rank=rank,
    )


def compare_with_baseline(
    baseline: Sequence[float],
    candidate: Sequence[float],
    *,
    margin: float | None = None,
    confidence: float = 0.95,
) -> BaselineVerdict:
    """Say whether the savings differ from stored ones by more than a margin.

    Give both in round trips, saving divided by the median connect time of its own run:
    in milliseconds a change of the route alone reads as a change of the client. The
    margin is half the width of the range that counts as no change; `None` is 10 % of
    the median of the baseline. REGRESSED if the whole interval of the shift lies below
    `-margin`, IMPROVED if above `margin`. NO_CHANGE_SHOWN is not proof of equality.
    """
    moved = shift(baseline, candidate, confidence)
    if margin is None:
        margin = 0.1 * abs(median(_finite(baseline)))
    elif not (isfinite(margin) and margin >= 0):
        raise ValueError(f"{margin} is not a margin")
    change = Change.NO_CHANGE_SHOWN
    if moved.high < -margin:
        change = Change.REGRESSED
    elif moved.low > margin:
        change = Change.IMPROVED
    return BaselineVerdict(change=change, shift=moved, margin=float(margin))


def prediction_interval(
    run_medians: Sequence[float], confidence: float = 0.95
) -> PredictionInterval:
    """Return where the median of one more run is expected if nothing has changed.

    mean +- t(r-1) s sqrt(1 + 1/r) over the medians of r runs, 6 at least. Unlike
    `shift` it knows how much runs differ among themselves.
    """
    medians = _finite(run_medians)
    runs = len(medians)
    if runs < MIN_RUNS:
        few = f"{runs} runs are too few to predict another"
        raise ValueError(f"{few}, {MIN_RUNS} are needed")
    mean, deviation = fmean(medians), stdev(medians)
    t = student_t_quantile((1 + confidence) / 2, runs - 1)
    reach = t * deviation * sqrt(1 + 1 / runs)
    return PredictionInterval(
        low=mean - reach, high=mean + reach, mean=mean, deviation=deviation, runs=runs
    )


def student_t_quantile(probability: float, degrees: int) -> float:
    """Return the quantile of Student's t, by bisection to full precision."""
    if not 0 < probability < 1 or degrees < 1 or degrees != int(degrees):
        given = f"{probability} and {degrees} degrees of freedom"
        raise ValueError(f"no t quantile for {given}")
    if probability < 0.5:
        return -student_t_quantile(1 - probability, degrees)
    central = 2 * probability - 1  # P(|T| <= t)
    low, high = 0.0, 1.0
    while _central_probability(high, degrees) < central and high < 1e15:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        if _central_probability(middle, degrees) < central:
            low = middle
        else:
            high = middle
    return high


def _central_probability(t: float, degrees: int) -> float:
    """Return P(|T| <= t), exact for whole degrees of freedom.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 (odd) and 26.7.4
    (even): a finite sum of powers of the cosine of theta = arctan(t / sqrt(degrees)).
    """
    theta = atan2(t, sqrt(degrees))
    square = cos(theta) ** 2
    odd = degrees % 2
    term, total = (cos(theta) if odd else 1.0), 0.0
    for k in range(1 + odd, degrees, 2):
        total += term
        term *= square * k / (k + 1)
    total *= sin(theta)
    return 2 / pi * (theta + total) if odd else total


@lru_cache(maxsize=64)
def _shift_rank(n: int, m: int, confidence: float) -> int:
    """Return c, the number of differences beyond either end, plus one; `n` <= `m`."""
    if n * m > EXACT_PAIRS:
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return max(0, floor(n * m / 2 - z * sqrt(n * m * (n + m + 1) / 12)))
    # The decimal that was written: 19/20 for 0.95.
    allowed = (1 - Fraction(repr(confidence))) / 2 * comb(n + m, n)
    rank = total = 0
    for ways in _mann_whitney_counts(n, m):
        total += ways
        if total > allowed:
            break
        rank += 1
    return rank


def _mann_whitney_counts(n: int, m: int) -> list[int]:
    """Return in how many orders of n and m values U is 0, 1, ..., n m // 2.

    The coefficients of the Gaussian binomial, the product over i = 1..n of
    (1 - x^(m+i)) / (1 - x^i); the upper half mirrors the lower one.
    """
    counts = [1] + [0] * (n * m // 2)
    for i in range(1, n + 1):
        for u in range(len(counts) - 1, m + i - 1, -1):
            counts[u] -= counts[u - m - i]
        for u in range(i, len(counts)):
            counts[u] += counts[u - i]
    return counts


def _finite(values: Sequence[float]) -> list[float]:
    if not len(values):
        raise ValueError("a shift needs values, all of them finite")
    return finite(values)
