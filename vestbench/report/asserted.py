"""What was asserted of a run, as a table and as a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from vestbench.assertions.judge import AssertionResult
from vestbench.report.sheet import ACCEPTANCE_STYLES, Table, Text, numbers
from vestbench.report.units import ABSENT, fixed, plain


def sentence_of(result: AssertionResult) -> str:
    """Return an assertion in a line, with its outcome, its interval and its reason."""
    found = f"{_value(result)} {_interval(result)}, n={result.n}"
    reason = f" ({result.reason})" if result.reason else ""
    return plain(f"{result.text}: {result.outcome}, {found}{reason}")


def assertions_table(results: Sequence[AssertionResult]) -> Table:
    """Return a table with a row for each assertion."""
    about = "What was asserted, each decided on its interval"
    columns = ["assertion", "outcome", *numbers("found", "interval", "n"), "reason"]
    table = Table(about, columns)
    for result in results:
        table.add_row(
            result.text,
            Text(str(result.outcome), ACCEPTANCE_STYLES[result.outcome]),
            _value(result),
            _interval(result),
            str(result.n),
            result.reason,
        )
    return table


def _value(result: AssertionResult) -> str:
    if result.value is None:
        return ABSENT
    return f"{fixed(result.value, _decimals(result))} {result.unit}".strip()


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
