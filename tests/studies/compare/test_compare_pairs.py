"""What a comparison of three arms says, and one of pairs of rounds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.support.compared import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    ends,
    in_rounds,
    judgement_of,
    request,
    steady,
    whole,
)
from tests.support.records import compare_run
from tests.support.reference_data import Round as Row
from tests.support.reference_data import generated_rounds
from vestbench.model.request import Outcome, Sample
from vestbench.model.verdict import Verdict
from vestbench.studies.compare.rounds import rounds_of
from vestbench.studies.compare.summary import (
    CompareSummary,
    PairSummary,
    summarise_compare,
)

THREE = {"unpooled": "unpooled", "pooled": "pooled", "warmed": "warmed"}


# --- three arms ----------------------------------------------------------------------


def three(pooled: float, warmed: float, count: int = 40) -> list[Outcome]:
    """Return rounds of three arms in random orders; the control takes 100 ms."""
    rng = random.Random(11)
    outcomes = []
    takes = {"unpooled": 100.0, "pooled": pooled, "warmed": warmed}
    for number in range(count):
        order = rng.sample(list(takes), 3)
        for place, label in enumerate(order):
            ms = takes[label] + rng.random()
            outcomes.append(request(number, place, label, ms))
    return outcomes


def of_three(pooled: float, warmed: float, **plan: Any) -> CompareSummary:
    return summarise_compare(compare_run(three(pooled, warmed), arms=THREE, plan=plan))


@pytest.mark.parametrize(
    ("pooled", "warmed", "question", "expected"),
    [
        (30, 30, "all", PASS),
        (30, 90, "all", FAIL),
        (90, 90, "all", FAIL),
        (30, 50, "all", INCONCLUSIVE),  # 50 ms is the target
        (90, 50, "all", FAIL),
        (30, 30, "any", PASS),
        (30, 90, "any", PASS),
        (90, 90, "any", FAIL),
        (30, 50, "any", PASS),
        (90, 50, "any", INCONCLUSIVE),
    ],
)
def test_the_question_is_answered_from_all_pairs(
    pooled: float, warmed: float, question: str, expected: Verdict
) -> None:
    summary = of_three(pooled, warmed, question=question)

    assert [pair.candidate for pair in summary.pairs] == ["pooled", "warmed"]
    assert summary.acceptance is expected


def test_each_candidate_has_a_verdict_of_its_own() -> None:
    first, second = of_three(30, 90).pairs

    assert (first.acceptance, second.acceptance) == (PASS, FAIL)
    assert first.saving.median_lo == pytest.approx(70, abs=0.5)
    assert second.saving.median_lo == pytest.approx(10, abs=0.5)


def test_any_of_several_candidates_has_to_be_surer() -> None:
    surer, alone = of_three(30, 30, question="any"), of_three(30, 30)
    single = whole(in_rounds(steady(12)), question="any").pairs[0]

    assert {pair.confidence for pair in surer.pairs} == {0.99}
    assert {pair.confidence for pair in alone.pairs} == {0.95}
    assert single.confidence == 0.95
    assert [pair.summary.needed for pair in surer.pairs] == [12, 12]  # 11 at 95 %
    assert [pair.summary.needed for pair in alone.pairs] == [11, 11]


def test_every_figure_of_a_pair_has_the_confidence_of_its_verdict() -> None:
    # Eleven of twelve: enough at 95 %, not at 99 %.
    outcomes = three(30, 90, 12)
    slow = next(
        i
        for i, o in enumerate(outcomes)
        if o.slot.session == 5 and o.slot.arm == "pooled"
    )
    outcomes[slow] = request(5, outcomes[slow].slot.index, "pooled", 400.0)
    run = compare_run(outcomes, arms=THREE, plan={"question": "any"})

    (pair, _) = summarise_compare(run).pairs

    assert pair.acceptance is INCONCLUSIVE
    assert pair.saving.interval is not None
    assert pair.round_trips is not None
    assert pair.round_trips.interval is not None
    assert pair.saving.interval.rank_low == pair.round_trips.interval.rank_low == 1
    assert pair.projection is not None
    assert pair.projection > 12  # at 95 % it would have been decided


def test_a_run_for_any_candidate_ends_with_the_first_that_passes() -> None:
    plan = {"question": "any", "close": 0.0}
    run = compare_run(three(30, 50), arms=THREE, plan=plan)
    judgement = judgement_of(run)

    rounds = next(
        n for n, found in enumerate(rounds_of(run), start=1) if judgement.add(found)
    )

    assert rounds == 12
    assert judgement.verdicts["warmed"].state.verdict is None


def test_a_run_for_all_candidates_goes_on_until_each_is_decided() -> None:
    run = compare_run(three(30, 49.0), arms=THREE, plan={"close": 0.0})
    judgement = judgement_of(run)

    rounds = next(
        n for n, found in enumerate(rounds_of(run), start=1) if judgement.add(found)
    )

    assert judgement.verdicts["pooled"].state.rounds == 12
    assert judgement.verdicts["warmed"].state.rounds == rounds
    assert rounds > 12 or judgement.verdicts["warmed"].state.rounds == 12


def test_an_invalid_control_makes_every_pair_invalid() -> None:
    outcomes = [
        replace(o, reused=True) if isinstance(o, Sample) else o for o in three(30, 30)
    ]

    summary = summarise_compare(
        compare_run(outcomes, arms=THREE, plan={"question": "any"})
    )

    assert [pair.acceptance for pair in summary.pairs] == [INVALID, INVALID]
    assert summary.acceptance is INVALID


def test_one_invalid_candidate_spoils_the_answer_but_not_the_other_pair() -> None:
    outcomes = [
        replace(o, reused=False)
        if isinstance(o, Sample) and o.slot.arm == "warmed"
        else o
        for o in three(30, 30)
    ]

    summary = summarise_compare(
        compare_run(outcomes, arms=THREE, plan={"question": "any"})
    )

    assert [pair.acceptance for pair in summary.pairs] == [PASS, INVALID]
    assert summary.acceptance is INVALID


# --- pairs of rounds -----------------------------------------------------------------


def in_pairs(rows: Sequence[Row], penalty: float = 0.0) -> list[Outcome]:
    """Return rounds in opposite orders two by two; going first costs `penalty` ms."""
    outcomes = []
    first = True
    for number, row in enumerate(rows):
        first = not first if number % 2 else random.Random(number).random() < 0.5
        slow = penalty if first else 0.0
        outcomes += [
            request(number, 0 if first else 1, "unpooled", row.control + slow),
            request(
                number, 1 if first else 0, "pooled", row.candidate + penalty - slow
            ),
        ]
    return outcomes


def by_pairs(rows: Sequence[Row], penalty: float = 0.0, **plan: Any) -> PairSummary:
    asked = {"vote": "pair", "min_rounds": 24, **plan}
    (pair,) = whole(in_pairs(rows, penalty), **asked).pairs
    return pair


def test_a_pair_of_rounds_has_one_vote() -> None:
    pair = by_pairs(steady(60))

    assert pair.acceptance is PASS
    assert (pair.rounds, pair.summary.rounds, pair.measured) == (24, 12, 48)


def test_pairs_cancel_what_going_first_costs() -> None:
    rows = steady(24, control=110.0, candidate=55.0)

    plain, cancelled = by_pairs(rows), by_pairs(rows, penalty=20.0)

    assert cancelled.acceptance is plain.acceptance is PASS
    assert ends(cancelled) == pytest.approx(ends(plain))
    # The same rounds vote by vote lie 20 ms on either side of 55.
    assert whole(in_pairs(rows, 20.0)).pairs[0].acceptance is INCONCLUSIVE


@pytest.mark.parametrize(("rounds", "votes"), [(24, 12), (25, 12), (26, 13), (1, 0)])
def test_half_a_pair_is_counted_but_does_not_vote(rounds: int, votes: int) -> None:
    rows = [Row(100, True, 40 if n // 2 % 2 else 60, True) for n in range(rounds)]

    pair = by_pairs(rows, close=0.0)

    assert (pair.rounds, pair.summary.rounds) == (rounds, votes)
    assert pair.acceptance is INCONCLUSIVE


def test_an_odd_run_of_pairs_is_resumed_with_the_other_half() -> None:
    rows = generated_rounds(2, 55, 120)

    odd = by_pairs(rows[:41], max_rounds=41)
    resumed = by_pairs(rows, max_rounds=241)
    whole_run = by_pairs(rows)

    assert (odd.acceptance, odd.rounds, odd.summary.rounds) == (INCONCLUSIVE, 41, 20)
    assert resumed == whole_run


def test_the_projection_of_pairs_is_in_rounds() -> None:
    rows = [Row(100, True, 40 if n % 8 < 6 else 60, True) for n in range(40)]

    pair = by_pairs(rows, min_rounds=40, max_rounds=40, close=0.0)

    assert pair.summary.rounds == 20
    assert (pair.summary.votes_pass, pair.acceptance) == (15, INCONCLUSIVE)
    assert pair.projection is not None
    assert pair.projection % 2 == 0
    assert pair.projection > 40
