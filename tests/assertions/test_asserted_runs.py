"""What a run was asked, what decides it, and how that is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.asserting import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    bench,
    outcome,
    rounds,
    spread,
)
from tests.support.printed import written
from tests.support.records import (
    bench_run,
    compare_run,
    sample,
    sessions,
    store,
    warm_up_run,
)
from tests.support.starts import connect_run
from tests.support.starts import rounds as starts
from tests.support.studies import connect_of, planned
from vestbench.errors import InvalidRunError, UsageError
from vestbench.model.run import Run
from vestbench.model.strategy import UNPOOLED
from vestbench.model.verdict import Verdict, worst
from vestbench.report.tables import assertions_table
from vestbench.studies.judging import assertions_of, check_assertions, judge, verdict_of
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run

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
    run = replace(bench(), command="doctor")

    with pytest.raises(InvalidRunError, match="no runs of 'doctor', only of bench"):
        judge(run, ["failures == 0"])


# How it is shown


def test_the_table_shows_what_each_was_decided_on() -> None:
    run = bench()
    texts = [
        *("saving >= 50ms", "failures == 0", "failures <= 1%"),
        *("subsequent.p99 <= 1s", "saving >= 1 round trips"),
    ]

    lines = written([assertions_table(judge(run, texts))], 200).splitlines()

    rows = {line.split("  ")[0].strip(): " ".join(line.split()) for line in lines}
    assert rows["saving >= 50ms"].endswith("PASS 64.0 ms [63.3, 64.7] 20 sessions")
    assert rows["failures == 0"].endswith("PASS 0 exact 100 requests")
    assert (
        "INCONCLUSIVE 0.0 % [0.0, 3.6] 100 requests the interval"
        in rows["failures <= 1%"]
    )
    assert "– [≥ 36.0] 80 requests the upper bound" in rows["subsequent.p99 <= 1s"]
    assert "2.13 round trips" in rows["saving >= 1 round trips"]


@pytest.mark.parametrize(
    "run",
    [bench(), compare_run(rounds([40.0] * 12)), warm_up_run(sessions([99.0] * 12))],
    ids=["bench", "compare", "warmup"],
)
def test_a_report_shows_assertions_where_there_are_some(run: Run) -> None:
    asked = planned(run, assertions=("failures == 0",))

    for show in (show_run, show_brief):
        assert "failures == 0" in written(show(asked), 200)
        assert "asserted" not in written(show(run), 200)


def test_a_stored_assertion_that_is_none_makes_the_result_damaged(
    tmp_path: Path,
) -> None:
    path = store(bench(plan={"assertions": ["nonsense"]}), tmp_path / "run.toml")

    with pytest.raises(InvalidRunError, match=r"plan\.assertions.*nonsense"):
        load_run(path)
