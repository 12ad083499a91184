"""Stored runs in a row as tables, their saving over time, and their verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from vestbench.assertions.judge import AssertionResult
from vestbench.history.series import Entry, Series
from vestbench.model.record import Record
from vestbench.model.run import Run
from vestbench.model.verdict import Change, Verdict, worst
from vestbench.report.sheet import (
    ACCEPTANCE_STYLES,
    GAP,
    Cell,
    Part,
    Table,
    Text,
    numbers,
)
from vestbench.report.tables import assertions_table
from vestbench.report.units import (
    ABSENT,
    fixed,
    plural,
    with_interval,
)
from vestbench.stats.trend import FEWEST_RUNS, MARGIN
from vestbench.studies.parts.conditions import ending_lines, label

_BARS = "▁▂▃▄▅▆▇█"
_MOST_BARS = 80  # the newest ones; older runs are in the table
_RULE = (
    f"A change is marked where the whole interval of its shift is beyond "
    f"{100 * MARGIN:g} % of the saving before, and so sharp a split is rare among "
    f"all orders of the runs; that takes {FEWEST_RUNS} runs at least. Runs of "
    "different things are never in one row, and latencies are never compared."
)
_CHANGES = {Change.REGRESSED: ("▼", "bold red"), Change.IMPROVED: ("▲", "bold green")}


def history_report(
    entries: Mapping[str, Entry], unreadable: Mapping[str, str]
) -> Iterator[Part]:
    """Yield a table of runs, their files, and those that are no results and why."""
    yield _history_table(entries) if entries else Text("No results here.")
    for place, file in enumerate(entries, 1):  # as a cell it would be broken
        yield Text(f"{place:>3}  ").append(os.path.basename(file), "dim")
    yield from _left_out(unreadable)


def _history_table(entries: Mapping[str, Entry]) -> Table:
    figures = numbers("saving, ms [CI]")
    columns = [*numbers(""), "when, UTC", "run", "host", *figures, "verdict"]
    table = Table("Stored runs", columns)
    for place, entry in enumerate(entries.values(), 1):
        table.add_row(
            str(place),
            f"{entry.started:%Y-%m-%d %H:%M}",
            _what(entry),
            entry.host,
            Text(_saving(entry)).append_line(Text(_rests_on(entry), "dim")),
            _verdict(entry),
        )
    return table


def _what(entry: Entry) -> Text:
    what = Text().append(f"{entry.command} {entry.label}", "bold")
    what.append_line(Text(f"{entry.venue} {entry.endpoint}, {entry.stack}"))
    if entry.simulated:
        what.append_line(Text(f"simulated, {entry.link}", "magenta"))
    return what


def _saving(entry: Entry) -> str:
    return ABSENT if entry.saving is None else with_interval(entry.saving)


def _rests_on(entry: Entry) -> str:
    return plural(entry.n, entry.n_of)


def _verdict(entry: Entry) -> Text:
    if entry.acceptance is None:
        return Text(ABSENT)
    return Text(str(entry.acceptance), ACCEPTANCE_STYLES[entry.acceptance])


def _left_out(unreadable: Mapping[str, str]) -> Iterator[Text]:
    if unreadable:
        yield Text("Not shown:", "yellow")
    for file, reason in unreadable.items():
        yield Text(f"  {reason}" if file in reason else f"  {file}: {reason}")


# --- the trend -----------------------------------------------------------------------


def trend_report(
    found: Sequence[Series], unreadable: Mapping[str, str], last: int
) -> Iterator[Part]:
    """Yield the saving over time and the `last` runs of each series."""
    for series in found:
        yield from (*_series(series, last), GAP)
    if found:
        yield Text(_RULE, "dim")
    else:
        yield from (Text("No results here."), GAP)
    yield from _left_out(unreadable)


def _series(series: Series, last: int) -> Iterator[Part]:
    first, levels = series.first, series.levels
    where = f"{first.venue} {first.endpoint}, {first.stack} on {first.host}"
    yield Text(where, "bold").append(f": {first.compared}")
    if first.simulated:
        yield Text(f"simulated, {first.link}", "magenta")
    if not levels:
        count = plural(len(series.entries), "run")
        yield Text(f"No saving to compare in {count}: too few rounds, or invalid.")
        return
    left_out = max(0, len(levels) - _MOST_BARS)  # of the picture
    places = {change.at - left_out for change in series.changes}
    yield sparkline(levels[-_MOST_BARS:], places).append(
        f"  {plural(len(levels), 'run')}, {fixed(min(levels), 2)} to "
        f"{fixed(max(levels), 2)} {first.unit}"
    )
    yield from _findings(series)
    yield _trend_table(series, last)


def sparkline(levels: Sequence[float], changes: set[int]) -> Text:
    """Return values as bars from zero, with a mark in front of each of `changes`."""
    top = max(max(levels), 0.0) or 1.0
    line = Text()
    for place, level in enumerate(levels):
        if place in changes:
            line.append("╎", "bold yellow")
        share = min(max(level / top, 0.0), 1.0)
        line.append(_BARS[min(int(share * len(_BARS)), len(_BARS) - 1)])
    return line


def _findings(series: Series) -> Iterator[Text]:
    with_level = [e for e in series.entries if e.level is not None]
    for change in series.changes:
        shift = change.verdict.shift
        yield _mark(change.verdict.change).append(
            f" since {with_level[change.at].started:%Y-%m-%d %H:%M}: "
            f"{fixed(shift.estimate, 2, signed=True)} {series.first.unit} "
            f"[{fixed(shift.low, 2)}, {fixed(shift.high, 2)}], "
            f"now {fixed(change.level, 2)}",
            "default",
        )
    newest = series.newest
    if newest is None:
        return
    expected = newest.expected
    ends = f"{fixed(expected.low, 2)} to {fixed(expected.high, 2)}"
    value = fixed(series.levels[-1], 2)
    if newest.change is Change.NO_CHANGE_SHOWN:
        yield Text(f"The newest run, {value}, is as expected: {ends}", "dim")
        return
    yield _mark(newest.change).append(
        f" in the newest run: {value}, expected {ends}", "default"
    )


def _mark(change: Change) -> Text:
    sign, style = _CHANGES[change]
    return Text(f"{sign} {change}", style)


def _trend_table(series: Series, last: int) -> Table:
    unit = series.first.unit
    in_ms = unit == "ms"
    figures = [*([] if in_ms else [f"saving, {unit}"]), "saving, ms [CI]"]
    columns = ["when, UTC", *numbers("rests on", *figures), "verdict", ""]
    table = Table("Stored runs", columns)
    changes = {change.at: change.verdict.change for change in series.changes}
    place = -1
    rows: list[list[Cell]] = []
    for entry in series.entries:
        place += entry.level is not None
        change = changes.get(place) if entry.level is not None else None
        cells: list[Cell] = [f"{entry.started:%Y-%m-%d %H:%M}", _rests_on(entry)]
        if not in_ms:
            cells.append(ABSENT if entry.level is None else fixed(entry.level, 2))
        cells += [_saving(entry), _verdict(entry), _mark(change) if change else ""]
        rows.append(cells)
    for cells in rows[-last:]:
        table.add_row(*cells)
    return table


class Judged(Record, frozen=True, kw_only=True):
    """A stored run with what was asserted of it."""

    file: str
    run: Run
    results: tuple[AssertionResult, ...]
    verdict: Verdict  # on all results


def gate_report(judged: Sequence[Judged]) -> Iterator[Part]:
    """Yield what was asserted of each stored run, and what that makes in all."""
    for found in judged:
        head = Text(found.file, "bold")
        head.append(f"  {found.run.command} {found.run.label}, ")
        yield head.append(label(found.run), "magenta")
        yield from ending_lines(found.run)
        yield from (assertions_table(found.results), GAP)
    yield from gate_brief(judged)[-1:]


def gate_brief(judged: Sequence[Judged]) -> list[Part]:
    """Return the verdict on each stored run, and on all of several."""
    lines = [(found.file, found.verdict) for found in judged]
    if len(judged) > 1:
        everything = worst([found.verdict for found in judged])
        lines.append((plural(len(judged), "result"), everything))
    return [
        Text(f"{what}: ").append(str(verdict), ACCEPTANCE_STYLES[verdict])
        for what, verdict in lines
    ]
