"""A report before it has a form: the same parts for a terminal and for documents.

What Rich builds for a terminal is taken apart here, so that a document can show it
without drawing a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from vestbench.model.verdict import Verdict
from vestbench.report.units import plain

ACCEPTANCE_STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.INVALID: "bold red",
}

_UNBOUNDED = 10_000  # columns of a terminal


class FoldingTable(Table):
    """A table that in a narrow terminal breaks its cells, where rich would cut them."""

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Show it in a terminal."""
        needed = Table.__rich_measure__(
            self, console, options.update(max_width=_UNBOUNDED)
        )
        if needed.maximum <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        folding = copy(self)
        folding.columns = [copy(column) for column in self.columns]
        for column in folding.columns:
            column.no_wrap, column.overflow = False, "fold"
        yield from Table.__rich_console__(folding, console, options)


class CaptionedTable(FoldingTable):
    """A table that knows what it is about; a terminal shows that by what is above.

    Args:
        about: Its caption in a document.
        options: Of `rich.table.Table`.
    """

    def __init__(self, about: str, **options: Any) -> None:
        super().__init__(**options)
        self.about = about


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its title; a page draws its own instead."""

    title: str
    picture: RenderableType

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Show it in a terminal."""
        yield Text(self.title, "bold")
        yield self.picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All that is said of a run, in the order in which it is said."""

    headline: tuple[Text, ...]
    # What the plan asserts, for a terminal: a document shows all that is asserted.
    asserted: tuple[RenderableType, ...] = ()
    conditions: Table
    parts: tuple[RenderableType, ...]  # an empty text is an empty line
    warnings: tuple[str, ...]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Show it in a terminal."""
        yield from self.headline
        yield from self.asserted
        yield ""
        yield self.conditions
        yield ""
        yield from self.parts
        if self.warnings:
            yield ""
            yield from map(warning_line, self.warnings)


def warning_line(text: str) -> Text:
    """Return a warning as it is shown."""
    return Text("warning: ", style="yellow").append(plain(text).plain, "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of a table; `ends_section` where a rule follows it."""

    cells: tuple[Text, ...]
    ends_section: bool

    @property
    def is_heading(self) -> bool:
        """Say whether the row only names what follows."""
        return len(self.cells) > 1 and not any(cell.plain for cell in self.cells[1:])


def heads_of(table: Table) -> list[tuple[Text, bool]]:
    """Return the heading of each column, and whether its cells are numbers."""
    return [(_text(c.header), c.justify == "right") for c in table.columns]


def rows_of(table: Table) -> list[TableRow]:
    """Return the rows of a table as texts."""
    columns = [list(column.cells) for column in table.columns]
    return [
        TableRow(cells=tuple(map(_text, cells)), ends_section=row.end_section)
        for row, cells in zip(table.rows, zip(*columns, strict=True), strict=True)
    ]


def pieces(text: Text) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the stretches of `text` and the words of their style: bold, dim, red."""
    spans = text.spans
    cuts = {0, len(text), *(s.start for s in spans), *(s.end for s in spans)}
    for start, end in pairwise(sorted(cuts)):
        styles = [text.style]
        styles += [s.style for s in spans if s.start <= start and s.end >= end]
        if text.plain[start:end]:
            yield text.plain[start:end], _words(map(str, styles))


def _words(styles: Any) -> frozenset[str]:
    """Join styles, of which a later one may take back an earlier: `not bold`."""
    found: set[str] = set()
    for style in styles:
        words = style.split()
        for before, word in pairwise(("", *words)):
            if before == "not":
                found.discard(word)
            elif word != "not":
                found.add(word)
    return frozenset(found)


def _text(cell: RenderableType) -> Text:
    if isinstance(cell, Text):
        return cell
    return Text(str(cell))


def lines_of(parts: Sequence[RenderableType]) -> list[RenderableType]:
    """Return `parts` without the empty lines that only a terminal needs."""
    return [part for part in parts if not (isinstance(part, str) and not part)]
