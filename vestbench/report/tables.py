"""What several sheets show alike: spreads of durations, and what was asserted."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from vestbench.assertions.judge import AssertionResult
from vestbench.characters import plain
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import ACCEPTANCE_STYLES, Column, Table, Text, numbers
from vestbench.report.units import (
    ABSENT,
    ends,
    fixed,
    level,
    ms,
    plural,
    quantile_bound,
    quantile_cell,
)
from vestbench.stats.metrics import Metric


def figure_columns(confidence: float, *names: str) -> list[str | Column]:
    """Return columns called `names`, that of the median with its confidence."""
    median = f"p50 [{level(confidence)}]"
    return numbers(*(median if name == "p50" else name for name in names))


def figure_cells(found: Metric, *names: str) -> list[str]:
    """Return what `found` is under each name: requests, p50, p90, p99, min or max."""
    shown = {
        "requests": str(found.n),
        "p50": quantile_cell(found.p50),
        "p90": quantile_bound(found.p90),
        "p99": quantile_bound(found.p99),
        "min": ms(found.low),
        "max": ms(found.high),
    }
    return [shown[name] for name in names]


def sentence_of(result: AssertionResult) -> str:
    """Return an assertion in a line, with its outcome, its interval and its reason."""
    shown = [each for each in (_value(result), _interval(result)) if each != ABSENT]
    found = ", ".join(filter(None, [" ".join(shown), _rests_on(result)]))
    reason = f" ({result.reason})" if result.reason else ""
    return plain(f"{result.text}: {result.outcome}, {found}{reason}")


def assertions_table(results: Sequence[AssertionResult]) -> Table:
    """Return a table with a row for each assertion."""
    about = "What was asserted, each decided on its interval"
    columns = [
        "assertion",
        "outcome",
        *numbers("found", "interval", "rests on"),
        "reason",
    ]
    table = Table(about, columns)
    for result in results:
        table.add_row(
            result.text,
            Text(str(result.outcome), ACCEPTANCE_STYLES[result.outcome]),
            _value(result),
            _interval(result),
            _rests_on(result),
            result.reason,
        )
    return table


def _rests_on(result: AssertionResult) -> str:
    return plural(result.n, result.n_of)


def _value(result: AssertionResult) -> str:
    if result.value is None:
        return ABSENT
    return f"{fixed(result.value, _decimals(result))} {result.unit}".strip()


def _interval(result: AssertionResult) -> str:
    if result.outcome is Verdict.INVALID:
        return ABSENT
    if not result.unit:
        return "exact"  # a count is a fact of the run
    if result.low is None and result.high is None:
        return "[too few]"
    low = -inf if result.low is None else result.low
    high = inf if result.high is None else result.high
    return ends(low, high, _decimals(result))


def _decimals(result: AssertionResult) -> int:
    return {"": 0, "round trips": 2}.get(result.unit, 1)
