"""The records a report is made of, and how a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.printed import written
from vestbench.report.sheet import Figure, Table, Text, facts_table, numbers


def test_a_text_keeps_the_style_of_each_of_its_words() -> None:
    line = Text("saves ").append("62.7 ms", "bold").append(" a ").append("request")

    assert line.plain == "saves 62.7 ms a request"
    assert line.pieces == [("saves ", ""), ("62.7 ms", "bold"), (" a request", "")]


def test_a_text_in_a_text_keeps_its_own_styles() -> None:
    inner = Text("PASS", "bold green").append(" at last", "dim")

    line = Text("verdict: ", "yellow").append(inner, "red")

    assert line.pieces == [("verdict: ", "yellow"), *inner.pieces]


@pytest.mark.parametrize("words", ["\x1b[2J", "two\nlines", "‮", "\ud800", "\t"])
def test_whatever_a_text_holds_is_harmless(words: str) -> None:
    table = Table(words, [words, *numbers(words)])
    table.add_row(words, Text("n ").append(words, "bold"))

    shown = written([Text(words), table, facts_table(words, [(words, words)])])

    assert shown.replace("\n", "").isprintable()
    assert "�" in shown
    assert Text(words).plain.isprintable()


def test_only_a_line_of_our_own_starts_a_line() -> None:
    cell = Text("first").append_line(Text("second", "dim"))
    table = Table("Lines", ["what", "n"])
    table.add_row(cell, "1")

    assert [line.strip() for line in written([table]).splitlines()[3:-1]] == [
        "first    1",
        "second",
    ]


def test_cells_that_are_not_given_are_empty_and_make_a_heading() -> None:
    table = Table("Groups", ["ms", *numbers("n", "p50")])
    table.add_row("cold")
    table.add_row("  latency", "20", "99.3")
    table.end_section()

    heading, row = table.rows
    assert [cell.plain for cell in heading.cells] == ["cold", "", ""]
    assert (heading.is_heading, row.is_heading) == (True, False)
    assert (heading.ends_section, row.ends_section) == (False, True)


def test_a_table_without_rows_has_no_section_to_end() -> None:
    table = Table("Nothing", ["ms"])

    table.end_section()

    assert table.rows == []


def test_numbers_are_on_the_right_and_texts_on_the_left() -> None:
    table = Table("Figures", ["what", *numbers("ms")])
    table.add_row("connect", "30.1")
    table.add_row("tls", "1503")

    lines = written([table]).splitlines()

    assert [line[1:] for line in lines[3:5]] == ["connect   30.1", "tls       1503"]


def test_markup_of_rich_is_shown_as_it_is() -> None:
    table = Table("Extras", ["[bold]install[/bold]"])
    table.add_row("vestbench[http2] :tada:")

    shown = written([Text("[red]x[/red]"), table])

    for text in ("[red]x[/red]", "[bold]install[/bold]", "vestbench[http2] :tada:"):
        assert text in shown


@pytest.mark.parametrize("width", [20, 80])
def test_a_picture_is_drawn_to_the_width_there_is(width: int) -> None:
    class Ruler:
        def lines(self, width: int) -> Iterator[Text]:
            yield Text("─" * width, "dim")

    shown = written([Figure("A ruler", Ruler())], width)

    assert shown.splitlines() == ["A ruler", "─" * width]
