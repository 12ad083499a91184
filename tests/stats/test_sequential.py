"""The sequential verdict: when it stops, what holds it back, and pairs of rounds."""

import math
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.support.reference_data import DS1, Round, generated_rounds
from tests.support.verdicts import BOTH_FAILED, ends, run
from vestbench.model.verdict import Decision, Reason, Verdict
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import close_margin, summarise
from vestbench.stats.evidence import (
    evidence,
    projected_rounds,
    votes_needed,
)
from vestbench.stats.sequential import SequentialVerdict, State


def exact(control: float, candidate: float) -> Round:
    return Round(control, True, candidate, True)


CLEAN = exact(150, 80)  # saves 70


CANDIDATE_FAILED = Round(150, True, 5, False)


CONTROL_FAILED = Round(1000, False, 80, True)


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


def test_a_fifth_of_failures_does_not_end_a_run_as_unreliable_either() -> None:
    rounds = [BOTH_FAILED, CLEAN, CLEAN, exact(100, 90), exact(100, 90)]

    assert run(rounds * 2, target=50).finish().reason is Reason.NOISY


def test_a_pass_that_is_withheld_in_the_first_round_that_may_decide_is_named() -> None:
    # 13 of 15 votes suffice, and 5 % of 15 rounds allow one failure.
    state = run(failing(2, 15), target=50, min_rounds=15).finish()

    assert (state.verdict, state.reason) == ("INCONCLUSIVE", "unreliable")


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
