"""A bench run as tables, one picture, a verdict and what is unusual about it."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.columns import COLUMNS
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Reason, Verdict
from vestbench.report.sheet import (
    ACCEPTANCE_STYLES,
    GAP,
    Cell,
    Figure,
    Part,
    Table,
    Text,
    numbers,
)
from vestbench.report.tables import figure_cells, figure_columns
from vestbench.report.units import (
    ABSENT,
    fixed,
    is_far,
    ms,
    plural,
    with_interval,
)
from vestbench.report.waterfall import Waterfall
from vestbench.stats.metrics import Metric
from vestbench.studies.base import Findings
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.sentences import bench_warnings, explanation
from vestbench.studies.bench.summary import BenchSummary, summarise_bench
from vestbench.studies.parts.breakdown import (
    NO_PHASE,
    REST,
    REST_NOTES,
    Breakdown,
    phase_rows,
)
from vestbench.studies.parts.kernel import kernel_lines
from vestbench.studies.parts.lines import (
    PHASES_NOTE,
    build_line,
    counted_by_server,
    dim,
    evidence_text,
    failures_parts,
    no_phases_note,
    quantile_notes,
    saving_line,
)
from vestbench.studies.parts.route import is_relayed

_FIGURES = ("requests", "p50", "p90", "p99", "min", "max")


def bench_findings(run: BenchRun) -> Findings:
    """Return what the report of a bench run says."""
    summary = summarise_bench(run)
    return Findings(
        headline=_headline(run, summary),
        parts=_parts(run, summary),
        warnings=bench_warnings(run, summary),
    )


def _parts(run: BenchRun, summary: BenchSummary) -> Iterator[Part]:
    yield _reuse_line(run, summary)
    yield _groups_table(run, summary)
    yield from dim(_footnotes(run, summary))
    yield from _saving_table(run, summary)
    yield from failures_parts(run)
    rows = phase_rows((summary.cold, summary.subsequent), merged=is_relayed(run))
    if rows:
        yield from (GAP, Figure("Median of each phase, to scale", Waterfall(rows)))
    yield from (GAP, build_line(run))
    if summary.kernel is not None:
        yield GAP
        yield from kernel_lines(summary.kernel, run.plan.confidence)


def _headline(run: BenchRun, summary: BenchSummary) -> Iterator[Text]:
    saving, invalid = summary.saving, summary.acceptance is Verdict.INVALID
    if saving is None and not invalid:
        yield Text("No saving: ", "bold").append(_no_saving(run, summary))
    else:
        yield saving_line(
            run,
            Text("Keeping the connection open saves "),
            saving,
            count=saving.rounds if saving is not None else 0,
            unit="session",
            per=" per request",
            broken=explanation(run, summary) if invalid else "",
        )
        stated = saving is not None and saving.rounds > 1 and saving.is_known
        if stated and summary.percent is not None:
            said = f"  or {with_interval(summary.percent, '%')} of a cold request"
            trips = summary.round_trips
            if trips is not None and is_far(summary.rtt_ms):
                said += f", {with_interval(trips, decimals=2)} round trips"
            yield Text(said, "dim")
    if summary.acceptance is not None and not invalid and run.judges_saving:
        line = Text(f"saving ≥ {run.plan.min_saving_ms:g} ms: ")
        line.append(str(summary.acceptance), ACCEPTANCE_STYLES[summary.acceptance])
        yield line.append(f"  {explanation(run, summary)}")
        if saving is not None and summary.why is Reason.NONE:
            yield evidence_text(saving, f"{run.plan.min_saving_ms:g} ms", "sessions")


def _no_saving(run: BenchRun, summary: BenchSummary) -> str:
    if find_strategy(run.plan.strategy).opens:
        return "every request opened a connection, as asked (--unpooled)."
    if not summary.reuse.reused:
        return "no request reused a connection."
    return "no session has both a cold and a subsequent request."


def _reuse_line(run: BenchRun, summary: BenchSummary) -> Text:
    reuse = summary.reuse
    opened = f"{plural(reuse.connections, 'connection')} for "
    opened += plural(reuse.sessions, "session")
    if not reuse.expected:
        total = len(run.samples) + len(run.failures)
        return Text(f"0 requests reused a connection, {opened}, {total} requests")
    what = "subsequent requests reused their connection"
    line = Text()
    bursts = reuse.bursts
    if bursts is not None:
        what = "requests that could reuse a connection did"
        line.append(
            f"{bursts.size} requests at once on a pool that keeps {bursts.kept}: "
            f"{bursts.opened:g} opened a connection (median of "
            f"{plural(bursts.bursts, 'burst')}); "
        )
    style = "green" if reuse.reused == reuse.expected else "bold red"
    line.append(f"{reuse.reused} of {reuse.expected} {what}", style)
    return counted_by_server(run, line.append(f", {opened}"))


def _groups_table(run: BenchRun, summary: BenchSummary) -> Table:
    figures = figure_columns(run.plan.confidence, *_FIGURES)
    table = Table("Latency and phases, cold against subsequent", ["ms", *figures])
    merged = is_relayed(run)
    for group in (summary.cold, summary.subsequent):
        head = Text(group.name, "bold")
        if not group.metrics:
            table.add_row(head, "0", *[ABSENT] * 5)
        else:
            table.add_row(head)
        for metric in group.metrics:
            table.add_row(*_metric_row(metric, merged=merged))
        table.end_section()
    return table


def _metric_row(metric: Metric, *, merged: bool) -> list[Cell]:
    name = metric.name
    if merged and name in COLUMNS.shaken:
        name += " *"
    style = "bold" if name == "latency" else ""
    count, *spread = figure_cells(metric, *_FIGURES)
    return [Text(f"  {name}", style), count, Text(spread[0], style), *spread[1:]]


def _footnotes(run: BenchRun, summary: BenchSummary) -> Iterator[str]:
    yield "cold opened its connection, subsequent reused one: by proof, not by plan"
    if any(group.metric("wait") for group in (summary.cold, summary.subsequent)):
        yield PHASES_NOTE
    yield from no_phases_note(run)
    shown = [
        estimate
        for group in (summary.cold, summary.subsequent)
        for metric in group.metrics
        for estimate in (metric.p90, metric.p99)
    ]
    yield from quantile_notes(shown, run.plan.confidence)


def _opening_rows(
    breakdown: Breakdown, *, merged: bool
) -> Iterator[tuple[str, float | None]]:
    """Yield the words for each phase of opening a connection, and its ms."""
    shaken = COLUMNS.shaken if merged and breakdown.has_phases else ()
    for name, words in COLUMNS.opening.items():
        if name not in shaken:
            yield words, breakdown.part(name)
    if shaken:
        words = " + ".join(COLUMNS.opening[name] for name in shaken)
        yield f"{words} *", sum(breakdown.part(name) or 0.0 for name in shaken)


def _saving_table(run: BenchRun, summary: BenchSummary) -> Iterator[Part]:
    breakdown = summary.breakdown
    if breakdown is None or summary.saving is None:
        return
    what = "the saving and what it is made of"
    figures = numbers("ms", "share", "round trips")
    table = Table(what.capitalize(), [what, *figures])

    def row(name: str, value: float | None, style: str = "") -> None:
        if value is None:
            return
        share = ABSENT
        if breakdown.saving:
            share = f"{fixed(100 * value / breakdown.saving, 0)} %"
        trips = ABSENT
        if breakdown.rtt and is_far(breakdown.rtt):
            trips = fixed(value / breakdown.rtt, 2)
        table.add_row(*(Text(text, style) for text in (name, ms(value), share, trips)))

    row("cold − subsequent", breakdown.saving, "bold")
    for called, part in _opening_rows(breakdown, merged=is_relayed(run)):
        row(f"  {called}", part)
    row(f"  {REST}", breakdown.rest)
    for column in COLUMNS.parts:
        if column.title not in COLUMNS.opening:
            row(f"    {column.title}", breakdown.part(column.title), "dim")
    row(f"    {NO_PHASE}", breakdown.in_no_phase, "dim")
    if breakdown.expected is not None:
        table.end_section()
        trips = plural(1 + breakdown.tls_round_trips, "round trip")
        row(f"expected from the route: {trips}", breakdown.expected)
        row("  TCP and TLS beyond them", breakdown.beyond_handshakes)
        row(f"  {REST}, not separable", breakdown.beyond_round_trips)
    yield table
    if breakdown.has_phases:
        yield from dim(REST_NOTES)
