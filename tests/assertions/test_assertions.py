"""Assertions are decided on intervals, facts on counts, and nothing on a point."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.records import (
    bench_run,
    compare_run,
    failure,
    sample,
    sessions,
    store,
    warm_up_run,
)
from tests.support.starts import connect_run
from tests.support.starts import rounds as starts
from tests.support.studies import connect_of, planned
from vestbench.assertions.judge import AssertionResult
from vestbench.errors import InvalidRunError, UsageError
from vestbench.model.request import Outcome, Role
from vestbench.model.run import Run
from vestbench.model.strategy import UNPOOLED
from vestbench.model.verdict import Verdict, worst
from vestbench.studies.judging import assertions_of, check_assertions, judge, verdict_of
from vestbench.studies.parts.asserted import assertions_table
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run

PASS, FAIL = Verdict.PASS, Verdict.FAIL
INCONCLUSIVE, INVALID = Verdict.INCONCLUSIVE, Verdict.INVALID


def spread(middle: float, count: int, step: float = 0.1) -> list[float]:
    """Return latencies round `middle`, `step` apart."""
    return [middle + step * (place - (count - 1) / 2) for place in range(count)]


def bench(count: int = 20, **changes: object) -> Run:
    """Return a bench run of about 100 ms cold, 36 ms subsequent, by session."""
    return bench_run(sessions(spread(100.0, count)), **changes)  # type: ignore[arg-type]


def rounds(
    pooled: Iterable[float], unpooled: float = 100.0, **arms: float
) -> list[Outcome]:
    """Return a round for each latency in `pooled`."""
    found: list[Outcome] = []
    for number, latency in enumerate(pooled):
        found += [
            sample(number, 0, arm="unpooled", latency=unpooled),
            sample(number, 1, arm="pooled", reused=True, latency=latency),
        ]
        found += [
            sample(number, 2, arm=label, reused=True, latency=value)
            for label, value in arms.items()
        ]
    return found


def one(run: Run, text: str) -> AssertionResult:
    (found,) = judge(run, [text])
    return found


def outcome(run: Run, text: str) -> Verdict:
    return one(run, text).outcome


# Quantiles


def test_a_quantile_passes_when_its_whole_interval_does() -> None:
    run = bench_run(sessions(spread(100.0, 20), later=4))

    found = one(run, "cold.p50 <= 100.5ms")

    # Ranks 6 and 15 of 20 (stats.md, section 6).
    assert (found.low, found.high) == pytest.approx((99.55, 100.45))
    assert found.value == pytest.approx(100.0)
    assert found.outcome is PASS
    assert outcome(run, "cold.p50 <= 99.5ms") is FAIL
    assert outcome(run, "cold.p50 >= 99.5ms") is PASS
    assert found.n == 20


def test_a_point_on_the_right_side_is_not_enough() -> None:
    found = one(bench(), "cold.p50 <= 100.1ms")

    assert found.value is not None
    assert found.value <= 100.1
    assert found.outcome is INCONCLUSIVE
    assert found.reason == "the interval reaches to both sides of 100.1ms"


@pytest.mark.parametrize(
    ("text", "needed"), [("subsequent.p99 <= 1s", 368), ("cold.p90 <= 1s", 36)]
)
def test_too_few_requests_for_an_upper_bound_say_how_many_it_needs(
    text: str, needed: int
) -> None:
    found = one(bench(), text)

    assert found.outcome is INCONCLUSIVE
    assert found.reason == f"the upper bound needs {needed} requests"
    assert found.high is None


def test_a_lower_bound_is_enough_to_fail() -> None:
    assert outcome(bench(), "subsequent.p99 <= 30ms") is FAIL


def test_the_maximum_is_a_fact_of_the_run() -> None:
    run = bench(9)

    assert outcome(run, "cold.max <= 100.4ms") is PASS
    assert outcome(run, "cold.max <= 100.3ms") is FAIL
    assert one(run, "cold.max <= 1s").low == one(run, "cold.max <= 1s").high


def test_phases_and_the_time_of_the_client_can_be_asserted() -> None:
    run = bench_run(
        [sample(n, k, reused=k > 0, client=1.5) for n in range(12) for k in range(3)]
    )

    assert outcome(run, "cold.tls.p50 <= 31.5ms") is PASS
    assert outcome(run, "cold.connect.p50 > 30ms") is FAIL
    assert outcome(run, "subsequent.client.p50 <= 1500us") is PASS
    assert outcome(run, "subsequent.wait.p50 < 0.035s") is FAIL


def test_a_failed_request_is_slower_than_anything() -> None:
    late = [failure(n, 1, role=Role.SUBSEQUENT, reused=True) for n in range(20)]
    run = bench_run([*sessions(spread(100.0, 20), later=1), *late])

    assert outcome(run, "subsequent.max <= 9s") is FAIL
    assert outcome(run, "cold.max <= 101ms") is PASS
    # Half of them: the median may be a failure or not.
    undecided = one(run, "subsequent.p50 <= 40ms")
    assert undecided.outcome is INCONCLUSIVE
    assert undecided.reason == "failures leave the upper bound open"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cold.dns.p50 <= 1ms", "there was no cold request with a dns phase"),
        ("subsequent.tls.max <= 1ms", "no subsequent request with a tls phase"),
    ],
)
def test_a_phase_that_did_not_happen_supports_nothing(text: str, reason: str) -> None:
    found = one(bench(), text)

    assert found.outcome is INVALID
    assert reason in found.reason
    assert found.value is None


def test_without_subsequent_requests_their_latency_is_no_pass() -> None:
    run = bench_run([sample(n, k) for n in range(12) for k in range(3)])

    assert outcome(run, "subsequent.p50 <= 1s") is INVALID


# Counts and shares


def test_counts_are_exact_facts_of_this_run() -> None:
    run = bench_run([*sessions(spread(100.0, 12)), failure(12, 0)])

    found = one(run, "failures == 0")

    assert found.outcome is FAIL
    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, 61)
    assert outcome(run, "failures <= 1") is PASS
    assert outcome(run, "cold.failures == 1") is PASS
    assert outcome(run, "subsequent.failures == 0") is PASS
    assert outcome(run, "connections == 12") is PASS
    assert outcome(run, "subsequent.connections < 1") is PASS


def test_a_rate_of_failures_is_judged_by_its_exact_interval() -> None:
    run = bench(20)  # 100 requests, none failed: 3.6 % at most

    assert outcome(run, "failures <= 4%") is PASS
    undecided = one(run, "failures <= 3%")
    assert undecided.outcome is INCONCLUSIVE
    assert undecided.reason.endswith("that takes 122 requests at least")
    assert outcome(run, "failures <= 0%") is PASS  # of these, none did


def test_a_rate_with_failures_can_be_missed_for_certain() -> None:
    failed = [failure(20 + n, 0) for n in range(20)]
    run = bench_run([*sessions(spread(100.0, 20)), *failed])

    found = one(run, "failures <= 5%")

    assert found.outcome is FAIL
    assert found.low is not None
    assert found.low > 5
    assert outcome(run, "failures <= 17%") is INCONCLUSIVE


def test_one_request_that_was_not_reused_breaks_all_reused() -> None:
    good, late = bench(20), sample(0, 4, role=Role.SUBSEQUENT, connection=99)
    bad = replace(good, samples=(*good.samples[:4], late, *good.samples[5:]))

    assert outcome(good, "reused == 100%") is PASS
    assert outcome(bad, "reused == 100%") is FAIL
    assert outcome(bad, "reused >= 90%") is PASS
    assert outcome(bad, "reused >= 98%") is INCONCLUSIVE


# The saving


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
    for run in (bench(11), compare_run(rounds([40.0] * 11))):
        found = one(run, text)

        assert found.outcome is INCONCLUSIVE
        assert found.reason == "at least 12 rounds or sessions are needed"


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


# What a run was asked


def test_without_assertions_a_run_is_judged_by_its_acceptance() -> None:
    (found,) = assertions_of(bench())

    assert (found.text, found.outcome) == ("saving >= 50ms", PASS)
    assert assertions_of(warm_up_run(sessions([100.0] * 12))) == ()


def test_with_assertions_a_bench_run_is_judged_by_its_acceptance_if_gated() -> None:
    asked = {"assertions": ["failures == 0"]}

    alone = assertions_of(bench(plan=asked))
    gated = assertions_of(bench(plan={**asked, "gate": True}))

    assert [found.text for found in alone] == ["failures == 0"]
    assert [found.text for found in gated] == ["saving >= 50ms", "failures == 0"]


def test_a_gated_run_in_which_nothing_was_to_be_reused_is_invalid() -> None:
    run = bench_run([sample(n, 0) for n in range(12)], plan={"gate": True})

    (found,) = assertions_of(run)

    assert found.outcome is INVALID


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("any", "failures == 0", PASS),
        ("any", "failures == 1", FAIL),
        ("all", "failures == 0", FAIL),
    ],
)
def test_where_any_candidate_may_pass_its_pairs_count_as_one(
    question: str, text: str, expected: Verdict
) -> None:
    arms = {"pooled": "pooled", "warmed": "warmed", "unpooled": "unpooled"}
    plan = {"question": question, "assertions": [text]}
    run = compare_run(rounds(spread(40.0, 30), warmed=70.0), arms=arms, plan=plan)

    results = assertions_of(run)

    assert [found.outcome for found in results[:2]] == [PASS, FAIL]
    assert verdict_of(run, results) is expected
    assert verdict_of(run, ()) is None


@pytest.mark.parametrize(
    ("text", "expected", "n"),
    [
        ("requests == 100", PASS, 100),
        ("cold.requests == 20", PASS, 20),
        ("cold.requests > 20", FAIL, 20),
        ("connections == cold.requests", PASS, 100),
        ("connections < cold.requests", FAIL, 100),
        ("cold.share <= 35%", PASS, 100),
        ("cold.share <= 10%", FAIL, 100),
        ("cold.share <= 21%", INCONCLUSIVE, 100),
        ("cold.share < subsequent.share", PASS, 100),
        ("subsequent.p50 <= cold.p50", PASS, 80),
        ("subsequent.p50 > cold.p50", FAIL, 80),
        ("cold.p90 <= cold.p50", INCONCLUSIVE, 20),
    ],
)
def test_counts_shares_and_other_quantities_decide(
    text: str, expected: Verdict, n: int
) -> None:
    (found,) = judge(bench(), [text])

    assert (found.outcome, found.n) == (expected, n)
    assert found.text == text


def test_the_worst_outcome_decides() -> None:
    assert worst([PASS, INCONCLUSIVE]) is INCONCLUSIVE
    assert worst([INCONCLUSIVE, FAIL, PASS]) is FAIL
    assert worst([FAIL, INVALID]) is INVALID
    assert worst([]) is PASS


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("pooled.p50 <= 5ms", "there is no pooled, only cold, subsequent"),
        ("cold.saving >= 5ms", "cold is no candidate"),
        ("cold.reused == 100%", "reused is of the whole run"),
    ],
)
def test_what_a_run_will_not_have_is_refused_beforehand(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        check_assertions([text], "bench", bench_run().plan)


def test_the_control_saves_nothing_and_neither_does_an_unpooled_run() -> None:
    plan = compare_run().plan
    unpooled = bench_run(strategy=UNPOOLED).plan
    unpooled = bench_run(strategy=UNPOOLED).plan

    with pytest.raises(UsageError, match="unpooled is no candidate"):
        check_assertions(["unpooled.saving >= 5ms"], "compare", plan)
    with pytest.raises(UsageError, match="nothing is saved with --unpooled"):
        check_assertions(["saving >= 5ms"], "bench", unpooled)


def test_the_steps_of_a_start_are_groups() -> None:
    run = connect_run(starts(12))
    step = connect_of(run).plan.steps[0]

    assert outcome(run, f"{step}.failures == 0") is PASS
    assert outcome(run, f"{step}.max <= 0.001ms") is FAIL
    assert outcome(run, "warmed.p50 <= 60s") is PASS
    with pytest.raises(UsageError, match="a run of connect has no saving"):
        check_assertions(["saving >= 1ms"], "connect", run.plan)


def test_a_run_of_no_study_of_ours_is_refused_by_name() -> None:
    run = replace(bench(), command="serve")

    with pytest.raises(InvalidRunError, match="no runs of 'serve', only of bench"):
        judge(run, ["failures == 0"])


# How it is shown


def shown(*parts: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(*parts)
    return stream.getvalue()


def test_the_table_shows_what_each_was_decided_on() -> None:
    run = bench()
    texts = [
        *("saving >= 50ms", "failures == 0", "failures <= 1%"),
        *("subsequent.p99 <= 1s", "saving >= 1 round trips"),
    ]

    lines = shown(assertions_table(judge(run, texts))).splitlines()

    rows = {line.split("  ")[0].strip(): " ".join(line.split()) for line in lines}
    assert rows["saving >= 50ms"].endswith("PASS 64.0 ms [63.3, 64.7] 20")
    assert rows["failures == 0"].endswith("PASS 0 exact 100")
    assert "INCONCLUSIVE 0.0 % [0.0, 3.6] 100 the interval" in rows["failures <= 1%"]
    assert "– [36.0, ∞] 80 the upper bound" in rows["subsequent.p99 <= 1s"]
    assert "2.13 round trips" in rows["saving >= 1 round trips"]


@pytest.mark.parametrize(
    "run",
    [bench(), compare_run(rounds([40.0] * 12)), warm_up_run(sessions([99.0] * 12))],
    ids=["bench", "compare", "warmup"],
)
def test_a_report_shows_assertions_where_there_are_some(run: Run) -> None:
    asked = planned(run, assertions=("failures == 0",))

    for show in (show_run, show_brief):
        assert "failures == 0" in shown(show(asked))
        assert "asserted" not in shown(show(run))


def test_a_stored_assertion_that_is_none_makes_the_result_damaged(
    tmp_path: Path,
) -> None:
    path = store(bench(plan={"assertions": ["nonsense"]}), tmp_path / "run.toml")

    with pytest.raises(InvalidRunError, match=r"plan\.assertions.*nonsense"):
        load_run(path)
