"""The sequential verdict on data sets with known answers."""

from fractions import Fraction
from math import inf
from typing import Any

import pytest

from tests.support.reference_data import DS1, DS2, DS3, Round, generated_rounds
from tests.support.verdicts import ends, run, summary_of
from vestbench.model.verdict import Decision
from vestbench.stats.bounds import percent_bounds
from vestbench.stats.decision import Interval, SavingSummary, summarise


def percent_of(rounds: list[Round]) -> SavingSummary:
    return summarise([percent_bounds(*row) for row in rounds], target=30)


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
