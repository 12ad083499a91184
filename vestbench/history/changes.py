"""Two stored accounts of a program against each other: has a change of it helped?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from vestbench.model.verdict import Change
from vestbench.report.sheet import GAP, Part, Table, Text, numbers, warning_line
from vestbench.report.units import ABSENT, ends, fixed, level, ms, plural
from vestbench.studies.parts.changes import Changed, Changes

_STYLES = {
    Change.REGRESSED: "bold red",
    Change.IMPROVED: "bold green",
    Change.NO_CHANGE_SHOWN: "bold yellow",
}
_RULE = (
    "Each start of the program is one sample of its totals. A change is shown where "
    "its whole interval lies on one side of 0; of a time, beyond 10 % of what it was."
)


def changes_report(
    found: Changes, then: str, now: str, confidence: float
) -> list[Part]:
    """Return what has changed, and what cannot be said."""
    return [
        _sentence(found),
        GAP,
        Text(f"before  {then}  ({plural(found.runs[0], 'run')})"),
        Text(f"after   {now}  ({plural(found.runs[1], 'run')})"),
        _table(found, confidence),
        Text(_RULE, "dim"),
        *map(warning_line, differences(found.differing, found.notable)),
    ]


def _sentence(found: Changes) -> Text:
    verdict, first = found.change, found.changed[0]
    both = f"{_value(first, first.before)} before, {_value(first, first.after)} after"
    if verdict is None:
        return Text(f"{first.name}: {both}. ", "bold").append(
            f"Whether that is more than chance takes {found.needed} runs on either "
            f"side: vestbench exec --runs {found.needed}"
        )
    line = Text("The program: ").append(str(verdict), _STYLES[verdict])
    return line.append(f"  {first.name}: {both}")


def _table(found: Changes, confidence: float) -> Table:
    figures = numbers("before", "after", f"change [{level(confidence)}]")
    table = Table("The program before and after", ["a run has", *figures, ""])
    for each in found.changed:
        name = f"{each.name}, {each.unit}" if each.unit else each.name
        change = each.change
        table.add_row(
            name,
            _value(each, each.before),
            _value(each, each.after),
            _shift(each),
            ABSENT if change is None else Text(str(change), _STYLES[change]),
        )
    return table


def _value(each: Changed, value: float) -> str:
    return ms(value) if each.unit == "ms" else f"{value:g}"


def _shift(each: Changed) -> str:
    decimals = 1 if each.unit else 0
    moved = each.shift
    if not (isfinite(moved.low) and isfinite(moved.high)):
        return f"{fixed(moved.estimate, decimals, signed=True)} [too few]"
    found = ends(moved.low, moved.high, decimals)
    return f"{fixed(moved.estimate, decimals, signed=True)} {found}"


def differences(differing: Sequence[str], notable: Sequence[str]) -> Iterator[str]:
    """Warn of the conditions in which two stored runs differ.

    Args:
        differing: For which they are not compared unasked.
        notable: For which they are.
    """
    if differing:
        names = ", ".join(differing)
        yield f"the runs are of different things: {names} (--force)"
    if notable:
        yield f"the runs also differ in: {', '.join(notable)}"
