"""Intervals of shares agree with their definition, and hold what they promise."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from vestbench.stats.quantiles import share_interval


def at_most(count: int, total: int, share: Fraction) -> Fraction:
    """Return the binomial probability, exactly."""
    return sum(
        (
            comb(total, k) * share**k * (1 - share) ** (total - k)
            for k in range(count + 1)
        ),
        Fraction(0),
    )


def test_without_a_single_one_the_upper_end_is_a_root() -> None:
    low, high = share_interval(0, 80)

    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 80))


def test_all_of_them_is_the_mirror_of_none() -> None:
    assert share_interval(80, 80) == pytest.approx((0.025 ** (1 / 80), 1.0))


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion", Stat.
        # Med. 17 (1998), table I, method 5.
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_published_intervals_are_reproduced(
    count: int, total: int, low: float, high: float
) -> None:
    assert share_interval(count, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("confidence", [0.90, 0.95, 0.99])
@pytest.mark.parametrize(("count", "total"), [(1, 5), (3, 12), (12, 40), (39, 40)])
def test_the_ends_leave_half_of_the_rest_on_either_side(
    count: int, total: int, confidence: float
) -> None:
    low, high = (Fraction(end) for end in share_interval(count, total, confidence))
    tail = (1 - confidence) / 2

    assert float(at_most(count, total, high)) == pytest.approx(tail, rel=1e-9)
    assert float(1 - at_most(count - 1, total, low)) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.97])
def test_it_covers_the_true_share_at_least_as_often_as_it_says(share: float) -> None:
    total, exact = 40, Fraction(repr(share))
    covered = Fraction(0)
    for count in range(total + 1):
        low, high = share_interval(count, total)
        if low <= share <= high:
            ways = comb(total, count)
            covered += ways * exact**count * (1 - exact) ** (total - count)

    assert covered >= Fraction(95, 100)


@pytest.mark.parametrize(("count", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="no interval"):
        share_interval(count, total)
