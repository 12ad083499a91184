"""What a report is made of: lines of text, tables and pictures.

Nothing here knows how it will look: `terminal`, `markdown` and `html` draw it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol, Self, TypeAlias

from vestbench.characters import plain
from vestbench.model.record import Record
from vestbench.model.verdict import Verdict

ACCEPTANCE_STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.INVALID: "bold red",
}


class Text:
    """A text whose words may be bold, dim or coloured.

    Any text may be put in, such as one from a result file: characters that could
    control a terminal are replaced.

    Args:
        words: How it begins.
        style: Of these words, such as `bold` or `dim green`. Where nothing else is
            appended, blanks that fill a table's cell have this style too.
    """

    __slots__ = ("pieces", "style")

    def __init__(self, words: str = "", style: str = "") -> None:
        self.style = style
        self.pieces: list[tuple[str, str]] = []  # words and their style
        self.append(words, style)

    def append(self, words: str | Text, style: str = "") -> Self:
        """Add words in `style`, or another text with its own styles."""
        new = words.pieces if isinstance(words, Text) else [(plain(words), style)]
        for more, its_style in new:
            before, last_style = self.pieces[-1] if self.pieces else ("", None)
            if its_style == last_style:
                self.pieces[-1] = (before + more, its_style)
            elif more:
                self.pieces.append((more, its_style))
        return self

    def append_line(self, line: Text) -> Self:
        """Add a line below."""
        self.pieces += [("\n", ""), *line.pieces]
        return self

    @property
    def plain(self) -> str:
        """The words without their styles."""
        return "".join(words for words, _ in self.pieces)


Cell: TypeAlias = str | Text


class Column(Record, frozen=True):
    """A column of a table."""

    heading: str
    is_number: bool = False


def numbers(*headings: str) -> list[str | Column]:
    """Return columns of numbers, which are aligned to the right."""
    return [Column(heading, is_number=True) for heading in headings]


class Row(Record, frozen=True, kw_only=True):
    """A row of a table."""

    cells: tuple[Text, ...]
    ends_section: bool = False  # whether a rule follows it

    @property
    def is_heading(self) -> bool:
        """Say whether the row is a heading of the rows that follow."""
        return len(self.cells) > 1 and not any(cell.plain for cell in self.cells[1:])


class Table:
    """Rows of cells under headings.

    Args:
        about: The caption in a document; a terminal shows what is above the table.
        columns: A heading alone is a column of texts.
        layout: `ruled` has a rule below its headings, and `tight` less room between
            columns; `facts` are names with values, without headings; `listed` has no
            rule.
        title: What a terminal shows above the table.
    """

    def __init__(
        self,
        about: str,
        columns: Sequence[str | Column],
        *,
        layout: Literal["ruled", "tight", "facts", "listed"] = "ruled",
        title: str = "",
    ) -> None:
        self.about, self.layout, self.title = about, layout, title
        self.columns = [Column(c) if isinstance(c, str) else c for c in columns]
        self.rows: list[Row] = []

    def add_row(self, *cells: Cell) -> None:
        """Add a row; cells that are not given are empty."""
        missing = [Text()] * (len(self.columns) - len(cells))
        shown = (c if isinstance(c, Text) else Text(c) for c in cells)
        self.rows.append(Row(cells=(*shown, *missing)))

    def end_section(self) -> None:
        """Draw a rule below the last row, if there is a row."""
        if self.rows:
            self.rows[-1] = Row(cells=self.rows[-1].cells, ends_section=True)


def facts_table(about: str, facts: Iterable[tuple[str, Cell]]) -> Table:
    """Return names with their values, one a line."""
    table = Table(about, ["", ""], layout="facts")
    for name, value in facts:
        table.add_row(name, value)
    return table


class Picture(Protocol):
    """A picture made of characters."""

    def lines(self, width: int) -> Iterator[Text]:
        """Yield its lines, at most `width` characters wide."""


class Figure(Record, frozen=True):
    """A picture with its title; a page draws its own instead."""

    title: str
    picture: Picture


Part: TypeAlias = Text | Table | Figure

GAP = Text()  # an empty line, which only a terminal shows


class Sheet(Record, frozen=True, kw_only=True):
    """All that is said of a run, in the order in which it is said."""

    headline: tuple[Text, ...]
    # What the plan asserts; only a terminal shows this, documents show more.
    asserted: Table | None = None
    conditions: Table
    parts: tuple[Part, ...]
    warnings: tuple[str, ...]

    def __iter__(self) -> Iterator[Part]:
        """Yield everything in the order in which a terminal shows it."""
        yield from self.headline
        if self.asserted is not None:
            yield from (GAP, self.asserted)
        yield from (GAP, self.conditions, GAP, *self.parts)
        if self.warnings:
            yield GAP
            yield from map(warning_line, self.warnings)


def warning_line(text: str) -> Text:
    """Return a warning as it is shown."""
    return Text("warning: ", "yellow").append(text, "default")
