"""What a comparison says of failures, and of arms that are not what they are called."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from math import inf

import pytest

from tests.support.compared import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    ends,
    in_rounds,
    judged,
    judgement_of,
    of,
    steady,
    whole,
)
from tests.support.records import compare_run, failure
from tests.support.reference_data import Round as Row
from vestbench.model.request import FailureKind, Outcome, Sample
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.compare.rounds import GIVE_UP_AFTER, rounds_of

# --- failures ------------------------------------------------------------------------


def test_failures_are_counted_by_arm_and_kind() -> None:
    rows = steady(20)
    outcomes = in_rounds(rows)
    for number, (label, kind) in {
        3: ("pooled", FailureKind.RESET),
        5: ("pooled", FailureKind.RESET),
        7: ("pooled", FailureKind.TIMEOUT),
        9: ("unpooled", FailureKind.CONNECT),
    }.items():
        place = next(
            i
            for i, o in enumerate(outcomes)
            if o.slot.session == number and o.slot.arm == label
        )
        old = outcomes[place].slot
        outcomes[place] = failure(number, old.index, arm=label, kind=kind, elapsed=5.0)

    summary = whole(outcomes, min_rounds=20)

    failures = {arm.label: arm.failures for arm in summary.arms}
    assert failures == {
        "pooled": (("reset", 2), ("timeout", 1)),
        "unpooled": (("connect", 1),),
    }
    assert {arm.label: arm.answered for arm in summary.arms} == {
        "pooled": 17,
        "unpooled": 19,
    }
    assert {arm.requests for arm in summary.arms} == {20}
    # After 5 ms, nothing is known of what either would have taken.
    assert summary.pairs[0].undetermined == 4


def test_a_round_in_which_both_fail_has_no_vote() -> None:
    rows = steady(13)
    rows[4] = Row(1000, False, 1000, False)

    pair = of(rows)

    assert (pair.acceptance, pair.rounds, pair.undetermined) == (PASS, 12, 1)


def test_a_control_that_times_out_votes_for_the_saving_it_has_lost() -> None:
    rows = [Row(10_000, False, 40 + n / 10, True) for n in range(20)]

    summary = whole(in_rounds(rows))

    (pair,) = summary.pairs
    assert pair.acceptance is PASS  # by at least ten seconds, for certain
    assert pair.rounds == 12
    assert ends(pair)[1] == inf
    assert pair.breakdown is None  # nothing is known of what the control is made of


def test_a_control_that_fails_at_once_proves_nothing() -> None:
    rows = [Row(0.3, False, 40 + n / 10, True) for n in range(40)]

    (pair,) = whole(in_rounds(rows)).pairs

    assert (pair.acceptance, pair.why) == (INCONCLUSIVE, Reason.UNRELIABLE)
    assert pair.rounds == 20


def test_a_candidate_that_fails_more_often_fails() -> None:
    rows = [
        Row(130, True, 5, False) if n % 3 else Row(130, True, 50, True)
        for n in range(40)
    ]

    pair = of(rows)

    assert (pair.acceptance, pair.why) == (FAIL, Reason.RELIABILITY)
    assert pair.rounds == 18  # the twelfth failure of the candidate alone


def resets(seed: int, share: float = 0.3, count: int = 200) -> list[Row]:
    """Return a candidate that saves 80 ms, unless it is reset after 5."""
    rng = random.Random(seed)
    return [
        Row(130 + rng.random(), True, 5, False)
        if rng.random() < share
        else Row(130 + rng.random(), True, 50 + rng.random(), True)
        for _ in range(count)
    ]


def test_a_candidate_that_is_reset_in_30_percent_never_passes() -> None:
    # From 60 rounds on: that so few of 60 are reset has a probability of 1e-6.
    for seed in range(60):
        judgement, _ = judged(resets(seed), {"min_rounds": 60})

        assert judgement.verdicts["pooled"].state.verdict is not Verdict.PASS


def test_no_candidate_passes_with_more_failures_than_one_in_twenty() -> None:
    # After 12 rounds, one in twelve such candidates has failed at most once; what has
    # not been seen cannot be held against it.
    passed = 0
    for seed in range(300):
        judgement, taken = judged(resets(seed), {})
        if judgement.verdicts["pooled"].state.verdict is Verdict.PASS:
            passed += 1
            failed = sum(not row.candidate_ok for row in taken)
            assert failed <= max(1, -(-len(taken) // 20))

    assert passed / 300 < 0.085 + 4 * (0.085 * 0.915 / 300) ** 0.5


# --- arms that are not what they are called ------------------------------------------


def with_contradictions(label: str, numbers: Iterable[int], rows: int) -> list[Outcome]:
    """Let an arm do the opposite of its name in some rounds."""
    wrong = set(numbers)
    return [
        replace(o, reused=not o.reused)
        if isinstance(o, Sample) and o.slot.arm == label and o.slot.session in wrong
        else o
        for o in in_rounds(steady(rows))
    ]


@pytest.mark.parametrize("label", ["pooled", "unpooled"])
def test_an_arm_that_is_not_what_it_is_called_makes_the_run_invalid(
    label: str,
) -> None:
    summary = whole(with_contradictions(label, range(12), 12))

    (pair,) = summary.pairs
    assert summary.acceptance is INVALID
    assert (pair.acceptance, pair.why) == (INVALID, Reason.NOT_REUSED)
    assert {arm.label: arm.valid for arm in summary.arms} == {
        "pooled": label != "pooled",
        "unpooled": label != "unpooled",
    }


@pytest.mark.parametrize(
    ("contradictions", "rows", "valid"),
    [
        (0, 12, True),
        (1, 12, True),
        (2, 12, False),
        (1, 1, True),
        (2, 40, True),
        (3, 40, False),
        (5, 100, True),
        (6, 100, False),
    ],
)
def test_one_contradiction_in_twenty_is_tolerated(
    contradictions: int, rows: int, valid: bool
) -> None:
    outcomes = with_contradictions("pooled", range(contradictions), rows)

    summary = whole(outcomes, min_rounds=max(12, rows))

    assert (summary.acceptance is not INVALID) is valid


def test_requests_that_failed_contradict_nothing() -> None:
    rows = [Row(130, True, 10_000, False) for _ in range(20)]

    summary = whole(in_rounds(rows))

    assert all(arm.valid for arm in summary.arms)
    assert summary.acceptance is not INVALID


@pytest.mark.parametrize("label", ["pooled", "unpooled"])
def test_a_run_of_wrong_arms_is_given_up_after_twelve_rounds(label: str) -> None:
    run = compare_run(
        with_contradictions(label, range(100), 100), plan={"min_rounds": 50}
    )
    judgement = judgement_of(run)

    ended = next(
        number
        for number, found in enumerate(rounds_of(run), start=1)
        if judgement.add(found)
    )

    assert ended == GIVE_UP_AFTER == 12


def test_a_single_contradiction_does_not_end_a_run() -> None:
    run = compare_run(with_contradictions("pooled", [3], 30), plan={"min_rounds": 30})
    judgement = judgement_of(run)

    ended = [judgement.add(found) for found in rounds_of(run)]

    assert ended == [False] * 29 + [True]


def test_the_arms_say_what_was_opened_and_reused() -> None:
    summary = whole(with_contradictions("pooled", [3], 12))

    found = {arm.label: (arm.connections, arm.reused) for arm in summary.arms}
    assert found == {"pooled": (1, 11), "unpooled": (12, 0)}
