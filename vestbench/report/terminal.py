"""Reports as rich prints them; no other module of reports uses rich."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

from rich import box, table, text
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult

from vestbench.report.sheet import Figure, Part, Table, Text

_LAYOUTS: dict[str, dict[str, Any]] = {
    "ruled": {"box": box.SIMPLE_HEAD, "padding": (0, 1), "pad_edge": False},
    # With three blanks between columns, long tables do not fit into 80 columns.
    "tight": {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False},
    "facts": {"box": None, "show_header": False, "padding": (0, 2, 0, 0)},
    "listed": {"box": None, "title_justify": "left", "title_style": "bold red"},
}


def drawn(parts: Iterable[Part]) -> Group:
    """Return what rich prints of a report."""
    return Group(*map(_drawn, parts))


def as_text(parts: Iterable[Part], width: int = 100) -> str:
    """Return what a terminal without colours would show."""
    stream = StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    console.print(drawn(parts))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _drawn(part: Part) -> RenderableType:
    if isinstance(part, Text):
        return _text(part)
    if isinstance(part, Table):
        return _table(part)
    return _Picture(part)


def _text(shown: Text) -> text.Text:
    if {style for _, style in shown.pieces} <= {shown.style}:
        return text.Text(shown.plain, shown.style)
    return text.Text.assemble(*shown.pieces)


def _table(shown: Table) -> table.Table:
    layout = _LAYOUTS[shown.layout]
    found = table.Table(title=shown.title or None, **layout)
    for place, column in enumerate(shown.columns):
        names = shown.layout == "facts" and not place
        found.add_column(
            _text(Text(column.heading)),
            style="dim" if names else None,
            justify="right" if column.is_number else "left",
            overflow="fold",  # rich would cut cells in a narrow terminal
        )
    for row in shown.rows:
        found.add_row(*map(_text, row.cells), end_section=row.ends_section)
    return found


class _Picture:
    """Draws a figure to the width there is."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        yield text.Text(self._figure.title, "bold")
        yield from map(_text, self._figure.picture.lines(options.max_width))
