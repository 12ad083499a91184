"""Every request of a run as a row, failures included: for CSV and for a page.

Milliseconds have six decimals, so they are exact to the nanosecond. What does not
exist is an empty cell: a phase that did not happen, the latency of a failure.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from heapq import merge
from typing import Any

from vestbench.characters import plain
from vestbench.model.columns import COLUMNS
from vestbench.model.request import Failure, Outcome, Sample
from vestbench.model.run import Run

# What a spreadsheet takes for the start of a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@")


def in_order(run: Run) -> Iterator[Outcome]:
    """Yield the requests of `run` in the order sent, as far as they were in order.

    Those that were in flight at the same time come as they ended. Nothing is sorted,
    so a run of any length needs no memory.
    """
    return merge(run.samples, run.failures, key=lambda outcome: outcome.start_ns)


def rows_as_csv(run: Run, conditions: str) -> Iterator[str]:
    """Return the requests of `run` as RFC 4180 has it: a header, then a row each.

    The first column is the conditions: a figure without them says nothing. The last two
    are the run, and the time in UTC as ISO 8601 has it, as a run's clock tells it.
    """
    conditions = _harmless(f"{run.conditions.venue}, {conditions}")
    cells_of = {record: _cells(record) for record in (Sample, Failure)}
    name, time_of = _harmless(run.name), run.clock()
    rows = (
        [conditions, *cells_of[type(o)](o), name, time_of(o.start_ns)]
        for o in in_order(run)
    )
    yield header()
    yield from map(_writer().writerow, rows)


def header() -> str:
    """Return the first line of CSV."""
    names = (column.name for column in COLUMNS.all)
    return str(_writer().writerow(["conditions", *names, "run", "time"]))


def _writer() -> Any:
    return csv.writer(_Echo(), lineterminator="\r\n")


def _cells(record: type[Outcome]) -> Callable[[Outcome], Iterator[str]]:
    """Return how to get the cells of a record of this type; an absent one is empty."""
    parts = [
        (column.getter(record), column.codec.text, column.is_number)
        for column in COLUMNS.all
    ]

    def cells(outcome: Outcome) -> Iterator[str]:
        for value_of, text_of, is_number in parts:
            value = value_of(outcome)
            cell = "" if value is None else text_of(value)
            yield cell if is_number else _harmless(cell)

    return cells


class _Echo:
    """A file that keeps nothing: what is written to it is what `write` returns."""

    def write(self, text: str) -> str:
        return text


def _harmless(text: str) -> str:
    """Return `text` so that no terminal and no spreadsheet takes it for an order."""
    text = plain(text)
    return f"'{text}" if text.startswith(_FORMULA) else text
