"""Reports as rich prints them; no other module of reports uses rich."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

from rich import box, table, text
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement

from vestbench.characters import written_in
from vestbench.report.sheet import Figure, Part, Table, Text

_FREE = 10_000  # a width in which no line is broken

_LAYOUTS: dict[str, dict[str, Any]] = {
    "ruled": {"box": box.SIMPLE_HEAD, "padding": (0, 1), "pad_edge": False},
    # With three blanks between columns, long tables do not fit into 80 columns.
    "tight": {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False},
    "facts": {"box": None, "show_header": False, "padding": (0, 2, 0, 0)},
    "listed": {"box": None, "title_justify": "left", "title_style": "bold red"},
}


def drawn(parts: Iterable[Part], encoding: str = "utf-8") -> Group:
    """Return what rich prints of a report, in characters that the encoding has."""
    return Group(*(_drawn(part, encoding) for part in parts))


def as_text(parts: Iterable[Part], width: int = 100) -> str:
    """Return what a terminal without colours would show."""
    stream = StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    console.print(drawn(parts))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _drawn(part: Part, encoding: str) -> RenderableType:
    if isinstance(part, Text):
        return _text(part, encoding)
    if isinstance(part, Table):
        return _table(part, encoding)
    return _Picture(part, encoding)


def _text(shown: Text, encoding: str) -> text.Text:
    if {style for _, style in shown.pieces} <= {shown.style}:
        return text.Text(written_in(encoding, shown.plain), shown.style)
    pieces = ((written_in(encoding, piece), style) for piece, style in shown.pieces)
    return text.Text.assemble(*pieces)


class _Fitted:
    """Draws a table, and breaks no word of it where its cells can be broken elsewhere.

    Rich makes the widest columns narrower, whether they have room to give or not.
    """

    def __init__(self, drawn: table.Table) -> None:
        self._table = drawn

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        found, free = self._table, options.update_width(_FREE)
        sizes = [_size_of(each, console, free) for each in found.columns]
        least, full = [low for low, _ in sizes], [high for _, high in sizes]
        room = options.max_width - self._between(console, free, full)
        if sum(least) > room and found.box is not None:  # which has a blank of its own
            found.padding = 0
            room = options.max_width - self._between(console, free, full)
        if sum(least) <= room < sum(full):
            for each, width in zip(
                found.columns, _shared(least, full, room), strict=True
            ):
                each.width = width
        yield found

    def _between(
        self, console: Console, options: ConsoleOptions, full: list[int]
    ) -> int:
        """Return what a line has besides its cells."""
        return Measurement.get(console, options, self._table).maximum - sum(full)


def _size_of(
    column: table.Column, console: Console, options: ConsoleOptions
) -> tuple[int, int]:
    """Return the widths of the longest word and of the longest line of a column."""
    cells = [column.header, *column.cells]
    found = [Measurement.get(console, options, cell) for cell in cells]
    return max(f.minimum for f in found), max(f.maximum for f in found)


def _shared(least: list[int], full: list[int], room: int) -> list[int]:
    """Return widths that fill the room; what is missing, the widest lack first."""
    widths = list(full)
    while sum(widths) > room:
        able = [place for place, width in enumerate(widths) if width > least[place]]
        widths[max(able, key=widths.__getitem__)] -= 1
    return widths


def _table(shown: Table, encoding: str) -> _Fitted:
    layout = _LAYOUTS[shown.layout]
    found = table.Table(title=shown.title or None, **layout)
    for place, column in enumerate(shown.columns):
        names = shown.layout == "facts" and not place
        found.add_column(
            _text(Text(column.heading), encoding),
            style="dim" if names else None,
            justify="right" if column.is_number else "left",
            overflow="fold",  # rich would cut cells in a narrow terminal
        )
    for row in shown.rows:
        cells = (_text(cell, encoding) for cell in row.cells)
        found.add_row(*cells, end_section=row.ends_section)
    return _Fitted(found)


class _Picture:
    """Draws a figure to the width there is."""

    def __init__(self, figure: Figure, encoding: str) -> None:
        self._figure = figure
        self._encoding = encoding

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        yield text.Text(self._figure.title, "bold")
        for line in self._figure.picture.lines(options.max_width):
            yield _text(line, self._encoding)
