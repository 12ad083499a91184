"""What one round, and one session, say of the saving."""

import math
from math import inf

import pytest

from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds, session_bounds
from vestbench.stats.decision import close_margin


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
