"""Medians, intervals and votes: what holds for any rounds, and at the edges."""

import math
import random
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reference_data import Round
from tests.support.verdicts import BOTH_FAILED, summary_of
from vestbench.model.verdict import Decision
from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds
from vestbench.stats.decision import Interval, summarise
from vestbench.stats.sequential import SequentialVerdict

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)


# Properties


@st.composite
def some_rounds(draw: st.DrawFn, max_size: int = 60) -> list[Round]:
    """Draw rounds on a coarse grid, so that ties with targets occur."""
    spread = draw(st.sampled_from([5, 20, 100]))
    share = draw(st.sampled_from([0, 0, 5, 30]))  # of failures, in percent
    times = st.integers(100 - spread, 100 + spread)
    fails = st.integers(0, 99).map(lambda u: u >= share)
    row = st.builds(Round, times, fails, times, fails)
    return draw(st.lists(row, max_size=max_size))


targets = st.integers(-30, 30).map(float)


@PROPERTY
@given(some_rounds(), targets, st.sampled_from([0.90, 0.95, 0.99]))
def test_the_interval_and_the_votes_say_the_same(
    rounds: list[Round], target: float, confidence: float
) -> None:
    bounds = [saving_bounds(*row) for row in rounds]
    summary = summarise(bounds, target=target, confidence=confidence)

    assert summary.votes_pass == sum(b.lo >= target for b in bounds)
    assert summary.votes_fail == sum(b.hi < target for b in bounds)
    if summary.interval is None or len(rounds) < 12:
        assert summary.decision is Decision.UNDECIDED
        return
    needed = summary.needed
    assert needed is not None
    assert summary.interval.rank_low + summary.interval.rank_high == len(rounds) + 1
    assert (summary.interval.low >= target) == (summary.votes_pass >= needed)
    assert (summary.interval.high < target) == (summary.votes_fail >= needed)
    assert (summary.decision is Decision.PASS) == (summary.interval.low >= target)
    assert (summary.decision is Decision.FAIL) == (summary.interval.high < target)


@PROPERTY
@given(some_rounds(), targets, st.floats(0.5, 10))
def test_close_means_that_the_interval_lies_within_the_margin(
    rounds: list[Round], target: float, close: float
) -> None:
    bounds = [saving_bounds(*row) for row in rounds]
    summary = summarise(bounds, target=target, close=close)

    if summary.decision in {Decision.CLOSE, Decision.UNDECIDED} and len(rounds) >= 12:
        assert summary.interval is not None
        within = (
            summary.interval.low > target - close
            and summary.interval.high < target + close
        )
        assert (summary.decision is Decision.CLOSE) == within


@PROPERTY
@given(some_rounds(), targets, st.integers(1, 5))
def test_rounds_in_which_both_failed_never_create_a_verdict(
    rounds: list[Round], target: float, more: int
) -> None:
    before = summary_of(rounds, target).decision
    after = summary_of([*rounds, *[BOTH_FAILED] * more], target).decision

    # Below twelve the floor would be crossed, which does create a verdict.
    if len(rounds) >= 12:
        assert after in {before, Decision.UNDECIDED}


@PROPERTY
@given(some_rounds(), targets)
def test_swapping_the_arms_swaps_pass_and_fail(
    rounds: list[Round], target: float
) -> None:
    target += 0.5  # away from ties
    swapped = [
        Round(r.candidate, r.candidate_ok, r.control, r.control_ok) for r in rounds
    ]
    one, other = summary_of(rounds, target), summary_of(swapped, -target)

    mirror = {Decision.PASS: Decision.FAIL, Decision.FAIL: Decision.PASS}
    assert other.decision is mirror.get(one.decision, one.decision)
    assert (other.votes_pass, other.votes_fail) == (one.votes_fail, one.votes_pass)
    assert other.evidence == one.evidence
    if one.interval and other.interval:
        mirrored = (-other.interval.high, -other.interval.low)
        assert (one.interval.low, one.interval.high) == mirrored


@PROPERTY
@given(some_rounds(), st.randoms(use_true_random=False))
def test_the_order_of_rounds_does_not_move_the_interval(
    rounds: list[Round], chance: random.Random
) -> None:
    shuffled = list(rounds)
    chance.shuffle(shuffled)

    assert summary_of(shuffled) == summary_of(rounds)


@PROPERTY
@given(
    some_rounds(max_size=50),
    targets,
    st.sampled_from([None, 3.0]),
    st.booleans(),
    st.sampled_from(["round", "pair"]),
)
def test_round_by_round_equals_starting_afresh_each_time(
    rounds: list[Round], target: float, close: float | None, percent: bool, vote: Any
) -> None:
    verdict = SequentialVerdict(target=target, close=close, percent=percent, vote=vote)
    savings: list[Bounds] = []
    percents: list[Bounds] = []
    for place, row in enumerate(rounds):
        given = verdict.add(*row, control_first=place % 2 == 0)
        savings.append(saving_bounds(*row))
        percents.append(percent_bounds(*row))
        scale = percents if percent else savings
        votes = scale if vote == "round" else means(scale)
        afresh = summarise(votes, target=target, close=close)
        assert verdict.state.summary == afresh
        assert verdict.state.verdict is given
        if given is not None:
            break
        # Still running: nothing was decided, unless failures withheld it.
        assert afresh.decision in {Decision.UNDECIDED, Decision.PASS}


def means(bounds: list[Bounds]) -> list[Bounds]:
    return [
        Bounds(lo=(a.lo + b.lo) / 2, hi=(a.hi + b.hi) / 2)
        for a, b in zip(bounds[::2], bounds[1::2], strict=False)
    ]


# Summaries at the edges


def test_no_rounds_say_nothing() -> None:
    summary = summarise([], target=50)

    assert (summary.median_lo, summary.median_hi) == (-inf, inf)
    assert summary.needed is None
    assert summary.interval is None
    assert summary.evidence == 1
    assert summary.decision is Decision.UNDECIDED


def test_an_interval_is_previewed_before_a_verdict_is_allowed() -> None:
    bounds = [Bounds(lo=60, hi=60)] * 8

    summary = summarise(bounds, target=50)

    assert summary.interval == Interval(low=60, high=60, rank_low=1, rank_high=8)
    assert summary.decision is Decision.UNDECIDED


def test_a_median_between_rounds_that_failed_is_infinite() -> None:
    half = [Bounds(lo=-inf, hi=60), Bounds(lo=60, hi=60)]

    assert summarise(half, target=50).median_lo == -inf
    assert summarise(half, target=50).median_hi == 60


@pytest.mark.parametrize(
    "arguments",
    [
        {"target": math.nan},
        {"target": inf},
        {"target": 50, "confidence": 0.8},
        {"target": 50, "close": -1.0},
        {"target": 50, "close": math.nan},
        {"target": 50, "min_rounds": 11},
    ],
)
def test_meaningless_arguments_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\d|nan|inf"):
        summarise([], **arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"\d|nan|inf"):
        SequentialVerdict(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_rounds": 1001},
        {"max_rounds": 11},
        {"min_rounds": 30, "max_rounds": 29},
        {"vote": "pair", "max_rounds": 23},
        {"vote": "triple"},
    ],
)
def test_a_run_that_could_never_decide_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rounds|vote"):
        SequentialVerdict(target=50, **arguments)
