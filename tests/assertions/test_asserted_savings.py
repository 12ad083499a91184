"""Assertions of a saving, in every unit and of every study."""

from __future__ import annotations

import pytest

from tests.support.asserting import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    bench,
    one,
    outcome,
    rounds,
    spread,
)
from tests.support.records import (
    bench_run,
    compare_run,
    failure,
    sample,
    sessions,
    warm_up_run,
)
from tests.support.runs_on_stacks import on_all_stacks
from tests.support.studies import compare_of, planned
from vestbench.model.request import Role
from vestbench.model.verdict import Verdict
from vestbench.studies.judging import assertions_of, judge


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("saving >= 63ms", PASS),
        ("saving >= 64ms", INCONCLUSIVE),
        ("saving >= 65ms", FAIL),
        ("saving < 65ms", PASS),
        ("saving >= 63%", PASS),
        ("saving >= 65%", FAIL),
        ("saving >= 2 round trips", PASS),
        ("saving >= 2.2 round trips", FAIL),
        ("saving <= 2.2 round trips", PASS),
    ],
)
def test_the_saving_of_a_bench_run_in_every_unit(text: str, expected: Verdict) -> None:
    # Twenty sessions, savings 0.1 ms apart about 64 ms, over 30 ms.
    assert outcome(bench(), text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("saving >= 59ms", PASS),
        ("saving >= 60ms", INCONCLUSIVE),
        ("saving >= 61ms", FAIL),
        ("saving >= 55%", PASS),
        ("saving >= 61%", FAIL),
        ("saving >= 1.9 round trips", PASS),
        ("pooled.saving >= 59ms", PASS),
    ],
)
def test_the_saving_of_a_comparison_in_every_unit(text: str, expected: Verdict) -> None:
    run = compare_run(rounds(spread(40.0, 12)))

    assert outcome(run, text) is expected


def test_what_is_asserted_may_differ_from_what_the_run_was_to_reach() -> None:
    run = compare_run(rounds(spread(40.0, 12)), plan={"min_saving_ms": 80.0})

    accepted, asserted = assertions_of(planned(run, assertions=("saving >= 50ms",)))

    assert (accepted.text, accepted.outcome) == ("saving >= 80ms", FAIL)
    assert (asserted.text, asserted.outcome) == ("saving >= 50ms", PASS)


def test_the_saving_of_several_candidates_is_asserted_of_each() -> None:
    arms = {"pooled": "pooled", "warmed": "warmed", "unpooled": "unpooled"}
    run = compare_run(rounds(spread(40.0, 12), warmed=70.0), arms=arms)

    found = judge(run, ["saving >= 50ms", "warmed.saving >= 20ms"])

    assert [(result.text, result.outcome) for result in found] == [
        ("pooled.saving >= 50ms", PASS),
        ("warmed.saving >= 50ms", FAIL),
        ("warmed.saving >= 20ms", PASS),
    ]


@pytest.mark.parametrize("unit", ["ms", "%", " round trips"])
def test_the_saving_of_a_warm_up_in_every_unit(unit: str) -> None:
    outcomes = []
    for number, latency in enumerate(spread(100.0, 12)):
        slow = sample(number, 0, latency=latency, arm="not warmed")
        fast = sample(number, 2, reused=True, latency=40.0, arm="warmed")
        outcomes += [slow, fast]
    run = warm_up_run(outcomes)

    assert outcome(run, f"saving >= 1{unit}") is PASS
    assert outcome(run, f"saving >= 99{unit}") is FAIL
    assert outcome(run, "warmed.p50 <= 40ms") is PASS
    assert outcome(run, "not-warmed.p50 <= 40ms") is FAIL


@pytest.mark.parametrize("text", ["saving >= 1ms", "saving >= 1%"])
def test_fewer_than_twelve_rounds_decide_no_saving(text: str) -> None:
    runs = {"session": bench(11), "round": compare_run(rounds([40.0] * 11))}
    for noun, run in runs.items():
        found = one(run, text)

        assert found.outcome is INCONCLUSIVE
        assert found.reason == f"at least 12 {noun}s are needed"
        assert (found.n, found.n_of) == (11, noun)


def test_no_saving_passes_before_the_minimum_duration() -> None:
    plan, end = {"min_duration_s": 60.0}, {"first_look": 1_000_000}
    run = compare_run(rounds([40.0] * 20), plan=plan, conclusion=end)

    found = one(run, "saving >= 50ms")

    assert found.outcome is INCONCLUSIVE
    assert "--min-duration" in found.reason


def test_a_candidate_that_fails_more_often_saves_nothing() -> None:
    good = rounds([40.0] * 30)
    bad = [
        failure(30 + n, 1, arm="pooled", role=Role.SUBSEQUENT, elapsed=5, reused=True)
        for n in range(20)
    ]
    others = [sample(30 + n, 0, arm="unpooled", latency=100.0) for n in range(20)]
    # Failures first, so that no verdict is given before them.
    run = compare_run([*bad, *others, *good], plan={"min_rounds": 50})

    found = one(run, "saving >= 1ms")

    assert found.outcome is FAIL
    assert found.reason == "pooled fails more often than unpooled"


def test_a_saving_with_too_many_failures_does_not_pass() -> None:
    late = [
        failure(n, 9, role=Role.SUBSEQUENT, reused=True, elapsed=50) for n in range(9)
    ]
    run = bench_run([*sessions(spread(100.0, 20)), *late])

    found = one(run, "saving >= 50ms")

    assert found.outcome is INCONCLUSIVE
    assert found.reason == "too many requests failed"


def test_nothing_is_said_of_a_pool_that_did_not_pool() -> None:
    broken = bench_run(
        [
            sample(n, k, role=Role.SUBSEQUENT if k else Role.COLD, connection=3 * n + k)
            for n in range(20)
            for k in range(3)
        ]
    )
    compared = compare_run(
        [
            sample(n, k, arm=arm, connection=2 * n + k, role=Role.SUBSEQUENT)
            for n in range(12)
            for k, arm in enumerate(("pooled", "unpooled"))
        ]
    )

    for run in (broken, compared):
        assert outcome(run, "saving >= 1ms") is INVALID
        assert outcome(run, "saving >= 1%") is INVALID
        assert outcome(run, "reused == 100%") is FAIL
    assert outcome(compared, "pooled.p50 <= 1s") is INVALID
    assert outcome(compared, "unpooled.p50 <= 1s") is PASS


def test_what_an_arm_reused_can_be_asserted_of_each() -> None:
    run = compare_run(rounds([40.0] * 12))

    assert outcome(run, "reused == 100%") is PASS
    assert outcome(run, "pooled.reused == 100%") is PASS
    assert outcome(run, "unpooled.reused == 0%") is PASS
    assert outcome(run, "unpooled.reused > 0%") is FAIL


def test_on_several_stacks_a_saving_is_asserted_of_candidates_not_of_controls() -> None:
    run = compare_of(on_all_stacks())
    found = judge(run, ["saving >= 1ms"])

    names = [arm.label for arm in run.plan.arms if arm.strategy == "pooled"]
    assert [result.quantity for result in found] == [f"{name}.saving" for name in names]
    controls = {arm.label for arm in run.plan.arms} - set(names)
    assert len(controls) == len(names) > 1
    for control in controls:
        with pytest.raises(ValueError, match=f"{control} is no candidate"):
            judge(run, [f"{control}.saving >= 1ms"])
