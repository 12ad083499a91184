"""Shifts and baselines reproduce the reference numbers and known distributions."""

import math
from itertools import combinations
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reference_data import generated_rounds, savings
from vestbench.model.verdict import Change
from vestbench.stats.shift import (
    _mann_whitney_counts,
    compare_with_baseline,
    prediction_interval,
    shift,
    student_t_quantile,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)

values = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=12)


def then(count: int) -> list[float]:
    return savings(generated_rounds(1, 60, count))


def now(count: int) -> list[float]:
    return savings(generated_rounds(6, 48, count))


def test_the_baseline_savings_are_the_reference_ones() -> None:
    x = "72 63 66 59 80 61 63 54 53 61 61 67 41 57 66 64 -246 75 53 48"
    y = "61 50 45 32 33 37 41 51 50 48 -253 47 38 -251 51 345 53 40 46 -267"

    assert then(20) == [int(value) for value in x.split()]
    assert now(20) == [int(value) for value in y.split()]


@pytest.mark.parametrize(
    ("rounds", "estimate", "low", "high", "rank"),
    [(20, -16.0, -25, -10, 128), (60, -15.5, -20, -11, 1427)],
)
def test_the_shift_from_the_baseline(
    rounds: int, estimate: float, low: float, high: float, rank: int
) -> None:
    result = shift(then(rounds), now(rounds))

    assert (result.estimate, result.low, result.high) == (estimate, low, high)
    assert result.rank == rank


def test_mann_whitney_counts_agree_with_counting_every_order() -> None:
    n, m = 4, 5
    counts = [0] * (n * m + 1)
    for places in combinations(range(n + m), n):
        counts[sum(place - i for i, place in enumerate(places))] += 1

    assert _mann_whitney_counts(n, m) == counts[: n * m // 2 + 1]


@pytest.mark.parametrize(
    ("n", "critical"),
    # Two-sided 5 % critical values of U of the usual tables for two samples of n.
    [(4, 0), (5, 2), (6, 5), (7, 8), (8, 13), (9, 17), (10, 23), (15, 64), (20, 127)],
)
def test_the_rank_follows_the_tables_of_mann_and_whitney(n: int, critical: int) -> None:
    assert shift(range(n), range(n)).rank == critical + 1


def test_the_rank_beyond_the_exact_limit_is_the_normal_one() -> None:
    # floor(11000/2 - 1.959964 sqrt(11000 * 211 / 12))
    assert shift(range(100), range(110)).rank == 4638
    exact = shift(range(100), range(100)).rank
    assert abs(exact - (5000 - 1.959964 * math.sqrt(10_000 * 201 / 12))) < 3


def test_too_few_samples_leave_the_shift_open() -> None:
    result = shift([1, 2, 3], [4, 5, 6])

    assert (result.estimate, result.low, result.high) == (3, -inf, inf)
    assert result.rank == 0


def test_a_probability_that_is_just_allowed_closes_the_interval() -> None:
    # P(U = 0) is 1 in 20 for three against three, exactly what 90 % allows.
    result = shift([1, 2, 3], [4, 5, 6], 0.90)

    assert (result.low, result.high, result.rank) == (1, 5, 1)


@PROPERTY
@given(values, values)
def test_swapping_the_runs_turns_the_shift_round(
    x: list[float], y: list[float]
) -> None:
    one, other = shift(x, y), shift(y, x)

    assert (one.estimate, one.low, one.high) == (
        -other.estimate,
        -other.high,
        -other.low,
    )
    assert one.low <= one.estimate <= one.high


@PROPERTY
@given(values, values, st.integers(-100, 100))
def test_adding_a_constant_moves_the_shift_by_it(
    x: list[float], y: list[float], constant: int
) -> None:
    one, other = shift(x, y), shift(x, [value + constant for value in y])

    assert other.estimate == one.estimate + constant
    assert (other.low, other.high) == (one.low + constant, one.high + constant)


@pytest.mark.parametrize("bad", [[], [math.nan], [1.0, inf]])
def test_a_shift_needs_finite_values(bad: list[float]) -> None:
    for arguments in ((bad, [1.0]), ([1.0], bad)):
        with pytest.raises(ValueError, match="finite"):
            shift(*arguments)


@pytest.mark.parametrize("confidence", [0.0, 1.0, math.nan])
def test_a_shift_refuses_a_confidence_out_of_range(confidence: float) -> None:
    with pytest.raises(ValueError, match="strictly between"):
        shift([1.0], [2.0], confidence)


def test_more_confidence_is_a_wider_interval() -> None:
    wide, narrow = shift(then(20), now(20), 0.99), shift(then(20), now(20), 0.9)

    assert wide.low < narrow.low
    assert wide.high > narrow.high


# Stored baselines


def test_a_saving_that_fell_by_more_than_the_margin_has_regressed() -> None:
    verdict = compare_with_baseline(then(60), now(60))

    assert verdict.change is Change.REGRESSED
    assert verdict.margin == pytest.approx(6.1)  # 10 % of the median, 61
    assert verdict.shift == shift(then(60), now(60))


def test_a_saving_that_rose_by_more_than_the_margin_has_improved() -> None:
    assert compare_with_baseline(now(60), then(60)).change is Change.IMPROVED


def test_a_shift_within_the_margin_shows_no_change() -> None:
    verdict = compare_with_baseline(then(60), now(60), margin=12)

    assert verdict.change is Change.NO_CHANGE_SHOWN
    assert verdict.margin == 12


def test_an_interval_that_touches_the_margin_shows_no_change() -> None:
    x = [0.0] * 10
    y = [-5.0] * 10

    assert compare_with_baseline(x, y, margin=5).change is Change.NO_CHANGE_SHOWN
    assert compare_with_baseline(x, y, margin=4.9).change is Change.REGRESSED
    assert compare_with_baseline(y, x, margin=5).change is Change.NO_CHANGE_SHOWN
    assert compare_with_baseline(y, x, margin=4.9).change is Change.IMPROVED


def test_too_few_rounds_never_show_a_change() -> None:
    change = compare_with_baseline([100, 101, 102], [1, 2, 3], margin=0).change

    assert change is Change.NO_CHANGE_SHOWN


def test_the_margin_of_a_negative_baseline_is_positive() -> None:
    assert compare_with_baseline([-10.0] * 6, [-10.0] * 6).margin == 1


@pytest.mark.parametrize("margin", [-1.0, inf, math.nan])
def test_a_margin_is_finite_and_not_negative(margin: float) -> None:
    with pytest.raises(ValueError, match="not a margin"):
        compare_with_baseline([1.0], [2.0], margin=margin)


# Student's t


@pytest.mark.parametrize(
    ("probability", "degrees", "value"),
    # Upper percentage points as printed in any table of the distribution.
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 3, 3.182),
        (0.975, 4, 2.776),
        (0.975, 5, 2.571),
        (0.975, 6, 2.447),
        (0.975, 9, 2.262),
        (0.975, 10, 2.228),
        (0.975, 19, 2.093),
        (0.975, 30, 2.042),
        (0.975, 120, 1.980),
        (0.995, 5, 4.032),
        (0.995, 10, 3.169),
        (0.95, 5, 2.015),
        (0.95, 10, 1.812),
        (0.9995, 7, 5.408),
    ],
)
def test_t_quantiles_are_those_of_the_tables(
    probability: float, degrees: int, value: float
) -> None:
    assert student_t_quantile(probability, degrees) == pytest.approx(value, abs=5e-4)


def test_t_quantiles_in_closed_form() -> None:
    for p in (0.6, 0.9, 0.975, 0.999):
        cauchy = math.tan(math.pi * (p - 0.5))
        two = (2 * p - 1) / math.sqrt(2 * p * (1 - p))
        assert student_t_quantile(p, 1) == pytest.approx(cauchy, rel=1e-12)
        assert student_t_quantile(p, 2) == pytest.approx(two, rel=1e-12)


def test_the_t_distribution_is_symmetric() -> None:
    assert student_t_quantile(0.5, 5) == pytest.approx(0, abs=1e-15)
    assert student_t_quantile(0.25, 5) == -student_t_quantile(0.75, 5)


def test_the_t_distribution_tends_to_the_normal_one() -> None:
    assert student_t_quantile(0.975, 5000) == pytest.approx(1.960, abs=1e-3)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 5), (1.0, 5), (0.5, 0)])
def test_t_quantiles_refuse_what_has_none(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        student_t_quantile(probability, degrees)


def test_a_prediction_interval_by_hand() -> None:
    # Mean 60, variance (9 + 4 + 1 + 1 + 4 + 9) / 5 = 5.6, t(5) = 2.5706.
    result = prediction_interval([57, 58, 59, 61, 62, 63])

    reach = 2.5705818 * math.sqrt(5.6) * math.sqrt(7 / 6)
    assert (result.mean, result.runs) == (60, 6)
    assert result.deviation == pytest.approx(math.sqrt(5.6))
    assert result.low == pytest.approx(60 - reach)
    assert result.high == pytest.approx(60 + reach)


def test_five_runs_predict_nothing() -> None:
    with pytest.raises(ValueError, match="5 runs are too few"):
        prediction_interval([60, 61, 62, 63, 64])


def test_a_prediction_covers_the_next_run_as_often_as_it_says() -> None:
    chance = np.random.default_rng(3)
    covered = 0
    for _ in range(2000):
        *runs, another = chance.normal(60, 4, 9).tolist()
        interval = prediction_interval(runs)
        covered += interval.low <= another <= interval.high

    assert covered / 2000 == pytest.approx(0.95, abs=0.015)  # three standard errors


def test_numbers_do_not_depend_on_numpy() -> None:
    x, y = np.array(then(20)), np.array(now(20), dtype=np.int64)

    assert shift(x, y) == shift(then(20), now(20))  # type: ignore[arg-type]
    assert type(shift(x, y).low) is float  # type: ignore[arg-type]
    assert type(compare_with_baseline(x, y).margin) is float  # type: ignore[arg-type]
    assert type(prediction_interval(x).low) is float  # type: ignore[arg-type]
