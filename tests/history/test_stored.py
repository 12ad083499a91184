"""Two stored runs against each other: what is found, and what is concluded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.changes import change_of, compared, saving_run, shown, spread
from tests.support.reference_data import generated_rounds, savings
from vestbench.history.stored import FEWEST
from vestbench.model.verdict import Change
from vestbench.stats.shift import compare_with_baseline

PROPERTY = settings(deadline=None, derandomize=True)


# --- the reference data --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounds", "estimate", "low", "high", "rank"),
    [(20, -16.0, -25, -10, 128), (60, -15.5, -20, -11, 1427)],
)
def test_the_reference_shift_is_found(
    rounds: int, estimate: float, low: float, high: float, rank: int
) -> None:
    then = saving_run(savings(generated_rounds(1, 60, rounds)), rtt=1.0)
    now = saving_run(savings(generated_rounds(6, 48, rounds)), rtt=1.0)

    found = compared(then, now)

    assert found.verdict is not None
    shift = found.verdict.shift
    assert (shift.estimate, shift.low, shift.high) == pytest.approx(
        (estimate, low, high)
    )
    assert shift.rank == rank
    assert found.verdict.change is Change.REGRESSED


def test_the_shift_is_in_round_trips() -> None:
    saved = savings(generated_rounds(1, 60, 20)), savings(generated_rounds(6, 48, 20))

    found = compared(saving_run(saved[0], rtt=20.0), saving_run(saved[1], rtt=20.0))

    assert found.unit == "round trips"
    assert found.verdict is not None
    assert found.verdict.shift.estimate == pytest.approx(-16.0 / 20)
    assert found.then is not None
    assert found.then.median_saving == pytest.approx(61 / 20)
    assert found.then.median_saving_ms == 61
    assert found.then.rtt_ms == 20.0


@PROPERTY
@given(
    then=st.lists(st.integers(-50, 200), min_size=FEWEST, max_size=30),
    now=st.lists(st.integers(-50, 200), min_size=FEWEST, max_size=30),
)
def test_two_runs_are_compared_by_the_savings_of_their_rounds(
    then: list[int], now: list[int]
) -> None:
    found = compared(saving_run(then, rtt=1.0), saving_run(now, rtt=1.0))

    plain = compare_with_baseline([float(v) for v in then], [float(v) for v in now])
    assert found.verdict == plain


# --- the verdict ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (60.0, Change.NO_CHANGE_SHOWN),
        (56.0, Change.NO_CHANGE_SHOWN),  # 4 ms of 60 is within the margin
        (50.0, Change.REGRESSED),
        (64.0, Change.NO_CHANGE_SHOWN),
        (70.0, Change.IMPROVED),
        (0.0, Change.REGRESSED),
        (-60.0, Change.REGRESSED),
    ],
)
def test_a_change_has_to_clear_a_tenth_of_the_saving(
    now: float, change: Change
) -> None:
    found = compared(
        saving_run(spread(60.0), rtt=30.0), saving_run(spread(now), rtt=30.0)
    )

    assert change_of(found) is change
    assert found.verdict is not None
    assert found.verdict.margin == pytest.approx(0.1 * 60 / 30)


def test_the_margin_of_a_negative_saving_is_positive() -> None:
    found = compared(saving_run(spread(-60.0)), saving_run(spread(-60.0)))

    assert found.verdict is not None
    assert found.verdict.margin == pytest.approx(6.0)
    assert change_of(found) is Change.NO_CHANGE_SHOWN


def test_a_longer_route_alone_is_no_improvement() -> None:
    near, far = saving_run(spread(60.0), rtt=30.0), saving_run(spread(120.0), rtt=60.0)

    assert change_of(compared(near, far)) is Change.NO_CHANGE_SHOWN
    assert change_of(compared(far, near)) is Change.NO_CHANGE_SHOWN


def test_without_a_round_trip_savings_are_compared_in_ms() -> None:
    known = saving_run(spread(60.0), rtt=30.0)
    unknown = saving_run(spread(60.0), rtt=None)

    found = compared(known, unknown)

    assert found.unit == "ms"
    assert found.then is not None
    assert found.now is not None
    assert found.then.median_saving == found.then.median_saving_ms == 60.0
    assert (found.then.rtt_ms, found.now.rtt_ms) == (30.0, None)
    assert change_of(found) is Change.NO_CHANGE_SHOWN


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_too_few_savings_give_no_verdict(count: int) -> None:
    many, few = saving_run(spread(60.0)), saving_run(spread(60.0, count))

    for found in (compared(many, few), compared(few, many)):
        assert found.verdict is None
        assert "Too few savings to compare: at least 6 on either side." in shown(found)


def test_six_savings_are_enough() -> None:
    found = compared(saving_run(spread(60.0, 6)), saving_run(spread(30.0, 6)))

    assert change_of(found) is Change.REGRESSED


def test_a_higher_confidence_asks_for_more() -> None:
    then, now = saving_run(spread(60.0, 6)), saving_run(spread(53.5, 6))

    ends = []
    for confidence in (0.90, 0.95, 0.99):
        verdict = compared(then, now, confidence).verdict
        assert verdict is not None
        ends.append(verdict.shift.high)

    assert ends == sorted(ends)
    assert ends[0] < ends[-1]
