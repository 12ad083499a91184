"""What the votes of rounds decide about a target, by the thresholds of `evidence`."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import inf, isfinite, isnan

from vestbench.model.record import Record, asdict
from vestbench.model.verdict import Decision
from vestbench.stats.bounds import Bounds, middle
from vestbench.stats.evidence import MIN_ROUNDS, evidence, threshold_of, votes_needed


class Interval(Record, frozen=True, kw_only=True):
    """Two order statistics that enclose a median.

    `low` is the `rank_low`-th smallest lower bound and `high` the `rank_high`-th
    smallest upper bound, counted from 1. Failures can push either end to infinity.
    """

    low: float
    high: float
    rank_low: int
    rank_high: int


class MedianSummary(Record, frozen=True, kw_only=True):
    """The median saving of some rounds and its interval."""

    median_lo: float  # median of the lower bounds; -inf without rounds
    median_hi: float  # of the upper ones: equal unless failures leave it open
    # None while no number of votes could decide (below 7 rounds at 95 %). It holds at
    # every look from round 12 on; before, it is a preview for one look only.
    interval: Interval | None

    @property
    def is_known(self) -> bool:
        """Whether failures leave anything of the median."""
        return isfinite(self.median_lo) or isfinite(self.median_hi)


class SavingSummary(MedianSummary, frozen=True, kw_only=True):
    """What a set of rounds says about a target."""

    rounds: int  # votes asked for; with pairs, half the rounds measured
    needed: int | None  # equal votes that decide at this number of rounds
    votes_pass: int  # rounds whose saving reaches the target for certain
    votes_fail: int  # rounds whose saving misses it for certain
    evidence: Fraction  # of the larger count of votes, to 1
    decision: Decision


def close_margin(target: float) -> float:
    """Return how near the target a saving is as good as the target: 5 %, at least 1."""
    return max(1.0, 0.05 * abs(float(target)))


def summarise(
    bounds: Iterable[Bounds],
    *,
    target: float,
    confidence: float = 0.95,
    close: float | None = None,
    min_rounds: int = MIN_ROUNDS,
) -> SavingSummary:
    """Return what `bounds`, one for each vote in any order, say about `target`.

    PASS exactly if the lower end of the interval reaches the target (a tie passes),
    FAIL exactly if the upper end misses it; the same as counting votes. CLOSE if the
    interval lies less than `close` (`close_margin` is the usual one) from the target,
    UNDECIDED below `min_rounds`, which is at least 12. `confidence`, 0.90, 0.95 or
    0.99, is that of the interval and of both verdicts together.
    """
    check_arguments(target, close, min_rounds)
    threshold = threshold_of(confidence)
    ranked = Ranked(bounds)
    looked_at = len(ranked) >= min_rounds
    return ranked.summary(float(target), threshold, close, looked_at=looked_at)


def median_saving(bounds: Iterable[Bounds], confidence: float) -> MedianSummary:
    """Return the median of `bounds` and its interval, without a decision."""
    ranked = Ranked(bounds)
    return ranked.median(votes_needed(len(ranked), threshold_of(confidence)))


class Ranked:
    """The lower and the upper bounds of all votes, each in rising order."""

    __slots__ = ("highs", "lows")

    def __init__(self, bounds: Iterable[Bounds] = ()) -> None:
        votes = list(bounds)
        self.lows = sorted(float(vote.lo) for vote in votes)
        self.highs = sorted(float(vote.hi) for vote in votes)

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
            median_lo=middle(self.lows) if n else -inf,
            median_hi=middle(self.highs) if n else inf,
            interval=interval,
        )

    def summary(
        self, target: float, threshold: int, close: float | None, *, looked_at: bool
    ) -> SavingSummary:
        """Return what the votes say; undecided while nothing may be looked at."""
        rounds = len(self)
        needed = votes_needed(rounds, threshold)
        votes_pass, votes_fail = self.votes(target)
        decision = Decision.UNDECIDED
        if looked_at and needed is not None:
            if votes_pass >= needed:
                decision = Decision.PASS
            elif votes_fail >= needed:
                decision = Decision.FAIL
            elif self.is_close(needed, target, close):
                decision = Decision.CLOSE
        return SavingSummary(
            **asdict(self.median(needed)),
            rounds=rounds,
            needed=needed,
            votes_pass=votes_pass,
            votes_fail=votes_fail,
            evidence=evidence(max(votes_pass, votes_fail), rounds),
            decision=decision,
        )


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
    """Return how the median of `bounds` settled, in ms, where there is one saving.

    The votes of a stored run are ranked again, as they were during the run.
    """
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


def check_arguments(target: float, close: float | None, min_rounds: int) -> None:
    """Refuse arguments that would make a verdict meaningless."""
    if not isfinite(target):
        raise ValueError(f"{target} is not a target")
    if close is not None and (isnan(close) or close < 0):
        raise ValueError(f"{close} is not a margin around the target")
    if min_rounds < MIN_ROUNDS:
        allowed = f"only from {MIN_ROUNDS}"
        raise ValueError(f"no look is allowed after {min_rounds} rounds, {allowed}")
