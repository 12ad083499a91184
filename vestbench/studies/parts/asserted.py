"""What was asserted of a run, as a table and as a sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.report.sheet import ACCEPTANCE_STYLES, CaptionedTable
from vestbench.report.units import ABSENT, fixed, plain

if TYPE_CHECKING:
    from vestbench.assertions.judge import AssertionResult


def asserted_part(results: Sequence[AssertionResult]) -> list[RenderableType]:
    """Return the assertions that a plan holds, as they were judged, if it holds any."""
    return ["", assertions_table(results)] if results else []


def sentence_of(result: AssertionResult) -> str:
    """Return an assertion with its outcome, its interval and its reason, in a line."""
    found = f"{_value(result)} {_interval(result)}, n={result.n}"
    reason = f" ({result.reason})" if result.reason else ""
    return plain(f"{result.text}: {result.outcome}, {found}{reason}").plain


def assertions_table(results: Sequence[AssertionResult]) -> Table:
    """Return the assertions, one a row."""
    about = "What was asserted, each decided on its interval"
    table = CaptionedTable(about, box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("assertion", overflow="fold")
    table.add_column("outcome")
    for heading in ("found", "interval", "n"):
        table.add_column(heading, justify="right")
    table.add_column("reason")
    for result in results:
        table.add_row(
            plain(result.text),
            Text(str(result.outcome), ACCEPTANCE_STYLES[result.outcome]),
            Text(_value(result)),
            Text(_interval(result)),
            str(result.n),
            plain(result.reason),
        )
    return table


def _value(result: AssertionResult) -> str:
    if result.value is None:
        return ABSENT
    return f"{fixed(result.value, _decimals(result))} {plain(result.unit)}".strip()


def _interval(result: AssertionResult) -> str:
    if not result.unit:
        return "exact"  # a count is a fact of the run
    if result.low is None and result.high is None:
        return "[too few]"
    decimals = _decimals(result)
    low = "-∞" if result.low is None else fixed(result.low, decimals)
    high = "∞" if result.high is None else fixed(result.high, decimals)
    return f"[{low}, {high}]"


def _decimals(result: AssertionResult) -> int:
    return {"": 0, "round trips": 2}.get(result.unit, 1)
