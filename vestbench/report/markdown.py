"""A run in GitHub's Markdown: verdict, conditions, tables; pictures as they are typed.

Texts from outside are escaped: they can neither format nor link, nor mention anybody.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import (
    CaptionedTable,
    Figure,
    Sheet,
    heads_of,
    lines_of,
    pieces,
    rows_of,
)
from vestbench.studies.parts.asserted import assertions_table
from vestbench.studies.parts.conditions import label

_PICTURE_WIDTH = 96

_SIGNS = {
    Verdict.PASS: "✅",
    Verdict.FAIL: "❌",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.INVALID: "⚠️",
}

# What formats wherever it stands. An underscore inside a word does not.
_ACTIVE = re.compile(r"([\\`*|~$]|(?<!\w)_|_(?!\w)|(?<=\])\()")
# What makes a block of a paragraph at its start.
_OPENING = re.compile(r"^([-+=>#](?=\s|$|[-+=>#])|\d+(?=[.)]\s))")


def markdown_of(
    run: Run,
    sheet: Sheet,
    results: tuple[AssertionResult, ...],
    acceptance: Verdict | None,
) -> str:
    """Return the document of a run.

    Args:
        run: What was measured.
        sheet: What is said of it.
        results: What was asserted.
        acceptance: The verdict on all of them; None where nothing was asserted.
    """
    where = label(run)
    verdict = f"{_SIGNS[acceptance]} {acceptance}, " if acceptance is not None else ""
    blocks = [f"### {verdict}vestbench {escaped(run.command)}, {escaped(where)}"]
    blocks += [_paragraph(line) for line in sheet.headline]
    blocks += [f"> **Warning:** {escaped(text)}" for text in sheet.warnings]
    blocks.append(_table(sheet.conditions, where))
    if results:
        blocks.append(_table(assertions_table(results), where))
    blocks += (_block(part, where) for part in lines_of(sheet.parts))
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Return a text that means in Markdown what it says."""
    shown = "".join(c if c.isprintable() else "�" for c in text)
    shown = _ACTIVE.sub(r"\\\1", shown)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An empty comment, so that GitHub takes it for no person and no issue.
    return shown.replace("@", "@<!-- -->").replace("#", "#<!-- -->")


def _block(part: RenderableType, where: str) -> str:
    if isinstance(part, Table):
        return _table(part, where)
    if isinstance(part, Text):
        return _paragraph(part)
    if isinstance(part, Figure):
        title = f"**{escaped(part.title)}** ({escaped(where)})"
        return f"{title}\n\n{_picture(part.picture)}"
    return _picture(part)


def _paragraph(line: Text) -> str:
    return _OPENING.sub(_harmless, _inline(line).strip())


def _harmless(found: re.Match[str]) -> str:
    start = found[1]
    return f"{start}\\" if start.isdigit() else f"\\{start}"


def _inline(text: Text) -> str:
    return "".join(
        _bold(words) if "bold" in style and words.strip() else escaped(words)
        for words, style in pieces(text)
    )


def _bold(words: str) -> str:
    """Return words in bold; blanks at their ends would keep them from being so."""
    inner = words.strip()
    before, after = words.split(inner, 1)
    return f"{before}**{escaped(inner)}**{after}"


def _table(table: Table, where: str) -> str:
    heads = heads_of(table)
    names = [_inline(text) if table.show_header else "" for text, _ in heads]
    rules = ["---:" if number else "---" for _, number in heads]
    about = table.about if isinstance(table, CaptionedTable) else ""
    lines = [f"**{escaped(about)}** ({escaped(where)})", ""]
    lines += [_row(names), _row(rules), *_rows(table)]
    return "\n".join(lines)


def _rows(table: Table) -> Iterator[str]:
    for row in rows_of(table):
        yield _row([_indented(cell) for cell in row.cells])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _indented(cell: Text) -> str:
    shown = _inline(cell)
    depth = (len(cell.plain) - len(cell.plain.lstrip())) // 2
    return "&emsp;" * depth + shown.strip()


def _picture(part: RenderableType) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=_PICTURE_WIDTH, color_system=None)
    console.print(part)
    lines = [line.rstrip() for line in stream.getvalue().rstrip().split("\n")]
    drawn = "\n".join(lines)
    # A label from outside must not end the block.
    longest = max((len(ticks) for ticks in re.findall("`+", drawn)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{drawn}\n{fence}"
