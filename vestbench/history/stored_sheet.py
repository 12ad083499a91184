"""Two stored runs against each other, as a sentence and a table."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.history.stored import FEWEST, StoredComparison
from vestbench.report.sheet import GAP, Part, Table, Text, numbers, warning_line
from vestbench.report.units import ABSENT, fixed, ms, plural

_STYLES = {
    "REGRESSED": "bold red",
    "IMPROVED": "bold green",
    "NO CHANGE SHOWN": "bold yellow",
}


def stored_report(found: StoredComparison, then: str, now: str) -> list[Part]:
    """Return what two stored runs say, and what they cannot say."""
    return [
        _sentence(found),
        GAP,
        Text(f"then  {then}"),
        Text(f"now   {now}"),
        _table(found),
        Text(
            "Savings are compared, never latencies: runs of different times cannot be "
            "paired, so a difference of latencies may be one of the days. To compare "
            "two versions, run both interleaved.",
            "dim",
        ),
        *map(warning_line, _warnings(found)),
    ]


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
    figures = numbers("n", f"saving, {found.unit}", "ms", "RTT ms")
    table = Table("Savings then and now", ["", "started", *figures])
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
