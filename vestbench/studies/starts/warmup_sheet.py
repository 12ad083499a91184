"""A warm-up run as a table: what it bought the first request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.assertions.judge import AssertionResult
from vestbench.report.sheet import CaptionedTable, Sheet
from vestbench.report.units import ms, percent, plural, quantile_bound, quantile_cell
from vestbench.studies.parts.asserted import asserted_part
from vestbench.studies.parts.conditions import ending_lines
from vestbench.studies.parts.footnotes import quantile_notes
from vestbench.studies.parts.groups import Metric
from vestbench.studies.parts.headline import saving_line
from vestbench.studies.starts.parts import starts_sheet
from vestbench.studies.starts.plan import WarmUpRun
from vestbench.studies.starts.warmup_summary import WarmUpSummary, summarise_warm_up


def warm_up_report(run: WarmUpRun, asserted: Sequence[AssertionResult]) -> Sheet:
    """Return the whole report of a warm-up run."""
    summary = summarise_warm_up(run)
    found: list[RenderableType] = [
        _reuse_line(summary),
        _table(run, summary),
        *(Text(note, style="dim") for note in _footnotes(run, summary)),
    ]
    return starts_sheet(run, _headline(run, summary), found, asserted)


def warm_up_brief(
    run: WarmUpRun, asserted: Sequence[AssertionResult]
) -> RenderableType:
    """Return the finding of a warm-up run."""
    return Lines(*_headline(run, summarise_warm_up(run)), *asserted_part(asserted))


def _headline(run: WarmUpRun, summary: WarmUpSummary) -> Iterator[Text]:
    saving = summary.saving
    if saving is None:
        yield Text("No saving: there is no round with both starts.", "bold")
    else:
        subject = Text("Warming the pool up saves the first request ")
        yield saving_line(run, subject, saving, count=saving.rounds, unit="round")
    yield from ending_lines(run)


def _reuse_line(summary: WarmUpSummary) -> Text:
    measured = summary.warmed.n if summary.warmed else 0
    good = summary.reused == measured
    line = Text(
        f"{summary.reused} of {measured} first requests after a warm-up "
        "reused a connection of it",
        "green" if good else "bold red",
    )
    return line.append(
        f" ({percent(summary.reused, measured)}); "
        f"{plural(summary.warm_up_connections, 'connection')} opened by "
        f"{plural(summary.warm_up_requests, 'warm-up request')}",
        "default",
    )


def _table(run: WarmUpRun, summary: WarmUpSummary) -> Table:
    about = "The first request, with and without a warm-up"
    table = CaptionedTable(about, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("first request, ms", no_wrap=True)
    level = f"{100 * run.plan.confidence:g} %"
    for heading in ("n", f"p50 [{level} CI]", "p90", "min", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = (
        ("without a warm-up", summary.not_warmed),
        ("after a warm-up", summary.warmed),
        ("the warm-up itself", summary.warm_up),
    )
    for name, found in rows:
        if found is not None:
            table.add_row(name, *_cells(found))
    return table


def _footnotes(run: WarmUpRun, summary: WarmUpSummary) -> Iterator[str]:
    found = (summary.not_warmed, summary.warmed, summary.warm_up)
    shown = [metric.p90 for metric in found if metric is not None]
    return quantile_notes(shown, run.plan.confidence)


def _cells(found: Metric) -> list[str]:
    return [
        str(found.n),
        quantile_cell(found.p50),
        quantile_bound(found.p90),
        ms(found.low),
        ms(found.high),
    ]
