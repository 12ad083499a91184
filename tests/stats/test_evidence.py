"""The sequential verdict reproduces its reference numbers and keeps its promises."""

import math
import random
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reference_data import DS1, DS2, DS3, Round, generated_rounds
from vestbench.model.verdict import Decision, Reason, Verdict
from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds, session_bounds
from vestbench.stats.decision import Interval, SavingSummary, close_margin, summarise
from vestbench.stats.evidence import (
    CONFIDENCE_THRESHOLDS,
    crossing_curve,
    crossing_probability,
    evidence,
    projected_rounds,
    votes_needed,
)
from vestbench.stats.sequential import SequentialVerdict, State

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)


def run(rounds: list[Round], **options: Any) -> SequentialVerdict:
    """Feed rounds in alternating order, until it stops or they end."""
    verdict = SequentialVerdict(**options)
    for place, row in enumerate(rounds):
        verdict.add(*row, control_first=place % 2 == 0)
    return verdict


def exact(control: float, candidate: float) -> Round:
    return Round(control, True, candidate, True)


CLEAN = exact(150, 80)  # saves 70
CANDIDATE_FAILED = Round(150, True, 5, False)
CONTROL_FAILED = Round(1000, False, 80, True)
BOTH_FAILED = Round(1000, False, 1000, False)


# Evidence and the votes it asks for


@pytest.mark.parametrize(
    ("votes", "rounds", "value"),
    [
        (5, 5, Fraction(21, 2)),
        (7, 7, Fraction(255, 8)),
        (8, 8, Fraction(511, 9)),
        (9, 10, Fraction(1018, 55)),
        (10, 11, Fraction(1361, 44)),
        (10, 12, Fraction(1350, 143)),
        (11, 12, Fraction(1363, 26)),
        (12, 12, Fraction(8191, 13)),
        (16, 20, Fraction(19901, 969)),
        (17, 20, Fraction(9979, 114)),
    ],
)
def test_evidence_is_exact(votes: int, rounds: int, value: Fraction) -> None:
    assert evidence(votes, rounds) == value


@pytest.mark.parametrize(
    ("votes", "rounds", "value"),
    [
        (10, 12, 9.440559),
        (11, 12, 52.423077),
        (16, 20, 20.537668),
        (17, 20, 87.535088),
        (36, 50, 47.037463),
        (65, 100, 22.892372),
        (66, 100, 43.197044),
    ],
)
def test_evidence_as_a_decimal(votes: int, rounds: int, value: float) -> None:
    assert float(evidence(votes, rounds)) == pytest.approx(value, abs=5e-7)


def test_evidence_without_rounds_is_even() -> None:
    assert evidence(0, 0) == 1


def test_evidence_is_the_mixture_it_claims_to_be() -> None:
    # The likelihood integrated over p in (1/2, 1) in steps, against the closed form.
    steps, votes, rounds = 20_000, 9, 12
    grid = [0.5 + 0.5 * (i + 0.5) / steps for i in range(steps)]
    mixture = sum(p**votes * (1 - p) ** (rounds - votes) for p in grid) / steps

    assert mixture * 2**rounds == pytest.approx(float(evidence(votes, rounds)))


def test_evidence_on_average_stays_what_it_is_for_a_fair_coin() -> None:
    for n in (1, 7, 30, 200):
        for s in range(0, n + 1, 5):
            next_round = (evidence(s, n + 1) + evidence(s + 1, n + 1)) / 2
            assert next_round == evidence(s, n)


@pytest.mark.parametrize(("votes", "rounds"), [(-1, 5), (6, 5), (0, -1)])
def test_evidence_refuses_impossible_votes(votes: int, rounds: int) -> None:
    with pytest.raises(ValueError, match="votes in"):
        evidence(votes, rounds)


VOTES_12_TO_60 = (
    "11 12 13 13 14 15 15 16 17 17 18 19 19 20 21 21 22 23 23 24 24 25 26 26 27 28 28 "
    "29 30 30 31 31 32 33 33 34 35 35 36 36 37 38 38 39 39 40 41 41 42"
)


def test_votes_needed_at_95_percent_from_12_to_60_rounds() -> None:
    table = [votes_needed(n) for n in range(12, 61)]

    assert table == [int(k) for k in VOTES_12_TO_60.split()]


@pytest.mark.parametrize(
    ("threshold", "listed"),
    [
        (
            24,
            {70: 48, 75: 51, 80: 54, 90: 60, 100: 66, 120: 77, 150: 94, 200: 123}
            | {250: 151, 300: 178, 400: 233, 500: 287, 750: 421, 1000: 554},
        ),
        (
            11,
            dict(zip(range(12, 21), (11, 11, 12, 13, 13, 14, 15, 15, 16), strict=True))
            | {50: 35, 100: 64, 200: 121, 1000: 550},
        ),
        (
            130,
            dict(zip(range(12, 21), (12, 13, 13, 14, 15, 16, 16, 17, 18), strict=True))
            | {50: 38, 100: 68, 200: 126, 1000: 561},
        ),
    ],
)
def test_votes_needed_where_listed(threshold: int, listed: dict[int, int]) -> None:
    assert {n: votes_needed(n, threshold) for n in listed} == listed


@pytest.mark.parametrize(("threshold", "first"), [(24, 7), (11, 6), (130, 10)])
def test_a_unanimous_vote_first_decides(threshold: int, first: int) -> None:
    assert votes_needed(first - 1, threshold) is None
    assert votes_needed(first, threshold) == first


@pytest.mark.parametrize("threshold", [2, 11, 24, 40, 130, 1000])
def test_votes_needed_are_the_fewest_that_reach_the_threshold(threshold: int) -> None:
    for n in (*range(130), 499, 1000):
        k = votes_needed(n, threshold)
        if k is None:
            assert evidence(n, n) < threshold
        else:
            assert evidence(k, n) >= threshold
            assert k == 0 or evidence(k - 1, n) < threshold


@pytest.mark.parametrize("threshold", CONFIDENCE_THRESHOLDS.values())
def test_one_more_round_needs_at_most_one_more_vote(threshold: int) -> None:
    table = [votes_needed(n, threshold) for n in range(12, 1001)]

    steps = {b - a for a, b in pairwise(table) if a is not None and b is not None}
    assert steps == {0, 1}


@pytest.mark.parametrize("rounds", [-1, 1001])
def test_votes_needed_refuses_rounds_without_a_calibrated_threshold(
    rounds: int,
) -> None:
    with pytest.raises(ValueError, match="0 to 1000"):
        votes_needed(rounds)


def test_votes_needed_refuses_a_threshold_that_needs_no_votes() -> None:
    with pytest.raises(ValueError, match="reached without a vote"):
        votes_needed(12, 1)


# How often and how soon a verdict is given


@pytest.mark.parametrize(
    ("threshold", "min_rounds", "percent"),
    [
        (24, 12, {100: 1.721, 200: 1.981, 1000: 2.360}),
        (11, 12, {100: 3.751, 200: 4.244, 1000: 4.960}),
        (130, 12, {100: 0.349, 200: 0.407, 1000: 0.493}),
        (24, 1, {1000: 3.03}),
    ],
)
def test_a_fair_coin_crosses_as_rarely_as_promised(
    threshold: int, min_rounds: int, percent: dict[int, float]
) -> None:
    curve = crossing_curve(threshold, min_rounds=min_rounds)

    for rounds, expected in percent.items():
        digits = 0.0005 if min_rounds == 12 else 0.005
        assert 100 * curve[rounds] == pytest.approx(expected, abs=digits)


def test_a_fair_coin_crosses_with_probability_2_3599_percent() -> None:
    assert round(100 * crossing_probability(24), 4) == 2.3599


@pytest.mark.parametrize("confidence", CONFIDENCE_THRESHOLDS)
def test_a_threshold_keeps_the_error(confidence: float) -> None:
    threshold = CONFIDENCE_THRESHOLDS[confidence]

    assert crossing_probability(threshold) <= (1 - confidence) / 2


@pytest.mark.parametrize("confidence", [0.90, 0.95])
def test_a_smaller_threshold_would_not_keep_the_error(confidence: float) -> None:
    threshold = CONFIDENCE_THRESHOLDS[confidence] - 1

    assert crossing_probability(threshold) > (1 - confidence) / 2


@pytest.mark.parametrize(
    ("p", "by_100", "by_200", "median_rounds"),
    [
        (0.55, 8.0, 13.3, None),
        (0.6, 28.45, 54.1, 183),
        (0.65, 63.9, 92.8, 74),
        (0.7, 91.3, 99.8, 41),
        (0.75, 99.3, 100.0, 27),
        (0.8, 100.0, 100.0, 18),
        (0.9, 100.0, 100.0, 12),
        (1.0, 100.0, 100.0, 12),
    ],
)
def test_how_soon_a_clear_majority_decides(
    p: float, by_100: float, by_200: float, median_rounds: int | None
) -> None:
    curve = crossing_curve(24, max_rounds=200, p=p)

    assert 100 * curve[100] == pytest.approx(by_100, abs=0.05)
    assert 100 * curve[200] == pytest.approx(by_200, abs=0.05)
    assert next((n for n, c in enumerate(curve) if c >= 0.5), None) == median_rounds
    assert crossing_probability(24, max_rounds=100, p=p) == curve[100]


def test_crossing_probability_agrees_with_counting_every_sequence() -> None:
    crossed = 0
    for walk in range(2**14):
        votes = [walk >> i & 1 for i in range(14)]
        looks = ((n, votes_needed(n)) for n in range(12, 15))
        crossed += any(k is not None and sum(votes[:n]) >= k for n, k in looks)

    assert crossing_probability(24, max_rounds=14) == pytest.approx(crossed / 2**14)


@pytest.mark.parametrize(
    ("votes", "rounds", "total"),
    [(8, 10, 24), (7, 10, 56), (13, 20, 105), (6, 10, 255), (11, 20, None)],
)
def test_projection_of_the_present_majority(
    votes: int, rounds: int, total: int | None
) -> None:
    assert projected_rounds(votes, rounds) == total


def test_projection_never_points_to_the_past() -> None:
    # Three quarters decide at 32 rounds, and 75 of 100 do at once.
    assert projected_rounds(9, 12) == 32
    assert projected_rounds(75, 100) == 100
    for rounds in range(1, 200):
        total = projected_rounds(rounds * 3 // 4, rounds)
        assert total is None or total >= max(12, rounds)


def test_projection_without_rounds_is_unknown() -> None:
    assert projected_rounds(0, 0) is None


# What one round says


def test_a_round_without_failure_says_one_number() -> None:
    assert saving_bounds(142, True, 81, True) == Bounds(lo=61, hi=61)


def test_a_failed_control_leaves_the_saving_open_above() -> None:
    assert saving_bounds(1000, False, 83, True) == Bounds(lo=917, hi=inf)
    assert percent_bounds(1000, False, 83, True) == Bounds(lo=91.7, hi=100)


def test_a_failed_candidate_leaves_the_saving_open_below() -> None:
    assert saving_bounds(140, True, 4, False) == Bounds(lo=-inf, hi=136)
    assert percent_bounds(140, True, 35, False) == Bounds(lo=-inf, hi=75)


def test_a_round_in_which_both_failed_says_nothing() -> None:
    assert saving_bounds(9, False, 7, False) == Bounds(lo=-inf, hi=inf)
    assert percent_bounds(9, False, 7, False) == Bounds(lo=-inf, hi=100)


def test_percent_of_whole_numbers_is_exact() -> None:
    for saved in range(1, 100):
        assert percent_bounds(100, True, 100 - saved, True).lo == saved


def test_percent_of_a_control_of_no_time_says_nothing() -> None:
    assert percent_bounds(0, True, 80, True) == Bounds(lo=-inf, hi=100)


@pytest.mark.parametrize("bad", [-1.0, inf, math.nan])
def test_a_duration_is_finite_and_not_negative(bad: float) -> None:
    for times in ((bad, True, 80.0, True), (80.0, True, bad, False)):
        with pytest.raises(ValueError, match="not a duration"):
            saving_bounds(*times)
        with pytest.raises(ValueError, match="not a duration"):
            percent_bounds(*times)
    with pytest.raises(ValueError, match="not a duration"):
        session_bounds(80, True, [(70, True), (bad, True)])


@pytest.mark.parametrize(
    ("lo", "hi"), [(2, 1), (math.nan, 1), (1, math.nan), (inf, inf), (-inf, -inf)]
)
def test_bounds_enclose_a_number(lo: float, hi: float) -> None:
    with pytest.raises(ValueError, match="no saving lies between"):
        Bounds(lo=lo, hi=hi)


@pytest.mark.parametrize(
    ("cold", "cold_ok", "subsequent", "lo", "hi"),
    [
        pytest.param(142, True, [(81, True)], 61, 61, id="one subsequent"),
        pytest.param(100, True, [(30, True), (40, True)], 65, 65, id="even"),
        pytest.param(
            100, True, [(30, True), (5, False), (40, True)], 60, 70, id="one failed"
        ),
        pytest.param(
            100, True, [(30, True), (35, False)], -inf, 67.5, id="half failed"
        ),
        pytest.param(100, True, [(5, False)], -inf, 95, id="all failed"),
        pytest.param(1000, False, [(30, True)], 970, inf, id="cold failed"),
        pytest.param(
            1000,
            False,
            [(30, True), (5, False), (40, True)],
            960,
            inf,
            id="cold and one failed",
        ),
        pytest.param(1000, False, [(5, False)], -inf, inf, id="everything failed"),
    ],
)
def test_the_saving_of_a_session(
    cold: float,
    cold_ok: bool,
    subsequent: list[tuple[float, bool]],
    lo: float,
    hi: float,
) -> None:
    assert session_bounds(cold, cold_ok, subsequent) == Bounds(lo=lo, hi=hi)


def test_a_session_without_subsequent_request_has_no_saving() -> None:
    assert session_bounds(100, True, []) is None


@pytest.mark.parametrize(
    ("target", "margin"), [(50, 2.5), (10, 1), (20, 1), (100, 5), (-100, 5)]
)
def test_close_is_five_percent_but_at_least_one(target: float, margin: float) -> None:
    assert close_margin(target) == margin


# Data sets with known answers


def summary_of(rounds: list[Round], target: float = 50) -> SavingSummary:
    return summarise([saving_bounds(*row) for row in rounds], target=target)


def percent_of(rounds: list[Round]) -> SavingSummary:
    return summarise([percent_bounds(*row) for row in rounds], target=30)


def ends(interval: Interval | None, digits: int = 4) -> tuple[float, float]:
    assert interval is not None
    return round(interval.low, digits), round(interval.high, digits)


def test_ds1_median_and_interval() -> None:
    summary, percent = summary_of(DS1), percent_of(DS1)

    assert (summary.rounds, summary.needed) == (14, 13)
    assert summary.median_lo == summary.median_hi == 59
    assert summary.interval == Interval(low=53, high=62, rank_low=2, rank_high=13)
    assert round(percent.median_lo, 4) == round(percent.median_hi, 4) == 41.8124
    assert ends(percent.interval) == (37.4194, 43.0556)


def test_ds2_median_and_interval() -> None:
    summary, percent = summary_of(DS2), percent_of(DS2)

    assert summary.needed == 13
    assert (summary.median_lo, summary.median_hi) == (59, 60)
    assert ends(summary.interval) == (-inf, inf)
    assert (round(percent.median_lo, 4), round(percent.median_hi, 4)) == (
        41.8779,
        42.0859,
    )
    assert ends(percent.interval) == (-inf, 100)


def test_ds3_median_and_interval() -> None:
    summary, percent = summary_of(DS3), percent_of(DS3)

    assert (summary.rounds, summary.needed) == (28, 22)
    assert summary.median_lo == summary.median_hi == 59
    assert ends(summary.interval) == (57, 62)
    assert (round(percent.median_lo, 4), round(percent.median_hi, 4)) == (
        41.8440,
        41.9118,
    )
    assert ends(percent.interval) == (38.6861, 43.0556)


@pytest.mark.parametrize(
    ("rounds", "target", "verdict", "n", "k", "low", "high"),
    [
        pytest.param(DS1, 50, "PASS", 12, 11, 53, 62, id="DS1-50"),
        pytest.param(DS1, 45, "PASS", 12, 11, 53, 62, id="DS1-45"),
        pytest.param(DS1, 65, "FAIL", 12, 11, 53, 62, id="DS1-65"),
        pytest.param(DS1, 55, "INCONCLUSIVE", 14, 13, 53, 62, id="DS1-55"),
        pytest.param(DS1, 58, "INCONCLUSIVE", 14, 13, 53, 62, id="DS1-58"),
        *(
            pytest.param(DS2, t, "INCONCLUSIVE", 14, 13, -inf, inf, id=f"DS2-{t}")
            for t in (45, 50, 55, 65)
        ),
        pytest.param(DS3, 45, "PASS", 15, 13, 53, 136, id="DS3-45"),
        pytest.param(DS3, 50, "PASS", 15, 13, 53, 136, id="DS3-50"),
        pytest.param(DS3, 55, "PASS", 24, 19, 56, 62, id="DS3-55"),
        pytest.param(DS3, 65, "FAIL", 24, 19, 56, 62, id="DS3-65"),
    ],
)
def test_where_the_data_sets_stop(
    rounds: list[Round],
    target: float,
    verdict: str,
    n: int,
    k: int,
    low: float,
    high: float,
) -> None:
    state = run(rounds, target=target).finish()

    assert state.verdict == verdict
    assert (state.rounds, state.summary.needed) == (n, k)
    assert ends(state.summary.interval) == (low, high)
    assert state.reason == ("noisy" if verdict == "INCONCLUSIVE" else "")


def test_ds1_stops_on_eleven_votes_of_twelve() -> None:
    state = run(DS1, target=50).state

    assert (state.summary.votes_pass, state.summary.votes_fail) == (11, 1)
    assert state.summary.evidence == Fraction(1363, 26)
    assert state.summary.decision is Decision.PASS
    assert state.saving.interval == state.summary.interval


LCG = [
    # seed, saving, first rounds, sums, verdict n k L U, median CI percent [CI] of 100
    (
        (1, 60, [(157, 85), (150, 87), (153, 87)], (33417, 19435)),
        ("PASS", 12, 11, 54, 72),
        (61.5, (59, 65), 42.7572, (40.5594, 43.75)),
    ),
    (
        (2, 55, [(135, 102), (141, 385), (139, 104)], (30820, 20891)),
        ("PASS", 71, 48, 50, 57),
        (54, (49, 57), 39.0858, (35.5072, 41.1765)),
    ),
    (
        (3, 45, [(131, 81), (128, 83), (142, 94)], (30639, 20943)),
        ("FAIL", 98, 64, 42, 48),
        (45, (42, 48), 34.9976, (33.0709, 36.9231)),
    ),
    (
        (4, 50, [(137, 93), (130, 81), (137, 84)], (30927, 20613)),
        ("INCONCLUSIVE", 200, 123, 48, 52),
        (50, (47, 52), 37.3214, (34.3511, 38.806)),
    ),
    (
        (5, 40, [(124, 86), (128, 381), (121, 100)], (30349, 21564)),
        ("FAIL", 46, 33, 38, 48),
        (41, (38, 47), 33.3333, (30.9524, 36.0)),
    ),
]
LCG_IDS = [f"seed {row[0][0]}" for row in LCG]


@pytest.mark.parametrize(("data", "stop", "hundred"), LCG, ids=LCG_IDS)
def test_generated_sets_are_the_reference_ones(
    data: tuple[int, int, list[Any], Any], stop: Any, hundred: Any
) -> None:
    seed, saving, first, sums = data
    rounds = generated_rounds(seed, saving, 200)

    assert [(r.control, r.candidate) for r in rounds[:3]] == first
    assert (sum(r.control for r in rounds), sum(r.candidate for r in rounds)) == sums


@pytest.mark.parametrize("close", [None, 2.5])
@pytest.mark.parametrize(("data", "stop", "hundred"), LCG, ids=LCG_IDS)
def test_where_the_generated_sets_stop(
    data: Any, stop: Any, hundred: Any, close: float | None
) -> None:
    rounds = generated_rounds(data[0], data[1], 200)

    state = run(rounds, target=50, close=close).state

    reason = ""
    if stop[0] == "INCONCLUSIVE":
        reason = "close" if close else "noisy"
        stop = ("INCONCLUSIVE", 110, 71, 48, 52) if close else stop
    summary = state.summary
    assert (state.verdict, state.rounds, summary.needed) == stop[:3]
    assert ends(summary.interval) == stop[3:]
    assert state.reason == reason


@pytest.mark.parametrize(("data", "stop", "hundred"), LCG, ids=LCG_IDS)
def test_first_hundred_generated_rounds(data: Any, stop: Any, hundred: Any) -> None:
    rounds = generated_rounds(data[0], data[1], 100)
    median, interval, percent_median, percent_interval = hundred

    summary, percent = summary_of(rounds), percent_of(rounds)

    assert summary.needed == 66
    assert summary.median_lo == summary.median_hi == median
    assert ends(summary.interval) == interval
    assert round(percent.median_lo, 4) == percent_median
    assert ends(percent.interval) == percent_interval


def test_a_tie_counts_as_reaching_the_target() -> None:
    rounds = generated_rounds(2, 55, 71)

    summary = summary_of(rounds, target=50)

    assert ends(summary.interval)[0] == 50
    assert summary.decision is Decision.PASS
    assert summary_of(rounds, target=50.001).decision is Decision.UNDECIDED


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


# The run: stops, gates, latch


def test_a_run_without_rounds_is_running_and_then_noisy() -> None:
    verdict = SequentialVerdict(target=50)
    running = verdict.state

    assert (running.verdict, running.reason) == (None, "")
    assert verdict.finish().reason is Reason.NOISY


def test_the_first_verdict_stays() -> None:
    verdict = run([CLEAN] * 12, target=50)
    stopped = verdict.state

    again = [verdict.add(100, True, 100, True, True) for _ in range(300)]

    assert stopped.verdict is Verdict.PASS
    assert set(again) == {Verdict.PASS}
    assert verdict.state is stopped
    assert verdict.finish() is stopped
    assert stopped.rounds == 12


def test_a_run_that_was_cut_short_stays_inconclusive() -> None:
    verdict = run([CLEAN] * 11, target=50)
    cut = verdict.finish()

    assert (cut.verdict, cut.reason) == ("INCONCLUSIVE", "noisy")
    assert verdict.add(*CLEAN, control_first=True) is Verdict.INCONCLUSIVE


def test_no_verdict_before_twelve_rounds() -> None:
    verdict = SequentialVerdict(target=50)

    states = [verdict.add(*CLEAN, control_first=True) for _ in range(12)]

    assert states == [None] * 11 + [Verdict.PASS]


def test_more_rounds_can_be_asked_for() -> None:
    assert run([CLEAN] * 40, target=50, min_rounds=30).state.rounds == 30


def test_the_cap_ends_the_run() -> None:
    rounds = [exact(150, 80), exact(110, 80)] * 50

    state = run(rounds, target=50, max_rounds=40).state

    assert (state.verdict, state.reason) == ("INCONCLUSIVE", "noisy")
    assert state.rounds == 40


def test_an_inconclusive_run_can_be_resumed_with_a_higher_cap() -> None:
    rounds = generated_rounds(2, 55, 200)

    short = run(rounds, target=50, max_rounds=60).state
    resumed = run(rounds, target=50, max_rounds=400).state

    assert short.verdict is Verdict.INCONCLUSIVE
    assert (resumed.verdict, resumed.rounds) == ("PASS", 71)


@pytest.mark.parametrize(("confidence", "rounds"), [(0.90, 12), (0.95, 12), (0.99, 14)])
def test_confidence_decides_how_many_rounds_one_dissent_costs(
    confidence: float, rounds: int
) -> None:
    data = [exact(80, 80), *[CLEAN] * 40]

    assert run(data, target=50, confidence=confidence).state.rounds == rounds


def test_a_saving_at_the_target_is_close() -> None:
    rounds = [exact(129, 80), exact(131, 80)] * 10

    state = run(rounds, target=50, close=close_margin(50)).state

    assert (state.verdict, state.reason) == ("INCONCLUSIVE", "close")
    assert state.rounds == 12
    assert state.summary.decision is Decision.CLOSE


def test_a_percent_target_votes_on_the_percentage() -> None:
    rounds = [exact(100, 70), exact(200, 140)] * 6  # 30 ms and 60 ms, always 30 %

    state = run(rounds, target=30, percent=True).state

    assert state.verdict is Verdict.PASS  # by a tie in every round
    assert state.summary.interval == state.percent.interval
    assert ends(state.percent.interval) == (30, 30)
    assert ends(state.saving.interval) == (30, 60)


def failing(count: int, of: int) -> list[Round]:
    """Return clean rounds with some failures of the candidate at the start."""
    return [CANDIDATE_FAILED] * count + [CLEAN] * (of - count)


def test_one_failure_of_the_candidate_is_forgiven() -> None:
    state = run(failing(1, 12), target=50).state

    assert state.verdict is Verdict.PASS
    assert (state.failures_candidate, state.failures_control) == (1, 0)


def test_pass_is_withheld_while_the_candidate_fails_too_often() -> None:
    # 2 failures: the votes suffice at 15 rounds (13 of 15); 5 % of 21 rounds allow 2.
    verdict = SequentialVerdict(target=50)
    states = [verdict.add(*row, control_first=True) for row in failing(2, 21)]

    assert states == [None] * 20 + [Verdict.PASS]


@pytest.mark.parametrize("rounds", [20, 40, 60, 140, 160])
def test_five_percent_is_rounded_up_in_integers(rounds: int) -> None:
    # Exactly 5 %, plus one; 0.05 * 140 is above 7 in floating point.
    over = rounds // 20 + 1
    verdict = SequentialVerdict(target=50, min_rounds=rounds)
    states = [
        verdict.add(*row, control_first=True) for row in failing(over, rounds + 1)
    ]

    assert states[-2:] == [None, Verdict.PASS]


def test_pass_is_not_withheld_when_the_control_fails_as_often() -> None:
    rounds = [*failing(2, 2), CONTROL_FAILED, CONTROL_FAILED, *[CLEAN] * 11]

    state = run(rounds, target=50).state

    assert (state.verdict, state.rounds) == ("PASS", 15)


def test_a_withheld_pass_ends_as_unreliable() -> None:
    state = run(failing(2, 18), target=50).finish()

    assert state.summary.decision is Decision.PASS
    assert (state.verdict, state.reason) == ("INCONCLUSIVE", "unreliable")


def test_a_candidate_that_fails_more_often_fails_for_reliability() -> None:
    # Savings far apart, so that the votes stay open; 12 lone failures of the candidate.
    rounds = [CANDIDATE_FAILED, *[CLEAN] * 4, *[exact(100, 90)] * 4] * 20

    state = run(rounds, target=50).state

    assert (state.verdict, state.reason) == ("FAIL", "reliability")
    assert (state.unequal, state.unequal_candidate) == (12, 12)
    assert state.rounds == 9 * 11 + 1


def test_equal_failures_do_not_fail_for_reliability() -> None:
    block = [CANDIDATE_FAILED, *[CLEAN] * 5, CONTROL_FAILED, *[exact(100, 90)] * 5]

    state = run(block * 16, target=50, max_rounds=190).state

    assert state.reason is Reason.NOISY
    assert (state.unequal, state.unequal_candidate) == (32, 16)


def test_rounds_in_which_both_failed_do_not_count_for_reliability() -> None:
    block = [BOTH_FAILED, *[CLEAN] * 5, *[exact(100, 90)] * 5]

    state = run(block * 12, target=50).finish()

    assert (state.unequal, state.failures_candidate) == (0, 12)
    assert state.reason is Reason.NOISY


@pytest.mark.parametrize("failed", [CANDIDATE_FAILED, CONTROL_FAILED])
def test_failures_in_over_a_fifth_of_the_rounds_end_the_run(failed: Round) -> None:
    # 5 of 20 are over a fifth; at 4 of 20 the run would go on.
    rounds = [failed, CLEAN, exact(100, 90), exact(100, 90)] * 10

    state = run(rounds, target=50).state

    assert (state.verdict, state.reason) == ("INCONCLUSIVE", "unreliable")
    assert state.rounds == 20


def test_a_fifth_of_failures_does_not_end_the_run() -> None:
    rounds = [CLEAN, CLEAN, exact(100, 90), exact(100, 90), BOTH_FAILED] * 8

    verdict = run(rounds, target=50)

    assert verdict.state.verdict is None


def test_a_single_failure_in_a_short_run_is_not_unreliable() -> None:
    assert run([BOTH_FAILED, CLEAN], target=50).finish().reason is Reason.NOISY
    assert run([BOTH_FAILED] * 2, target=50).finish().reason is Reason.UNRELIABLE


def test_a_candidate_that_resets_passes_only_while_few_resets_were_seen() -> None:
    # 30 % resets after 5 ms; otherwise it saves 70 ms.
    for seed in range(200):
        chance = random.Random(seed)
        fails = [chance.random() < 0.3 for _ in range(200)]
        rounds = [CANDIDATE_FAILED if failed else CLEAN for failed in fails]
        state = run(rounds, target=50).state
        if state.verdict is Verdict.PASS:
            allowed = max(1, math.ceil(state.rounds / 20))
            assert sum(fails[: state.rounds]) <= allowed
        else:
            assert state.reason in {Reason.UNRELIABLE, Reason.RELIABILITY}


# Pairs


def pair(first: Round, second: Round, *, control_first: bool = True) -> list[Any]:
    return [(*first, control_first), (*second, not control_first)]


def run_pairs(pairs: list[list[Any]], **options: Any) -> State:
    verdict = SequentialVerdict(vote="pair", **options)
    for row in [row for both in pairs for row in both]:
        verdict.add(*row)
    return verdict.state


def test_a_pair_votes_with_the_mean_of_its_rounds() -> None:
    # 8 ms on whichever request goes first: 68 and 52 around a true 60.
    pairs = [
        pair(exact(148, 80), exact(140, 88)),
        pair(exact(140, 88), exact(148, 80), control_first=False),
    ] * 6

    state = run_pairs(pairs, target=60)

    assert state.verdict is Verdict.PASS  # twelve ties at the mean
    assert (state.rounds, state.summary.rounds) == (24, 12)
    assert state.summary.evidence == Fraction(8191, 13)
    assert ends(state.saving.interval) == (60, 60)
    assert ends(state.percent.interval) == (41.5444, 41.5444)


def test_the_mean_decides_even_when_the_rounds_disagree() -> None:
    # 72 and 30 have the mean 51; by rounds this would be 12 against 12.
    pairs = [pair(exact(152, 80), exact(110, 80))] * 12

    assert run_pairs(pairs, target=50).verdict is Verdict.PASS
    assert run_pairs(pairs, target=52).verdict is Verdict.FAIL


def test_a_pair_needs_both_orders() -> None:
    verdict = SequentialVerdict(target=50, vote="pair")
    verdict.add(*CLEAN, control_first=True)

    with pytest.raises(ValueError, match="round 2 repeats the order"):
        verdict.add(*CLEAN, control_first=True)

    verdict.add(*CLEAN, control_first=False)  # the call that raised left no trace
    assert (verdict.state.rounds, verdict.state.summary.rounds) == (2, 1)


def test_half_a_pair_is_counted_but_does_not_vote() -> None:
    verdict = SequentialVerdict(target=50, vote="pair", max_rounds=25)
    low, high = exact(100, 80), exact(200, 80)
    for place in range(25):
        given = verdict.add(
            *(low if place // 2 % 2 else high), control_first=place % 2 == 0
        )

    assert given is Verdict.INCONCLUSIVE
    assert (verdict.state.rounds, verdict.state.summary.rounds) == (25, 12)


def test_pairs_start_voting_after_twelve_pairs_or_later() -> None:
    pairs = [pair(CLEAN, CLEAN)] * 30

    assert run_pairs(pairs, target=50).rounds == 24
    assert run_pairs(pairs, target=50, min_rounds=31).rounds == 32


def test_a_failure_opens_the_whole_pair() -> None:
    pairs = [pair(CLEAN, CANDIDATE_FAILED), *[pair(CLEAN, CLEAN)] * 11]

    state = run_pairs(pairs, target=50)

    # (70 + 145) / 2: had it succeeded at once, the failed request would save 145.
    assert state.verdict is Verdict.PASS
    assert state.summary.votes_pass == 11
    assert state.failures_candidate == 1


def test_reliability_of_pairs_is_judged_by_the_pair() -> None:
    even = pair(CANDIDATE_FAILED, CONTROL_FAILED)
    worse = pair(CANDIDATE_FAILED, CLEAN)
    fill = [pair(CLEAN, CLEAN), pair(exact(100, 90), exact(100, 90))] * 4

    state = run_pairs([even, worse, *fill] * 20, target=50, max_rounds=1000)

    assert (state.verdict, state.reason) == ("FAIL", "reliability")
    assert (state.unequal, state.unequal_candidate) == (12, 12)


# Types


def test_numbers_do_not_depend_on_numpy() -> None:
    plain = run(DS1, target=50, close=2.5).state
    typed = SequentialVerdict(target=np.float64(50), close=np.float64(2.5))
    for row in DS1:
        typed.add(
            np.float32(row.control),  # type: ignore[arg-type]
            np.bool_(row.control_ok),  # type: ignore[arg-type]
            np.int64(row.candidate),  # type: ignore[arg-type]
            np.bool_(row.candidate_ok),  # type: ignore[arg-type]
            np.bool_(True),  # type: ignore[arg-type]
        )

    assert typed.state == plain
    assert type(typed.state.saving.median_lo) is float
    assert type(typed.state.failures_control) is int
    bounds = [Bounds(lo=np.float64(60), hi=np.float64(60))] * 12
    assert type(summarise(bounds, target=50).median_lo) is float


def test_numpy_integers_do_not_overflow() -> None:
    assert evidence(np.int64(154), np.int64(200)) == evidence(154, 200)  # type: ignore[arg-type]
    assert votes_needed(np.int64(1000)) == 554  # type: ignore[arg-type]
    assert projected_rounds(np.int64(6), np.int64(10)) == 255  # type: ignore[arg-type]
