"""Reports in a narrow terminal: cells are broken, but nothing of them is lost."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.documents import RUNS
from vestbench.report.sheet import Table
from vestbench.report.terminal import as_text
from vestbench.studies.shown import show_run

WIDE = 400


def without_blanks_and_rules(text: str) -> Counter[str]:
    return Counter(c for c in text if not c.isspace() and c != "─")


@pytest.mark.parametrize("width", [50, 60, 80])
@pytest.mark.parametrize("name", RUNS)
def test_no_table_loses_anything_in_a_narrow_terminal(name: str, width: int) -> None:
    tables = [part for part in show_run(RUNS[name]()).parts if isinstance(part, Table)]

    for table in tables:
        shown = as_text([table], width)
        assert without_blanks_and_rules(shown) == without_blanks_and_rules(
            as_text([table], WIDE)
        )
        assert max(map(len, shown.splitlines())) <= width


def test_a_table_that_was_shown_in_a_narrow_terminal_is_whole_in_a_wide_one() -> None:
    table = Table("Figures", ["what"])
    table.add_row("1.0 [0.9, 1.1]")
    wide = as_text([table])

    assert "1.0 [0.9, 1.1]" not in as_text([table], 10)
    assert as_text([table]) == wide
    assert "1.0 [0.9, 1.1]" in wide


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", RUNS)
def test_no_word_is_broken_where_another_column_has_room(name: str, width: int) -> None:
    for table in (part for part in show_run(RUNS[name]()) if isinstance(part, Table)):
        cells = [cell.plain for row in table.rows for cell in row.cells]
        words = {w for c in (*headings(table), *cells) for w in c.split()}
        shown = set(as_text([table], width).split())

        assert words <= shown or least_width(table) > width


def headings(table: Table) -> list[str]:
    return [column.heading for column in table.columns]


def least_width(table: Table) -> int:
    """Return the width of the longest words beside each other, with what is between."""
    columns = zip(*(row.cells for row in table.rows), strict=True)
    words = [
        [len(w) for c in (heading, *(cell.plain for cell in cells)) for w in c.split()]
        for heading, cells in zip(headings(table), columns, strict=True)
    ]
    between = 1 if table.layout in ("ruled", "tight") else 2
    return sum(max(found, default=0) + between for found in words) + 1
