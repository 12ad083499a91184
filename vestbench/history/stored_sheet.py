"""Two stored runs against each other, as a sentence and a table."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.history.stored import FEWEST, StoredComparison
from vestbench.report.sheet import warning_line
from vestbench.report.units import ABSENT, fixed, ms, plain, plural

_STYLES = {
    "REGRESSED": "bold red",
    "IMPROVED": "bold green",
    "NO CHANGE SHOWN": "bold yellow",
}


def stored_report(found: StoredComparison, then: str, now: str) -> RenderableType:
    """Return what two stored runs say, and what they cannot say."""
    return Lines(
        _sentence(found),
        "",
        Text("then  ").append_text(plain(then)),
        Text("now   ").append_text(plain(now)),
        _table(found),
        Text(
            "Savings are compared, never latencies: runs of different times cannot be "
            "paired, so a difference of latencies may be one of the days. To compare "
            "two versions, run both interleaved.",
            "dim",
        ),
        *(warning_line(text) for text in _warnings(found)),
    )


def _sentence(found: StoredComparison) -> Text:
    verdict = found.verdict
    if verdict is None:
        return Text(f"Too few savings to compare: at least {FEWEST} on either side.")
    change = str(verdict.change)
    line = Text("The saving: ").append(change, _STYLES.get(change, "bold"))
    ends = f"[{fixed(verdict.shift.low, 2)}, {fixed(verdict.shift.high, 2)}]"
    line.append(
        f"  {fixed(verdict.shift.estimate, 2, signed=True)} {found.unit} {ends}"
    )
    return line.append(f", margin {fixed(verdict.margin, 2)}")


def _table(found: StoredComparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("started", no_wrap=True)
    for heading in ("n", f"saving, {found.unit}", "ms", "RTT ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, side in (("then", found.then), ("now", found.now)):
        if side is None:
            table.add_row(name, ABSENT, "0", ABSENT, ABSENT, ABSENT)
            continue
        table.add_row(
            name,
            side.started,
            str(side.n),
            fixed(side.median_saving, 2),
            ms(side.median_saving_ms),
            ms(side.rtt_ms),
        )
    return table


def _warnings(found: StoredComparison) -> Iterator[str]:
    if found.differing:
        names = ", ".join(found.differing)
        yield f"the runs are of different things: {names} (--force)"
    if found.notable:
        yield f"the runs also differ in: {', '.join(found.notable)}"
    for name, side in (("then", found.then), ("now", found.now)):
        if side is not None and side.failures:
            yield (
                f"{name}: {plural(side.failures, 'request')} failed; there is no "
                "saving of these, and none is counted"
            )
    if found.unit == "ms":
        yield (
            "one of the runs knows no round trip, so savings are compared in ms: a "
            "change of the route looks like one of the client"
        )
