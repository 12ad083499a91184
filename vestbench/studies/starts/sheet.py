"""Starts as a table: the first request, or each step, and what the warm-up bought."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from math import isfinite

from vestbench.model.run import Run
from vestbench.report.sheet import GAP, Part, Table, Text, numbers
from vestbench.report.tables import figure_cells, figure_columns
from vestbench.report.units import (
    ABSENT,
    fixed,
    is_far,
    level,
    percent,
    plural,
    quantile_cell,
    with_interval,
)
from vestbench.stats.metrics import Metric
from vestbench.studies.base import Findings
from vestbench.studies.parts.causes import Explained, Names, cause_warnings
from vestbench.studies.parts.groups import disturbed_samples
from vestbench.studies.parts.lines import (
    build_line,
    counted_by_server,
    dim,
    failures_parts,
    quantile_notes,
    saving_line,
)
from vestbench.studies.parts.warnings import link_warnings, notes_of
from vestbench.studies.starts.plan import NOT_WARMED, WARMED, ConnectRun, WarmUpRun
from vestbench.studies.starts.summary import (
    ConnectSummary,
    StepSummary,
    WarmUpSummary,
    contradiction_of,
    summarise_connect,
    summarise_warm_up,
)


def _findings(
    run: Run,
    headline: Text,
    count: Text,
    table: Table,
    notes: Iterable[str],
    explained: Mapping[str, Explained],
    more: Iterable[Part] = (),
) -> Findings:
    """Return the findings; what is explained is of the step by that name, if any."""
    causes = (
        f"{step}: {text}" if step else text
        for step, found in explained.items()
        for text in cause_warnings(run, found, Names(NOT_WARMED, WARMED))
    )
    return Findings(
        headline=[headline],
        parts=chain[Part](
            [count, table],
            more,
            dim(notes),
            failures_parts(run),
            [GAP, build_line(run)],
        ),
        warnings=chain(
            notes_of(run), causes, link_warnings(run, disturbed_samples(run))
        ),
    )


# --- warmup --------------------------------------------------------------------------


def warm_up_findings(run: WarmUpRun) -> Findings:
    """Return what the report of a warm-up run says."""
    summary, broken = summarise_warm_up(run), contradiction_of(run)
    subject = Text("Warming the pool up saves the first request ")
    headline = saving_line(
        *(run, subject, summary.saving),
        count=summary.rounds,
        unit="round",
        broken=broken,
    )
    rows = {
        "without a warm-up": summary.not_warmed,
        "after a warm-up": summary.warmed,
        "the warm-up itself": summary.warm_up,
    }
    names = ("requests", "p50", "p90", "min", "max")
    figures = figure_columns(run.plan.confidence, *names)
    about = "The first request, with and without a warm-up"
    table = Table(about, ["first request, ms", *figures])
    for name, found in rows.items():
        if found is not None:
            table.add_row(name, *figure_cells(found, *names))
    p90s = [found.p90 for found in rows.values() if found is not None]
    notes = quantile_notes(p90s, run.plan.confidence)
    return _findings(
        *(run, headline, _reuse_line(summary), table, notes), {"": summary}
    )


def _reuse_line(summary: WarmUpSummary) -> Text:
    measured = summary.warmed.n if summary.warmed else 0
    style = "green" if summary.reused == measured else "bold red"
    line = Text(
        f"{summary.reused} of {measured} first requests after a warm-up "
        "reused a connection of it",
        style,
    )
    return line.append(
        f" ({percent(summary.reused, measured)}); "
        f"{plural(summary.warm_up_connections, 'connection')} opened by "
        f"{plural(summary.warm_up_requests, 'warm-up request')}",
        f"{style} default",  # a page shows all of it in one colour
    )


# --- connect -------------------------------------------------------------------------


def connect_findings(run: ConnectRun) -> Findings:
    """Return what the report of a connect run says."""
    summary = summarise_connect(run)
    first, broken = summary.steps[0], contradiction_of(run)
    subject = Text("Warming up saves the first request of the start, ")
    subject.append(f"{first.name}, ")
    headline = saving_line(
        run, subject, first.saving, count=first.rounds, unit="round", broken=broken
    )
    table = _steps_table(summary, run.plan.confidence)
    notes = _connect_notes(run, summary)
    count = _completed_line(run, summary)
    steps = {step.name: step for step in summary.steps}
    more = _events_table(summary, run.plan.confidence)
    return _findings(run, headline, count, table, notes, steps, more)


def _completed_line(run: ConnectRun, summary: ConnectSummary) -> Text:
    whole = summary.whole
    begun = sum(each.n for each in (whole.not_warmed, whole.warmed) if each)
    done = sum(summary.completed)
    tried = sum(step.tries for step in summary.steps)
    said = f"{done} of {begun} starts got through to their last step"
    line = Text().append(said, "green" if done == begun else "bold red")
    if tried:
        line.append(f"; {plural(tried, 'step')} had to be tried again")
    return counted_by_server(run, line)


def _steps_table(summary: ConnectSummary, confidence: float) -> Table:
    saved = f"saved [{level(confidence)}]"
    figures = numbers("without a warm-up", "after one", saved, "round trips", "opened")
    table = Table("The start, step by step", ["step, ms", *figures], layout="tight")

    def add_warm_up(name: str, found: Metric | None) -> None:
        table.add_row(name, ABSENT, _cell(found), ABSENT, ABSENT, "")

    add_warm_up("warm-up", summary.warm_up)
    for step in summary.steps:
        name = step.name
        opened = f"{step.opened[0]} : {step.opened[1]}"
        table.add_row(name, *_cells(step, summary.rtt_ms), opened)
    table.end_section()
    table.add_row(Text("all steps", "bold"), *_cells(summary.whole, summary.rtt_ms), "")
    add_warm_up("  + warm-up", summary.with_warm_up)
    return table


def _events_table(summary: ConnectSummary, confidence: float) -> Iterator[Part]:
    """Yield when the WebSocket told what a request led to, if there was one."""
    if summary.events:
        about = "From the first byte of a request to its answer, and to its event"
        shown = numbers("requests", f"answered [{level(confidence)}]", "event")
        table = Table(about, ["after its first byte, ms", *shown])
        for each in summary.events:
            table.add_row(
                each.name,
                str(each.event.n),
                quantile_cell(each.answered.p50),
                quantile_cell(each.event.p50),
            )
        yield table


def _cells(step: StepSummary, rtt_ms: float | None) -> list[str]:
    saving = step.saving
    saved = trips = ABSENT
    if saving is not None and step.rounds > 1:
        saved = with_interval(saving)
        if rtt_ms and is_far(rtt_ms) and isfinite(saving.median_lo):
            trips = fixed(saving.median_lo / rtt_ms, 2)
    return [_cell(step.not_warmed), _cell(step.warmed), saved, trips]


def _cell(found: Metric | None) -> str:
    return ABSENT if found is None else quantile_cell(found.p50)


def _connect_notes(run: ConnectRun, summary: ConnectSummary) -> Iterator[str]:
    rounds = plural(run.plan.rounds, "round")
    yield (
        f"medians [{level(run.plan.confidence)}] of {rounds}; opened: "
        "steps that opened a connection, without a warm-up : after one, by proof"
    )
    yield from run.plan.remarks
    yield (
        "each step from its call to its answer; what is between two steps, such as "
        "signing, is in no figure"
    )
    if any(step.tries for step in summary.steps):
        yield "a step that was tried again took from its first try to its last"
