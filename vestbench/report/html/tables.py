"""Tables and texts of a report as HTML: with captions, and heads with a scope."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from vestbench.model.columns import COLUMNS, Column
from vestbench.model.request import Outcome
from vestbench.model.run import Run
from vestbench.report.html.markup import Markup, join, tag
from vestbench.report.requests import in_order
from vestbench.report.sheet import Part, Row, Table, Text

# With more rows, a page is slow to open and to scroll.
MOST_ROWS = 1000

_SHORT = 16  # characters

# The class of each style that means something.
_MEANINGS = {"bold": "b", "dim": "dim", "green": "good", "red": "bad", "yellow": "fair"}


def inline(text: Text) -> Markup:
    """Return a text, with a class for each of its styles."""
    return join(
        tag("span", words, class_=kind) if (kind := _kind(words, style)) else words
        for words, style in text.pieces
    )


def _kind(words: str, style: str) -> str:
    kinds = [kind for word, kind in _MEANINGS.items() if word in style.split()]
    if kinds and len(words) <= _SHORT:  # so that a figure and its unit stay in one line
        kinds.append("short")
    return " ".join(kinds)


def shown_parts(parts: Sequence[Part], conditions: str) -> Iterator[Markup]:
    """Yield the tables and texts among `parts`; pictures are drawn elsewhere."""
    for part in parts:
        if isinstance(part, Table):
            yield shown_table(part, conditions)
        elif isinstance(part, Text) and part.pieces:
            yield tag("p", inline(part), class_="note")


def shown_table(table: Table, conditions: str) -> Markup:
    """Return a table; its caption says under which conditions it was measured."""
    head = kind = None
    if table.layout == "facts":
        kind = "facts"
    else:
        cells = (
            tag("th", column.heading, scope="col", class_=_side(column.is_number))
            for column in table.columns
        )
        head = tag("thead", tag("tr", cells))
    numbers = [column.is_number for column in table.columns]
    sections: list[list[Markup]] = [[]]
    for row in table.rows:
        sections[-1].append(_row(row, numbers))
        if row.ends_section:
            sections.append([])
    bodies = [tag("tbody", rows) for rows in sections if rows]
    caption = _caption(table.about, conditions)
    return scrolling(table.about, tag("table", caption, head, bodies, class_=kind))


def _caption(about: str, conditions: str) -> Markup:
    where = tag("span", conditions, class_="where")
    return tag("caption", tag("span", about, " ", where, class_="stay"))


def scrolling(about: str, table: Markup) -> Markup:
    """Return a table that scrolls if it is wider than the page."""
    return tag(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label=about
    )


def _row(row: Row, numbers: Sequence[bool]) -> Markup:
    name = row.cells[0]
    depth = (len(name.plain) - len(name.plain.lstrip())) // 2
    kind = f"deep{min(depth, 2)}" if depth else None
    if row.is_heading:
        span = str(len(row.cells))
        return tag("tr", tag("th", inline(name), scope="rowgroup", colspan=span))
    cells = (
        tag("td", inline(cell), class_=_side(number) or _length(cell))
        for cell, number in zip(row.cells[1:], numbers[1:], strict=True)
    )
    return tag("tr", tag("th", inline(name), scope="row", class_=kind), cells)


def _length(cell: Text) -> str | None:
    """Return the class that keeps a short text in one line."""
    return "short" if len(cell.plain) <= _SHORT else None


def _side(is_number: bool) -> str | None:
    return "n" if is_number else None


def requests_table(run: Run, conditions: str) -> Markup:
    """Return every request, or as many as a page can show, as a sortable table."""
    outcomes = list(islice(in_order(run), MOST_ROWS))
    total = len(run.samples) + len(run.failures)
    columns = [c for c in COLUMNS.on_page() if any(c.shown(o) for o in outcomes)]
    head = tag(
        "tr",
        tag("th", "#", scope="col", class_="n"),
        (
            tag("th", c.name, scope="col", class_=_side(c.is_number), title=c.about)
            for c in columns
        ),
    )
    rows = (
        _request(number, outcome, columns) for number, outcome in enumerate(outcomes, 1)
    )
    about = f"Every request, in the order sent: {total:,}"
    if total > MOST_ROWS:
        about = (
            f"The first {MOST_ROWS:,} of {total:,} requests, in the order "
            "sent; --csv FILE writes all"
        )
    table = tag(
        "table",
        _caption(about, conditions),
        tag("thead", head),
        tag("tbody", rows),
        id="requests",
        class_="compact",
    )
    return scrolling(about, table)


def _request(number: int, outcome: Outcome, columns: Iterable[Column]) -> Markup:
    cells = (
        tag("td", _short(column, outcome), class_=_side(column.is_number))
        for column in columns
    )
    return tag("tr", tag("th", str(number), scope="row", class_="n"), cells)


def _short(column: Column, outcome: Outcome) -> str:
    """Return a cell with microseconds rather than nanoseconds."""
    text = column.shown(outcome)
    return text[:-3] if text and column.name.endswith("_ms") else text
