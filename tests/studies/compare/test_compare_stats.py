"""What a comparison says of the reference data, of rounds, and when it is replayed."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.compared import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    ends,
    in_rounds,
    judgement_of,
    of,
    request,
    whole,
)
from tests.support.records import compare_run
from tests.support.reference_data import DS1, DS2, DS3, generated_rounds
from tests.support.reference_data import Round as Row
from vestbench.model.request import Outcome, Sample
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.rounds import rounds_of
from vestbench.studies.compare.summary import summarise_compare

PROPERTY = settings(deadline=None, derandomize=True)


# --- the reference data --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "target", "expected"),
    [
        pytest.param(DS1, 50, (PASS, 12, 11, 53, 62), id="DS1-50"),
        pytest.param(DS1, 45, (PASS, 12, 11, 53, 62), id="DS1-45"),
        pytest.param(DS1, 65, (FAIL, 12, 11, 53, 62), id="DS1-65"),
        pytest.param(DS1, 55, (INCONCLUSIVE, 14, 13, 53, 62), id="DS1-55"),
        pytest.param(DS1, 58, (INCONCLUSIVE, 14, 13, 53, 62), id="DS1-58"),
        pytest.param(DS2, 45, (INCONCLUSIVE, 14, 13, -inf, inf), id="DS2-45"),
        pytest.param(DS2, 50, (INCONCLUSIVE, 14, 13, -inf, inf), id="DS2-50"),
        pytest.param(DS2, 55, (INCONCLUSIVE, 14, 13, -inf, inf), id="DS2-55"),
        pytest.param(DS2, 65, (INCONCLUSIVE, 14, 13, -inf, inf), id="DS2-65"),
        pytest.param(DS3, 45, (PASS, 15, 13, 53, 136), id="DS3-45"),
        pytest.param(DS3, 50, (PASS, 15, 13, 53, 136), id="DS3-50"),
        pytest.param(DS3, 55, (PASS, 24, 19, 56, 62), id="DS3-55"),
        pytest.param(DS3, 65, (FAIL, 24, 19, 56, 62), id="DS3-65"),
    ],
)
def test_reference_data_get_their_verdict(
    rows: list[Row], target: float, expected: tuple[object, ...]
) -> None:
    pair = of(rows, min_saving_ms=float(target), close=0.0)

    found = (pair.acceptance, pair.rounds, pair.summary.needed, *ends(pair))
    assert found == expected
    assert pair.measured == 2 * pair.rounds


def test_reference_data_get_their_evidence_and_percentages() -> None:
    passed, undecided = of(DS1), of(DS1, min_saving_ms=55.0)
    failures, both = of(DS2), of(DS3, min_saving_ms=59.0, close=0.0)

    assert passed.summary.evidence == Fraction(1363, 26)
    assert passed.summary.votes_pass == 11
    assert undecided.saving.median_lo == 59
    assert undecided.percent.median_lo == pytest.approx(41.8124, abs=1e-4)
    assert undecided.percent.interval is not None
    assert undecided.percent.interval.low == pytest.approx(37.4194, abs=1e-4)
    assert undecided.percent.interval.high == pytest.approx(43.0556, abs=1e-4)
    assert (failures.saving.median_lo, failures.saving.median_hi) == (59, 60)
    assert failures.percent.median_lo == pytest.approx(41.8779, abs=1e-4)
    assert failures.percent.median_hi == pytest.approx(42.0859, abs=1e-4)
    assert both.rounds == 28
    assert ends(both) == (57, 62)
    assert both.percent.median_lo == pytest.approx(41.8440, abs=1e-4)
    assert both.percent.median_hi == pytest.approx(41.9118, abs=1e-4)


def test_reference_arms_have_their_quantiles() -> None:
    summary = whole(in_rounds(DS1))

    typical = {arm.label: arm.group.metric("latency") for arm in summary.arms}
    control, candidate = typical["unpooled"], typical["pooled"]
    assert control is not None
    assert candidate is not None
    assert (control.p50.point, candidate.p50.point) == (141.5, 82.5)
    assert control.p90.high is None  # 14 requests are too few


@pytest.mark.parametrize(
    ("seed", "saving", "expected", "with_close"),
    [
        (1, 60, (PASS, 12, 11, 54, 72), None),
        (2, 55, (PASS, 71, 48, 50, 57), None),
        (3, 45, (FAIL, 98, 64, 42, 48), None),
        (4, 50, (INCONCLUSIVE, 200, 123, 48, 52), (INCONCLUSIVE, 110, 71, 48, 52)),
        (5, 40, (FAIL, 46, 33, 38, 48), None),
    ],
)
def test_generated_reference_data_get_their_verdict(
    seed: int,
    saving: int,
    expected: tuple[object, ...],
    with_close: tuple[object, ...] | None,
) -> None:
    rows = generated_rounds(seed, saving, 200)

    plain, close = of(rows, close=0.0), of(rows)

    for pair, values in ((plain, expected), (close, with_close or expected)):
        found = (pair.acceptance, pair.rounds, pair.summary.needed, *ends(pair))
        assert found == values
    assert plain.why is (Reason.NOISY if seed == 4 else Reason.NONE)
    assert close.why is (Reason.CLOSE if seed == 4 else Reason.NONE)


def test_rounds_after_the_stop_do_not_change_what_stopped_it() -> None:
    rows = generated_rounds(1, 60, 200)

    stopped, longer = of(rows[:12]), of(rows)

    assert stopped.acceptance is longer.acceptance is PASS
    assert longer.rounds == 12
    assert (longer.saving, longer.percent, longer.round_trips) == (
        stopped.saving,
        stopped.percent,
        stopped.round_trips,
    )
    assert longer.order == stopped.order
    assert longer.mismatch == stopped.mismatch


# --- rounds --------------------------------------------------------------------------


def test_a_round_that_was_not_finished_is_left_out() -> None:
    outcomes = in_rounds(DS1)

    cut = whole(outcomes[:-1])

    assert len(rounds_of(compare_run(outcomes))) == 14
    assert len(rounds_of(compare_run(outcomes[:-1]))) == 13
    assert {arm.requests for arm in cut.arms} == {13}
    assert whole(outcomes[:1]).pairs[0].rounds == 0


def test_rounds_are_in_their_order_however_they_are_stored() -> None:
    outcomes = in_rounds(DS3)
    run = compare_run(outcomes)
    shuffled = list(outcomes)
    random.Random(3).shuffle(shuffled)

    again = compare_run(shuffled)

    assert [found.number for found in rounds_of(again)] == list(range(28))
    assert summarise_compare(again) == summarise_compare(run)


def test_round_numbers_may_have_gaps_where_a_run_was_resumed() -> None:
    outcomes = in_rounds(DS1)
    later = [
        replace(o, slot=replace(o.slot, session=o.slot.session + (o.slot.session > 6)))
        for o in outcomes
    ]
    stray = request(7, 0, "unpooled", 5000.0)  # of the round that was interrupted

    found = whole([*later, stray])

    assert found.pairs[0].saving == whole(outcomes).pairs[0].saving


def test_without_a_round_nothing_is_said() -> None:
    summary = whole([])
    (pair,) = summary.pairs

    assert summary.acceptance is INCONCLUSIVE
    assert pair.rounds == pair.measured == 0
    assert pair.projection is None
    found = (
        pair.breakdown,
        pair.order,
        pair.agreement,
        pair.mismatch,
        pair.round_trips,
    )
    assert found == (None,) * 5
    assert summary.span_s == 0
    assert summary.rtt_ms is None


@st.composite
def comparisons(draw: st.DrawFn) -> CompareRun:
    """Return a run of two or three arms by any plan, with failures and surprises."""
    labels = draw(
        st.sampled_from([("pooled", "unpooled"), ("unpooled", "pooled", "warmed")])
    )
    vote = draw(st.sampled_from(["round", "pair"]))
    least = 24 if vote == "pair" else 12
    plan: dict[str, Any] = {
        "vote": vote,
        "question": draw(st.sampled_from(["all", "any"])),
        "min_rounds": draw(st.integers(least, 30)),
        "max_rounds": draw(st.integers(30, 60)),
        "confidence": draw(st.sampled_from([0.9, 0.95, 0.99])),
    }
    if draw(st.booleans()):
        plan |= {"min_saving_ms": None, "min_saving_percent": 40.0}
    rng = random.Random(draw(st.integers(0, 10**6)))
    saving = draw(st.sampled_from([0, 40, 48, 50, 52, 60]))
    jitter = draw(st.sampled_from([1, 10, 30]))
    failing = draw(st.sampled_from([0.0, 0.03, 0.3]))
    wrong = draw(st.sampled_from([0.0, 0.0, 0.05, 0.5]))
    outcomes = []
    order: list[str] = []
    for number in range(draw(st.integers(0, 62))):
        if vote == "pair" and number % 2:
            order.reverse()
        else:
            order = rng.sample(labels, len(labels))
        for place, label in enumerate(order):
            cold = label == "unpooled"
            ms = 50.0 + saving * cold + rng.uniform(0, jitter)
            surprise = rng.random() < wrong
            outcomes.append(
                request(number, place, label, ms, False)
                if rng.random() < failing
                else request(number, place, label, ms, reused=cold is surprise)
            )
    first_look = draw(st.sampled_from([1, 1, 20, 10**6]))
    return compare_run(
        outcomes,
        arms={label: label for label in labels},
        plan=plan,
        conclusion={"first_look": first_look},
    )


@settings(PROPERTY, max_examples=80)
@given(run=comparisons())
def test_a_run_is_judged_alike_as_it_goes_and_when_it_is_loaded(
    run: CompareRun,
) -> None:
    judgement = judgement_of(run)
    first_look = run.conclusion.first_look or 0
    rounds = rounds_of(run)
    seen: list[Outcome] = []
    over = False

    for found in [None, *rounds]:
        if found is not None:
            look = found.number + 1 >= first_look
            over = judgement.add(found, look=look)
            seen += found.outcomes.values()
        if not over and len(seen) % 5:  # every few rounds will do
            continue
        summary = summarise_compare(
            replace(
                run,
                samples=tuple(o for o in seen if isinstance(o, Sample)),
                failures=tuple(o for o in seen if not isinstance(o, Sample)),
            )
        )
        for pair in summary.pairs:
            state = judgement.verdicts[pair.candidate].state
            assert pair.rounds == state.rounds
            assert (pair.saving, pair.percent) == (state.saving, state.percent)
            assert pair.summary == state.summary
            assert pair.projection == judgement.projection(pair.candidate)
            if pair.acceptance in (PASS, FAIL):
                assert str(state.verdict) == str(pair.acceptance)
            elif pair.acceptance is INCONCLUSIVE:
                assert state.verdict in (None, Verdict.INCONCLUSIVE)
        if not over and summary.acceptance is not INVALID:
            assert summary.acceptance is not PASS
            assert len(summary.pairs) > 1 or summary.acceptance is INCONCLUSIVE
        if over:
            break

    # And nothing that comes later makes another verdict of it.
    if over and rounds:
        whole_run = summarise_compare(run)
        valid = all(arm.valid for arm in (*summary.arms, *whole_run.arms))
        if valid and run.plan.question == "all":
            assert whole_run.acceptance is summary.acceptance


def test_a_run_that_was_resumed_is_judged_over_all_its_rounds() -> None:
    rows = generated_rounds(2, 55, 200)
    first = of(rows[:40], max_rounds=40)

    resumed = of(rows, max_rounds=240)

    assert (first.acceptance, first.why) == (INCONCLUSIVE, Reason.NOISY)
    assert first.rounds == 40
    assert (resumed.acceptance, resumed.rounds) == (PASS, 71)


# --- the minimum duration ------------------------------------------------------------


@pytest.mark.parametrize(
    ("first_look", "rounds"), [(1, 12), (12, 12), (13, 13), (20, 20)]
)
def test_no_verdict_is_given_before_the_first_look(
    first_look: int, rounds: int
) -> None:
    outcomes = in_rounds(generated_rounds(1, 60, 30))

    found = summarise_compare(
        compare_run(outcomes, conclusion={"first_look": first_look})
    )

    assert found.acceptance is PASS
    assert found.pairs[0].rounds == rounds


def test_a_minimum_duration_that_did_not_pass_leaves_the_run_undecided() -> None:
    outcomes = in_rounds(generated_rounds(1, 60, 30))

    found = summarise_compare(
        compare_run(outcomes, conclusion={"first_look": 1_000_000})
    )

    (pair,) = found.pairs
    assert (pair.acceptance, pair.why) == (INCONCLUSIVE, Reason.NOISY)
    assert pair.rounds == 30


@pytest.mark.parametrize(
    ("minimum_s", "expected"), [(0.0, PASS), (None, PASS), (60.0, INCONCLUSIVE)]
)
def test_a_killed_run_passes_only_without_a_minimum_duration(
    minimum_s: float | None, expected: Verdict
) -> None:
    outcomes = in_rounds(generated_rounds(1, 60, 30))

    run = compare_run(
        outcomes,
        plan={"min_duration_s": minimum_s},
        conclusion={"first_look": None, "interrupted": True},
    )

    assert summarise_compare(run).acceptance is expected
