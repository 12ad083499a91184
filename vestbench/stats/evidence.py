"""Is the median saving at least the target? Exact evidence, looked at after each round.

Each round votes that the saving reaches the target, that it does not, or (after a
failure) neither. For `s` equal votes in `n` rounds the evidence is the likelihood of
the votes under a coin whose bias is uniform on (1/2, 1), divided by their likelihood
under a fair coin: the mixture of Robbins (1970), "Statistical methods related to the
law of the iterated logarithm", Ann. Math. Stat. 41. A verdict is given when it reaches
a threshold.

Why the error is bounded. Let latency be noise of the request slot plus an effect of
the arm, and let every saving lie below the target T. The difference seen in a round is
then saving + c (W1 - W2), with W1 and W2 the noise of its two slots and c = +1 or -1
the coin that put the arms in order. Given the past and all noise, it reaches T with
probability at most P(c (W1 - W2) > 0) <= 1/2. So the votes for T are dominated by a
fair coin, whatever drift, bursts or autocorrelation W has, and the evidence reaches the
threshold at any of the rounds looked at no more often than for a fair coin, which
`crossing_curve` computes exactly. Rounds that are independent and alike, with a median
below T, need no such model of the noise. A failed request only removes votes.

Everything that decides is integer arithmetic. This module needs no third-party library
and neither reads a clock nor sends anything.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from math import comb, inf, isfinite, isnan
from operator import index

# Integers for which a fair coin, looked at after each of the rounds 12 to 1000, crosses
# with probability at most (1 - confidence) / 2: 4.960, 2.360 and 0.493 %. The first two
# are the smallest such; 129 would do for the third.
CONFIDENCE_THRESHOLDS = {0.90: 11, 0.95: 24, 0.99: 130}
MIN_ROUNDS = 12  # the thresholds were computed for looks from here on ...
MAX_ROUNDS = 1000  # ... up to here, so looking outside voids them


class Decision(StrEnum):
    """What the votes of a set of rounds say."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    CLOSE = "CLOSE"  # the interval lies within the margin around the target
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is known of one saving: it lies between `lo` and `hi`, both included.

    They are equal when both requests succeeded; infinite where nothing is known.

    Raises:
        ValueError: A bound is NaN, or `lo` is above `hi`, or no number lies between.
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if not self.lo <= self.hi or self.lo == inf or self.hi == -inf:
            message = f"no saving lies between {self.lo} and {self.hi}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Two order statistics that enclose a median.

    `low` is the `rank_low`-th smallest lower bound and `high` the `rank_high`-th
    smallest upper bound, counted from 1. Failures can push either end to infinity.
    """

    low: float
    high: float
    rank_low: int
    rank_high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianSummary:
    """The median saving of some rounds and its interval."""

    median_lo: float  # median of the lower bounds; -inf without rounds
    median_hi: float  # of the upper ones: equal unless failures leave it open
    # None while no number of votes could decide (below 7 rounds at 95 %). It holds at
    # every look from round 12 on; before, it is a preview for one look only.
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingSummary(MedianSummary):
    """What a set of rounds says about a target."""

    rounds: int  # votes asked for; with pairs, half the rounds measured
    needed: int | None  # equal votes that decide at this number of rounds
    votes_pass: int  # rounds whose saving reaches the target for certain
    votes_fail: int  # rounds whose saving misses it for certain
    evidence: Fraction  # of the larger count of votes, to 1
    decision: Decision


def evidence(votes: int, rounds: int) -> Fraction:
    """Return the evidence, to 1, that a round votes this way more often than not.

    With `s` votes in `n` rounds: sum of C(n+1, j) over j = 0..s, divided by
    (n+1) C(n, s), the closed form of the mixture named in the head of this module.

    Raises:
        ValueError: `votes` is not between 0 and `rounds`.
    """
    # Plain integers: a NumPy one would overflow without a word.
    s, n = index(votes), index(rounds)
    if not 0 <= s <= n:
        message = f"{s} votes in {n} rounds"
        raise ValueError(message)
    return _evidence(s, n)


@lru_cache(maxsize=4096)
def _evidence(s: int, n: int) -> Fraction:
    total = term = 1
    for j in range(s):
        term = term * (n + 1 - j) // (j + 1)
        total += term
    return Fraction(total, (n + 1) * comb(n, s))


def votes_needed(rounds: int, threshold: int = 24) -> int | None:
    """Return how many equal votes decide after `rounds` rounds.

    Returns:
        The smallest number of votes whose evidence reaches `threshold`; `None` if not
        even a unanimous vote does.

    Raises:
        ValueError: `rounds` is not between 0 and 1000, the range in which the
            thresholds keep their promise, or `threshold` is not above 1.
    """
    if not 0 <= rounds <= MAX_ROUNDS:
        message = f"no threshold holds for {rounds} rounds, only for 0 to {MAX_ROUNDS}"
        raise ValueError(message)
    return _votes_table(index(threshold))[rounds]


@lru_cache(maxsize=16)
def _votes_table(threshold: int) -> tuple[int | None, ...]:
    """Return the votes needed for each number of rounds from 0 to 1000.

    A further vote for the same side raises the evidence and one against lowers it, so
    the entry grows by 0 or 1 from one round to the next, and only those are tried.
    """
    if threshold <= 1:
        message = f"a threshold of {threshold} is reached without a vote"
        raise ValueError(message)
    table: list[int | None] = []
    n = 0
    while 2 ** (n + 1) - 1 < threshold * (n + 1):  # unanimous and still too weak
        table.append(None)
        n += 1
    k, partial = n, 2 ** (n + 1) - 1  # partial: the sum of C(n+1, j) over j <= k
    while n <= MAX_ROUNDS:
        if partial < threshold * (n + 1) * comb(n, k):
            k += 1
            partial += comb(n + 1, k)
        table.append(k)
        partial = 2 * partial - comb(n + 1, k)  # Pascal's rule: the same sum for n + 2
        n += 1
    return tuple(table)


def crossing_curve(
    threshold: int = 24,
    *,
    min_rounds: int = MIN_ROUNDS,
    max_rounds: int = MAX_ROUNDS,
    p: float = 0.5,
) -> list[float]:
    """Return the probability of a verdict for one side by each number of rounds.

    Dynamic programming over the number of votes, without simulation: the error rate of
    the verdict for `p` = 1/2, its speed for a larger one.

    Args:
        threshold: The evidence at which to stop.
        min_rounds: The first look.
        max_rounds: The last look.
        p: The probability that a round votes for the side asked about.

    Returns:
        Entry `n` is the probability of having stopped for that side by round `n`.
    """
    alive, crossed, curve = [1.0], 0.0, [0.0]
    for n in range(1, max_rounds + 1):
        lost = [mass * (1 - p) for mass in alive]
        won = [mass * p for mass in alive]
        alive = [a + b for a, b in zip([*lost, 0.0], [0.0, *won], strict=True)]
        needed = votes_needed(n, threshold)
        if n >= min_rounds and needed is not None:
            crossed += sum(alive[needed:])
            del alive[needed:]
        curve.append(crossed)
    return curve


def crossing_probability(
    threshold: int = 24,
    *,
    min_rounds: int = MIN_ROUNDS,
    max_rounds: int = MAX_ROUNDS,
    p: float = 0.5,
) -> float:
    """Return the last entry of `crossing_curve`: the probability of ever stopping."""
    curve = crossing_curve(threshold, min_rounds=min_rounds, max_rounds=max_rounds, p=p)
    return curve[-1]


def projected_rounds(votes: int, rounds: int, threshold: int = 24) -> int | None:
    """Return at how many rounds in total the present majority would decide.

    Args:
        votes: The larger count of votes so far.
        rounds: The rounds (with pairs: the pairs) so far.
        threshold: The evidence at which to stop.

    Returns:
        The smallest number, not below `rounds`, at which the same share of votes
        suffices; `None` if that is beyond 1000 rounds, or without rounds.
    """
    s, total = index(votes), index(rounds)
    if total == 0:
        return None
    for n in range(max(MIN_ROUNDS, total), MAX_ROUNDS + 1):
        needed = votes_needed(n, threshold)
        if needed is not None and needed * total <= s * n:
            return n
    return None


def close_margin(target: float) -> float:
    """Return how near the target a saving is as good as the target: 5 %, at least 1."""
    return max(1.0, 0.05 * abs(float(target)))


def saving_bounds(
    control: float, control_ok: bool, candidate: float, candidate_ok: bool
) -> Bounds:
    """Return what one round says about the saving, control minus candidate, in ms.

    A request that failed after some time would have succeeded at some unknown later
    time, so a failure opens the interval on one side and never drops the round.

    Raises:
        ValueError: A time is negative, infinite or NaN.
    """
    saved = _elapsed(control) - _elapsed(candidate)
    return Bounds(lo=saved if candidate_ok else -inf, hi=saved if control_ok else inf)


def percent_bounds(
    control: float, control_ok: bool, candidate: float, candidate_ok: bool
) -> Bounds:
    """Return what one round says about the saving in percent of the control.

    It is 100 at most, because the candidate takes some time. A control of 0 ms has no
    percentage and says nothing.

    Raises:
        ValueError: A time is negative, infinite or NaN.
    """
    a, b = _elapsed(control), _elapsed(candidate)
    if a == 0:
        return Bounds(lo=-inf, hi=100.0)
    # Not 100 (1 - b / a), which puts 80 of 100 ms just below 20 %: ties are to count.
    saved = 100.0 * (a - b) / a
    return Bounds(lo=saved if candidate_ok else -inf, hi=saved if control_ok else 100.0)


def session_bounds(
    cold: float, cold_ok: bool, subsequent: Sequence[tuple[float, bool]]
) -> Bounds | None:
    """Return the saving of one session: its cold request minus the median of the rest.

    Args:
        cold: Milliseconds that the cold request took, or took to fail.
        cold_ok: Whether it succeeded.
        subsequent: The same two values for each later request of the session.

    Returns:
        The median is taken once with failures at the time they took, and once at
        infinity; `None` when there is no subsequent request.

    Raises:
        ValueError: A time is negative, infinite or NaN.
    """
    if not subsequent:
        return None
    first = _elapsed(cold)
    fastest = sorted(_elapsed(time) for time, _ in subsequent)
    slowest = sorted(float(time) if ok else inf for time, ok in subsequent)
    return Bounds(
        lo=first - _middle(slowest), hi=first - _middle(fastest) if cold_ok else inf
    )


def summarise(
    bounds: Sequence[Bounds],
    *,
    target: float,
    confidence: float = 0.95,
    close: float | None = None,
    min_rounds: int = MIN_ROUNDS,
) -> SavingSummary:
    """Return what `bounds`, one per round in any order, say about `target`.

    PASS exactly if the lower end of the interval reaches the target (a tie passes),
    FAIL exactly if the upper end misses it; the same as counting votes.

    Args:
        bounds: One per round, or per pair or session: whatever has one vote.
        target: The saving to reach, in the unit of the bounds.
        confidence: 0.90, 0.95 or 0.99, of the interval and of both verdicts together.
        close: Half the width of the range around the target that an interval must lie
            in to be CLOSE; `None` for never. `close_margin` is the usual one.
        min_rounds: Below this number of rounds the decision is UNDECIDED; at least 12.

    Raises:
        ValueError: An argument is out of its range, or there are over 1000 rounds.
    """
    check_arguments(target, close, min_rounds)
    threshold = threshold_of(confidence)
    ranked = Ranked()
    ranked.lows = sorted(float(bound.lo) for bound in bounds)
    ranked.highs = sorted(float(bound.hi) for bound in bounds)
    looked_at = len(bounds) >= min_rounds
    return ranked_summary(ranked, float(target), threshold, close, looked_at=looked_at)


class Ranked:
    """The lower and the upper bounds of all votes, each in rising order."""

    __slots__ = ("highs", "lows")

    def __init__(self) -> None:
        self.lows: list[float] = []
        self.highs: list[float] = []

    def __len__(self) -> int:
        return len(self.lows)

    def add(self, bounds: Bounds) -> None:
        """Take one more vote."""
        insort(self.lows, bounds.lo)
        insort(self.highs, bounds.hi)

    def votes(self, target: float) -> tuple[int, int]:
        """Count the bounds that reach the target, ties included, and that miss it."""
        reach = len(self.lows) - bisect_left(self.lows, target)
        return reach, bisect_left(self.highs, target)

    def is_close(self, needed: int, target: float, close: float | None) -> bool:
        """Say whether the interval lies strictly within `close` of the target."""
        if close is None:
            return False
        above = len(self.lows) - bisect_right(self.lows, target - close)
        return above >= needed and bisect_left(self.highs, target + close) >= needed

    def median(self, needed: int | None) -> MedianSummary:
        """Return the median and its interval, if there are votes enough for one."""
        n = len(self.lows)
        interval = None
        if needed is not None:
            interval = Interval(
                low=self.lows[n - needed],
                high=self.highs[needed - 1],
                rank_low=n - needed + 1,
                rank_high=needed,
            )
        return MedianSummary(
            median_lo=_middle(self.lows) if n else -inf,
            median_hi=_middle(self.highs) if n else inf,
            interval=interval,
        )


def ranked_summary(
    ranked: Ranked,
    target: float,
    threshold: int,
    close: float | None,
    *,
    looked_at: bool,
) -> SavingSummary:
    """Return what votes in order say; undecided while nothing may be looked at."""
    rounds = len(ranked)
    needed = votes_needed(rounds, threshold)
    votes_pass, votes_fail = ranked.votes(target)
    decision = Decision.UNDECIDED
    if looked_at and needed is not None:
        if votes_pass >= needed:
            decision = Decision.PASS
        elif votes_fail >= needed:
            decision = Decision.FAIL
        elif ranked.is_close(needed, target, close):
            decision = Decision.CLOSE
    median = ranked.median(needed)
    return SavingSummary(
        median_lo=median.median_lo,
        median_hi=median.median_hi,
        interval=median.interval,
        rounds=rounds,
        needed=needed,
        votes_pass=votes_pass,
        votes_fail=votes_fail,
        evidence=evidence(max(votes_pass, votes_fail), rounds),
        decision=decision,
    )


def _middle(ranked: Sequence[float]) -> float:
    """Return the median of values in rising order; infinite ones are allowed."""
    low, high = ranked[(len(ranked) - 1) // 2], ranked[len(ranked) // 2]
    return low if low == high else (low + high) / 2


def _elapsed(value: float) -> float:
    """Return a duration as a plain float, or refuse it."""
    duration = float(value)
    if not (isfinite(duration) and duration >= 0):
        message = f"{duration} ms is not a duration"
        raise ValueError(message)
    return duration


def threshold_of(confidence: float) -> int:
    """Return the evidence that a verdict of this confidence needs."""
    try:
        return CONFIDENCE_THRESHOLDS[confidence]
    except KeyError:
        known = ", ".join(map(str, CONFIDENCE_THRESHOLDS))
        message = f"no threshold for a confidence of {confidence}, only for {known}"
        raise ValueError(message) from None


def check_arguments(target: float, close: float | None, min_rounds: int) -> None:
    """Refuse arguments that would make a verdict meaningless."""
    if not isfinite(target):
        message = f"{target} is not a target"
        raise ValueError(message)
    if close is not None and (isnan(close) or close < 0):
        message = f"{close} is not a margin around the target"
        raise ValueError(message)
    if min_rounds < MIN_ROUNDS:
        message = (
            f"no look is allowed after {min_rounds} rounds, only from {MIN_ROUNDS}"
        )
        raise ValueError(message)
