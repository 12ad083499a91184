"""Runs of every kind, and hostile ones, for the documents that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from msgspec.structs import replace as replaced

from tests.support import bench_runs, compare_runs, runs_on_stacks, starts, traffic
from tests.support.records import bench_run, failure, warm_up_run
from tests.support.studies import compare_of
from vestbench.model.formats import FORMATS
from vestbench.model.request import Failure, FailureKind, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.studies.exports import found_in

RUNS: dict[str, Callable[[], Run]] = {
    **bench_runs.RUNS,
    **compare_runs.RUNS,
    **starts.RUNS,
    **traffic.RUNS,
    **{f"stacks-{n}": partial(replace, r) for n, r in runs_on_stacks.RUNS.items()},
}


def document(run: Run, name: str) -> str:
    (sort,) = (each for each in FORMATS.values() if each.name == name)
    return "".join(sort.document(found_in(run, "results/run.toml")))


def with_texts(run: Run, text: str) -> Run:
    """Return `run` with `text` wherever a text comes from outside."""
    conditions = replaced(
        run.conditions,
        venue=text,
        url=text,
        endpoint=text,
        host=text,
        kernel=text,
        strategy=text,
    )
    return replace(
        run,
        label=text,
        conditions=conditions,
        conclusion=replaced(run.conclusion, notes=(text,), stopped=text),
        samples=tuple(replace(s, remote=text, cipher=text) for s in run.samples),
        failures=tuple(replace(f, detail=text) for f in run.failures),
    )


def with_label(run: Run, label: str, old: str = "pooled") -> Run:
    """Return a comparison one of whose arms is called `label`."""

    def renamed(outcome: Outcome) -> Outcome:
        arm = label if outcome.slot.arm == old else outcome.slot.arm
        return replace(outcome, slot=replace(outcome.slot, arm=arm))

    outcomes = [renamed(outcome) for outcome in run.outcomes]
    plan = compare_of(run).plan
    arms = tuple(
        replaced(arm, label=label if arm.label == old else arm.label)
        for arm in plan.arms
    )
    return replace(
        run,
        plan=replaced(plan, arms=arms),
        samples=tuple(o for o in outcomes if isinstance(o, Sample)),
        failures=tuple(o for o in outcomes if isinstance(o, Failure)),
    )


def hostile(text: str) -> dict[str, Run]:
    """Return runs of each command that hold `text` wherever they can."""
    comparison = with_label(compare_runs.failing_run(), text)
    warm = warm_up_run(bench_runs.warmed_run().outcomes)
    bench = bench_run(
        [
            *bench_runs.pooled(),
            failure(3, 2, kind=FailureKind.RESET, role=Role.SUBSEQUENT, reused=True),
        ]
    )
    runs = {"bench": bench, "compare": comparison, "warmup": warm}
    return {name: with_texts(run, text) for name, run in runs.items()}


# Each would do something in one of the formats, if it were not escaped.
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>&amp;",
    "]]><!-- --",
    "| a | b |\n|---|---|",
    "**bold** _it_ ~~no~~ `code` [link](https://example.org) ![i](x) $x$",
    "```\n# heading\n- item",
    "@everyone #1 :tada: <b>",
    '=HYPERLINK("https://example.org")',
    "::error::%0A,:\r\n::stop-commands::x",
    'a"b\\c\nd{e="f"} 1',
    "\x1b[2J\x00\x07‮\ud800",
]
