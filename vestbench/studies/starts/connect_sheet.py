"""The starts of a bot as a table: each step, and what the warm-up bought."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.assertions.judge import AssertionResult
from vestbench.report.sheet import CaptionedTable, Sheet
from vestbench.report.units import (
    ABSENT,
    fixed,
    interval,
    is_far,
    median_of,
    plain,
    plural,
    quantile_cell,
)
from vestbench.stats.decision import MedianSummary
from vestbench.studies.parts.asserted import asserted_part
from vestbench.studies.parts.conditions import ending_lines
from vestbench.studies.parts.groups import Metric
from vestbench.studies.parts.headline import saving_line
from vestbench.studies.starts.connect_summary import (
    ConnectSummary,
    StepSummary,
    summarise_connect,
)
from vestbench.studies.starts.parts import starts_sheet
from vestbench.studies.starts.plan import ConnectRun

# What a step is called where its name does not say it.
_TITLES = {"listen-key": "listen key", "cancel": "safe cancel"}


def connect_report(run: ConnectRun, asserted: Sequence[AssertionResult]) -> Sheet:
    """Return the whole report of a connect run."""
    summary = summarise_connect(run)
    found: list[RenderableType] = [
        _completed_line(run, summary),
        _table(run, summary),
        *(Text(note, style="dim") for note in _footnotes(run, summary)),
    ]
    return starts_sheet(run, _headline(run, summary), found, asserted)


def connect_brief(
    run: ConnectRun, asserted: Sequence[AssertionResult]
) -> RenderableType:
    """Return the finding of a connect run."""
    return Lines(*_headline(run, summarise_connect(run)), *asserted_part(asserted))


def _headline(run: ConnectRun, summary: ConnectSummary) -> Iterator[Text]:
    first = summary.steps[0] if summary.steps else None
    if first is None or first.saving is None:
        yield Text("No saving: no round has both starts.", "bold")
    else:
        subject = Text("Warming up saves the first request of the start, ")
        subject.append_text(plain(first.name)).append(", ")
        yield saving_line(run, subject, first.saving, count=first.rounds, unit="round")
    yield from ending_lines(run)


def _completed_line(run: ConnectRun, summary: ConnectSummary) -> Text:
    whole = summary.whole
    begun = sum(each.n for each in (whole.not_warmed, whole.warmed) if each)
    done = sum(summary.completed)
    tried = sum(step.tries for step in summary.steps)
    line = Text()
    line.append(
        f"{done} of {begun} starts got through to their last step",
        "green" if done == begun else "bold red",
    )
    if tried:
        line.append(f"; {plural(tried, 'step')} had to be tried again")
    counted = run.conclusion.server
    if counted is not None:
        line.append(
            f"; the exchange counted {counted.connections} connections and "
            f"{counted.requests} requests, the discarded starts included",
            "dim",
        )
    return line


def _table(run: ConnectRun, summary: ConnectSummary) -> Table:
    table = CaptionedTable(
        "The start, step by step",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("step, ms", overflow="fold")
    level = f"{100 * run.plan.confidence:g} %"
    for heading in ("without a warm-up", "after one"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(f"saved [{level} CI]", justify="right", no_wrap=True)
    table.add_column("round trips", justify="right", no_wrap=True)
    table.add_column("opened", justify="right", no_wrap=True)
    table.add_row("warm-up", ABSENT, _cell(summary.warm_up), ABSENT, ABSENT, "")
    for step in summary.steps:
        title = _TITLES.get(step.name)
        name = Text(title) if title else plain(step.name)
        opened = f"{step.opened[0]} : {step.opened[1]}"
        table.add_row(name, *_cells(step, summary.rtt_ms), opened)
    table.add_section()
    name = Text("all steps", "bold")
    table.add_row(name, *_cells(summary.whole, summary.rtt_ms), "")
    table.add_row(
        "  + warm-up", ABSENT, _cell(summary.with_warm_up), ABSENT, ABSENT, ""
    )
    return table


def _cells(step: StepSummary, rtt_ms: float | None) -> list[str]:
    saving = step.saving
    saved = trips = ABSENT
    if saving is not None and step.rounds > 1:
        saved = _saved(saving)
        if rtt_ms and is_far(rtt_ms) and isfinite(saving.median_lo):
            trips = fixed(saving.median_lo / rtt_ms, 2)
    return [_cell(step.not_warmed), _cell(step.warmed), saved, trips]


def _saved(saving: MedianSummary) -> str:
    return f"{median_of(saving)} {interval(saving.interval)}"


def _cell(found: Metric | None) -> str:
    return ABSENT if found is None else quantile_cell(found.p50)


def _footnotes(run: ConnectRun, summary: ConnectSummary) -> Iterator[str]:
    level = f"{100 * run.plan.confidence:g} %"
    yield (
        f"medians [{level} CI] of {plural(run.plan.rounds, 'round')}; opened: "
        "steps that opened a connection, without a warm-up : after one, by proof"
    )
    if "cancel" in run.plan.steps:
        yield (
            "register and the safe cancel are signed; there is no order to cancel, so "
            "3017 is the answer wanted"
        )
    yield (
        "each step from its call to its answer; what is between two steps, such as "
        "signing, is in no figure"
    )
    if any(step.tries for step in summary.steps):
        yield "a step that was tried again took from its first try to its last"
