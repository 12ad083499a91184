"""Quantiles and their ranks reproduce the reference numbers and bear failures."""

import math
from fractions import Fraction
from math import comb, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reference_data import DS1
from vestbench.stats.quantiles import (
    EXACT_LIMIT,
    _approximate_ranks,
    _exact_ranks,
    estimate,
    histogram,
    quantile,
    quantile_ranks,
    samples_needed,
)

PROPERTY = settings(deadline=None, derandomize=True, max_examples=100)

latencies = st.floats(0, 1e6, allow_nan=False)
shares = st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9, 0.95, 0.99])

RANKS = {
    12: [(3, 10), (8, None), (10, None), (11, None)],
    20: [(6, 15), (15, None), (17, None), (19, None)],
    36: [(12, 25), (29, 36), (31, None), (34, None)],
    50: [(18, 33), (41, 50), (44, None), (48, None)],
    72: [(28, 45), (59, 70), (64, 72), (69, None)],
    100: [(40, 61), (84, 96), (90, 100), (97, None)],
    200: [(86, 115), (171, 189), (184, 197), (195, None)],
    368: [(165, 204), (320, 343), (341, 358), (360, 368)],
    1000: [(469, 532), (881, 919), (936, 964), (983, 997)],
}


@pytest.mark.parametrize("n", RANKS)
def test_ranks_that_enclose_p50_p90_p95_p99(n: int) -> None:
    assert [quantile_ranks(n, q) for q in (0.5, 0.9, 0.95, 0.99)] == RANKS[n]


@PROPERTY
@given(st.integers(0, 120), shares, st.sampled_from([0.9, 0.95, 0.99]))
def test_ranks_are_what_their_definition_says(
    n: int, q: float, confidence: float
) -> None:
    p, tail = Fraction(str(q)), (1 - Fraction(str(confidence))) / 2
    chances = [comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    below = [sum(chances[:rank], Fraction()) for rank in range(n + 2)]  # P(K <= r-1)

    lows = [rank for rank in range(1, n + 1) if below[rank] <= tail]
    highs = [rank for rank in range(1, n + 1) if below[rank] >= 1 - tail]
    expected = (max(lows, default=None), min(highs, default=None))
    assert quantile_ranks(n, q, confidence) == expected


@pytest.mark.parametrize("n", [50, 368, 1000, 2500])
@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99, 0.999])
def test_floating_point_ranks_agree_with_exact_ones(n: int, q: float) -> None:
    share, tail = Fraction(str(q)), Fraction(1, 40)

    assert _approximate_ranks(n, share, tail) == _exact_ranks(n, share, tail)


@pytest.mark.parametrize("q", [0.001, 0.5, 0.9, 0.99, 0.9999])
@pytest.mark.parametrize("n", [EXACT_LIMIT + 1, 10_000, 100_000])
def test_ranks_of_many_samples_lie_where_the_normal_distribution_puts_them(
    n: int, q: float
) -> None:
    low, high = quantile_ranks(n, q)

    reach = 1.96 * math.sqrt(n * q * (1 - q))
    for rank, expected in ((low, n * q - reach), (high, n * q + reach + 1)):
        # A closed end of a skewed binomial distribution is off by a few ranks.
        assert rank is None or abs(rank - expected) < 3
    assert (low is None) == ((1 - q) ** n > 0.025)
    assert (high is None) == (q**n > 0.025)


@pytest.mark.parametrize(("n", "q", "confidence"), [(-1, 0.5, 0.95), (9, 0.0, 0.95)])
def test_ranks_refuse_what_has_none(n: int, q: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="not"):
        quantile_ranks(n, q, confidence)


@pytest.mark.parametrize("bad", [0.0, 1.0, -0.5, 1.5, math.nan])
def test_ranks_refuse_shares_that_are_not_between_0_and_1(bad: float) -> None:
    with pytest.raises(ValueError, match="strictly between"):
        quantile_ranks(10, bad)
    with pytest.raises(ValueError, match="strictly between"):
        quantile_ranks(10, 0.5, bad)
    with pytest.raises(ValueError, match="strictly between"):
        samples_needed(bad)


@pytest.mark.parametrize(
    ("q", "needed"), [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.1, 36)]
)
def test_samples_needed_for_both_ends(q: float, needed: int) -> None:
    assert samples_needed(q) == needed


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
@pytest.mark.parametrize("q", [0.2, 0.5, 0.75, 0.9, 0.99])
def test_samples_needed_is_where_both_ends_appear(q: float, confidence: float) -> None:
    n = samples_needed(q, confidence)

    assert None not in quantile_ranks(n, q, confidence)
    assert None in quantile_ranks(n - 1, q, confidence)


@PROPERTY
@given(st.lists(latencies, min_size=1), st.floats(0, 1))
def test_quantile_is_the_default_of_numpy(values: list[float], q: float) -> None:
    expected = float(np.quantile(values, q))

    assert quantile(values, q) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@PROPERTY
@given(st.lists(latencies | st.just(inf), min_size=1), st.floats(0, 1))
def test_quantile_of_failures_is_never_nan(values: list[float], q: float) -> None:
    result = quantile(values, q)

    assert min(values) <= result <= max(values)


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        pytest.param([1, 2, 3, inf], 0.5, 2.5, id="failures beyond the rank"),
        pytest.param([1, inf, inf, inf], 0.5, inf, id="between two failures"),
        pytest.param([1, 2, inf, inf], 0.5, inf, id="half a failure"),
        pytest.param([1, 2, inf], 0.5, 2, id="exactly beside a failure"),
        pytest.param([inf], 0.9, inf, id="nothing but a failure"),
        pytest.param([1, 2, 3, inf], 1, inf, id="maximum"),
        pytest.param([5, 2, 9], 0, 2, id="minimum"),
    ],
)
def test_failures_are_infinitely_slow(
    values: list[float], q: float, expected: float
) -> None:
    assert quantile(values, q) == expected


def test_a_rank_that_is_whole_in_decimals_is_whole() -> None:
    # 100 * 0.29 is 28.999999999999996 and 100 * 0.57 is 56.99999999999999.
    for percent in range(101):
        ranked = [float(i) for i in range(percent + 1)] + [inf] * (100 - percent)
        assert quantile(ranked, percent / 100) == percent


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, -inf]])
def test_quantile_refuses_what_is_no_latency(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no values|not a latency"):
        quantile(values, 0.5)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_quantile_refuses_shares_out_of_range(q: float) -> None:
    with pytest.raises(ValueError, match="not between"):
        quantile([1.0], q)


def test_both_arms_of_ds1() -> None:
    control = estimate([r.control for r in DS1], 0.5)
    candidate = estimate([r.candidate for r in DS1], 0.5)

    assert quantile_ranks(14, 0.5) == (3, 12)
    assert (control.point, control.low, control.high) == (141.5, 138, 149)
    assert (candidate.point, candidate.low, candidate.high) == (82.5, 80, 88)
    assert control.missing == candidate.missing == 0


def test_a_high_quantile_of_few_samples_has_a_lower_end_only() -> None:
    result = estimate(range(1, 13), 0.9)

    assert (result.low, result.high) == (8, None)
    assert result.point == pytest.approx(10.9)
    assert result.missing == 24


@pytest.mark.parametrize(("q", "n"), [(0.9, 10), (0.95, 20), (0.99, 100), (0.1, 10)])
def test_a_quantile_beyond_the_samples_has_no_point(q: float, n: int) -> None:
    assert estimate(range(n - 1), q).point is None
    assert estimate(range(n), q).point is not None


def test_the_median_has_a_point_from_one_sample_on() -> None:
    assert estimate([7], 0.5).point == 7


def test_an_arm_without_samples_has_no_quantile() -> None:
    result = estimate([], 0.5)

    assert (result.n, result.point, result.low, result.high) == (0, None, None, None)
    assert result.missing == 6


def test_an_interval_may_end_in_a_failure() -> None:
    result = estimate([*range(1, 13), inf, inf, inf], 0.5)

    assert (result.low, result.point, result.high) == (4, 8, 12)
    assert estimate([*range(1, 10), inf, inf, inf], 0.5).high == inf


@PROPERTY
@given(st.lists(latencies, min_size=1), shares)
def test_the_interval_encloses_the_point(values: list[float], q: float) -> None:
    result = estimate(values, q)

    if result.point is not None:
        assert result.low is None or result.low <= result.point
        assert result.high is None or result.point <= result.high


def test_numbers_do_not_depend_on_numpy() -> None:
    values = np.array([142, 139, 151, 137, 140, 144, 149])
    result = estimate(values, np.float64(0.5))  # type: ignore[arg-type]

    assert result == estimate(values.tolist(), 0.5)
    assert [type(x) for x in (result.point, result.low, result.q)] == [float] * 3
    assert type(quantile(np.float32([1, 2]), 0.5)) is float  # type: ignore[arg-type]
    assert quantile_ranks(np.int32(100), 0.5) == (40, 61)  # type: ignore[arg-type]


def test_a_histogram_counts_both_ends_and_leaves_out_what_is_beyond() -> None:
    counts = histogram([0.0, 0.4, 1.0, 2.9, 3.0, 3.1, -0.1, inf], 0.0, 3.0, 3)

    assert counts == [2, 1, 2]
    assert all(type(count) is int for count in counts)


@PROPERTY
@given(
    st.lists(st.floats(-10, 1100) | st.integers(-1, 12).map(float), max_size=60),
    st.floats(-5, 5) | st.integers(0, 3).map(float),
    st.floats(0.01, 1e3) | st.integers(1, 9).map(float),
    st.integers(1, 40),
)
def test_a_histogram_is_that_of_numpy(
    values: list[float], low: float, width: float, bins: int
) -> None:
    high = low + width
    edges = np.linspace(low, high, bins + 1).tolist()
    expected, _ = np.histogram([*values, *edges], bins=bins, range=(low, high))

    assert histogram([*values, *edges, inf], low, high, bins) == expected.tolist()


@pytest.mark.parametrize(("low", "high", "bins"), [(1, 1, 3), (2, 1, 3), (0, 1, 0)])
def test_a_histogram_of_nothing_is_refused(low: float, high: float, bins: int) -> None:
    with pytest.raises(ValueError, match="no histogram"):
        histogram([1.0], low, high, bins)
