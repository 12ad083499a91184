"""Evidence, the votes that it asks for, and how often and how soon they come."""

from fractions import Fraction
from itertools import pairwise

import pytest

from tests.support.crossing import crossing_curve, crossing_probability
from vestbench.stats.evidence import (
    CONFIDENCE_THRESHOLDS,
    evidence,
    projected_rounds,
    votes_needed,
)

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
    [
        (8, 10, 24),
        (7, 10, 56),
        (13, 20, 105),
        (6, 10, 255),
        (554, 1000, 1000),  # the last round for which a threshold holds
        (553, 1000, None),
        (11, 20, None),
    ],
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
