"""What a report does with requests during which we were away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support import bench_runs
from tests.support.documents import RUNS, document
from tests.support.printed import rendered
from tests.support.records import bench_run, conclusion_of, failure, store
from vestbench.kernel.pauses import marked
from vestbench.model.formats import FORMATS
from vestbench.model.request import NS_PER_MS, NS_PER_S, Failure, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_run

AnyRun = TypeVar("AnyRun", bound=Run)


def interrupted(run: AnyRun, which: Callable[[Outcome], bool], **marks: int) -> AnyRun:
    marks = marks or {"interrupted_ns": NS_PER_S}
    outcomes = [marked(o, **marks) if which(o) else o for o in run.outcomes]
    return replace(
        run,
        samples=tuple(o for o in outcomes if isinstance(o, Sample)),
        failures=tuple(o for o in outcomes if isinstance(o, Failure)),
    )


def one_long() -> BenchRun:
    """Return a bench run of which one reused request took five seconds more."""
    outcomes: list[Outcome] = list(bench_runs.pooled(26))
    place = next(n for n, o in enumerate(outcomes) if o.slot.role is Role.SUBSEQUENT)
    long = outcomes[place]
    assert isinstance(long, Sample)
    assert long.wait_ns is not None
    outcomes[place] = replace(
        long,
        latency_ns=long.latency_ns + 5 * NS_PER_S,
        wait_ns=long.wait_ns + 5 * NS_PER_S,
    )
    return bench_run(outcomes)


def is_long(outcome: Outcome) -> bool:
    return isinstance(outcome, Sample) and outcome.latency_ns > NS_PER_S


def test_an_interrupted_request_is_in_no_quantile_and_no_maximum() -> None:
    later = summarise_bench(one_long()).subsequent
    assert later.metrics[0].high > 5000

    later = summarise_bench(interrupted(one_long(), is_long)).subsequent
    latency = later.metrics[0]
    assert latency.high < 100
    assert latency.p99.point is not None
    assert latency.p99.point < 100
    assert (latency.n, later.interrupted) == (103, 1)


@pytest.mark.parametrize(
    ("mark", "cause"),
    [("interrupted_ns", "did not run"), ("suspended_ns", "the machine was asleep")],
)
def test_the_report_names_what_was_seen_and_for_how_long(mark: str, cause: str) -> None:
    run = interrupted(one_long(), is_long, **{mark: 5 * NS_PER_S})
    shown = " ".join(rendered(run).split())
    assert cause in shown
    assert "during 1 request of 130, for 5000 ms at the longest" in shown
    assert "not the venue's time" in shown


def test_a_failure_during_an_interruption_is_named_too() -> None:
    outcomes: list[Outcome] = [*bench_runs.pooled(), failure(20, 0, elapsed=10_000)]
    run = interrupted(bench_run(outcomes), lambda o: isinstance(o, Failure))
    assert "during 1 request of 101" in " ".join(rendered(run).split())


def test_a_stored_run_keeps_its_marks(tmp_path: Path) -> None:
    run = interrupted(one_long(), is_long)
    found = load_run(store(run, tmp_path / "run.toml"))
    assert found.samples == run.samples
    assert document(run, "csv").count("1000.000000") == 1


def test_a_run_without_interruptions_says_nothing_of_them() -> None:
    assert "did not run" not in rendered(bench_runs.simulated_run())


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_interrupted_requests_only_is_shown_in_every_document(
    name: str,
) -> None:
    run = interrupted(RUNS[name](), lambda _: True)
    assert "Traceback" not in rendered(run)
    assert "-inf" not in rendered(run)
    for sort in FORMATS.values():
        if sort.name != "json-schema":
            document(run, sort.name)


@pytest.mark.parametrize(("stolen_s", "named"), [(0.01, False), (1.5, True)])
def test_steal_is_named_where_it_can_move_a_figure(
    stolen_s: float, *, named: bool
) -> None:
    run = bench_runs.simulated_run()
    conclusion = conclusion_of({"stolen_s": stolen_s, "duration_s": 10.0})
    shown = " ".join(rendered(replace(run, conclusion=conclusion)).split())
    assert ("of processor time away (steal)" in shown) is named


def test_marks_of_two_watches_are_not_added_up() -> None:
    outcome = marked(failure(), interrupted_ns=3 * NS_PER_MS)
    longest = marked(outcome, interrupted_ns=5 * NS_PER_MS)
    assert longest.extra == {"interrupted_ns": 5 * NS_PER_MS}
    assert marked(longest, interrupted_ns=NS_PER_MS) is longest
    assert list(show_run(bench_runs.empty_run()))
