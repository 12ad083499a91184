"""How a saving settled: the same as what was said at the end, after every round."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from tests.support.bench_runs import pooled, warmed_run
from tests.support.compare_runs import failing_run, passing_run, percent_run, rounds
from tests.support.documents import RUNS
from tests.support.records import bench_run, compare_run, sample
from tests.support.studies import (
    bench_of,
    compare_of,
    groups_in,
    latencies_in,
    settlings_of,
    warm_up_of,
)
from vestbench.model.run import Run
from vestbench.stats.decision import MedianSummary, summarise
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.starts.summary import summarise_warm_up


def concluded(run: Run) -> Sequence[MedianSummary | None]:
    """Return what the report says of each saving, in the unit of its target."""
    if run.command == "compare":
        summary = summarise_compare(compare_of(run))
        percent = summary.percent_target
        return [pair.percent if percent else pair.saving for pair in summary.pairs]
    if run.command == "warmup":
        return [summarise_warm_up(warm_up_of(run)).saving]
    # Of the steps of a start none is what it is about; a program has no target.
    if run.command in ("connect", "exec"):
        return []
    return [summarise_bench(bench_of(run)).saving]


@pytest.mark.parametrize("name", RUNS)
def test_a_settling_ends_with_what_the_report_says(name: str) -> None:
    run = RUNS[name]()

    for settling, said in zip(settlings_of(run), concluded(run), strict=True):
        if not settling.steps or said is None:
            assert said is None or math.isinf(said.median_lo)
            continue
        found = settling.steps[-1].found
        assert (found.median_lo, found.median_hi) == (said.median_lo, said.median_hi)
        assert found.interval == said.interval


@pytest.mark.parametrize("run", [bench_run(pooled()), warmed_run(), passing_run()])
def test_the_interval_after_each_round_is_of_the_rounds_until_then(run: Run) -> None:
    (settling,) = settlings_of(run)

    assert len(settling.steps) >= 12
    for count in range(1, len(settling.steps) + 1):
        bounds = [step.bounds for step in settling.steps[:count]]
        expected = summarise(bounds, target=settling.target, min_rounds=12)
        found = settling.steps[count - 1].found
        assert found.interval == expected.interval
        assert found.median_lo == expected.median_lo


def test_a_course_stops_where_the_verdict_was_given() -> None:
    run = compare_run(rounds(count=30))

    (settling,) = settlings_of(run)

    assert (
        summarise_compare(compare_of(run)).pairs[0].rounds == len(settling.steps) == 12
    )


def test_a_course_is_in_the_unit_of_its_target() -> None:
    (percent,), (ms,) = settlings_of(percent_run()), settlings_of(passing_run())

    assert (percent.unit, percent.target) == ("%", 30.0)
    assert 0 < percent.steps[0].bounds.lo < 100
    assert (ms.unit, ms.target, ms.each) == ("ms", 50.0, "round")


def test_a_failure_leaves_a_saving_open_at_one_end() -> None:
    (settling,) = settlings_of(failing_run())

    lost = [step.bounds for step in settling.steps if math.isinf(step.bounds.lo)]
    assert len(lost) == 5  # every failure of the candidate
    assert any(math.isinf(step.bounds.hi) for step in settling.steps)


def test_every_request_of_a_bench_run_is_in_one_group() -> None:
    run = RUNS["bench-failing"]()

    cold, subsequent = groups_in(run)

    assert cold.name == "cold"
    found = latencies_in(run)
    assert len(found["cold"]) + len(found["subsequent"]) == 100
    assert sum(map(math.isinf, [*found["cold"], *found["subsequent"]])) == 4
    assert cold.failures + subsequent.failures == 4


def test_the_control_is_the_first_group() -> None:
    names = [group.name for group in groups_in(passing_run())]

    assert names == ["unpooled", "pooled"] == list(latencies_in(passing_run()))


def test_only_whole_rounds_are_set_against_each_other() -> None:
    cut = compare_run(rounds(count=5)[:-1])

    assert [len(found) for found in latencies_in(cut).values()] == [4, 4]


def test_a_warm_up_is_not_one_of_the_starts_it_is_for() -> None:
    run = warmed_run()

    names = [group.name for group in groups_in(run)]

    assert names == ["without a warm-up", "after a warm-up"]
    assert [len(found) for found in latencies_in(run).values()] == [20, 20]


def test_an_arm_that_no_plan_knows_is_left_out() -> None:
    stray = sample(0, 2, arm="elsewhere")

    found = latencies_in(compare_run([*rounds(), stray]))

    assert set(found) == {"unpooled", "pooled"}
