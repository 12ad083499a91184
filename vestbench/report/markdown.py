"""A run in GitHub's Markdown: verdict, conditions, tables; pictures as they are typed.

Texts from outside are escaped: they can neither format nor link, nor mention anybody.
"""

from __future__ import annotations

import re

from vestbench.characters import plain
from vestbench.model.verdict import Verdict
from vestbench.report.found import Found
from vestbench.report.sheet import Part, Picture, Table, Text
from vestbench.report.tables import assertions_table

_PICTURE_WIDTH = 96

_SIGNS = {
    Verdict.PASS: "✅",
    Verdict.FAIL: "❌",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.INVALID: "⚠️",
}

# Characters that format wherever they stand; an underscore inside a word does not.
_ACTIVE = re.compile(r"([\\`*|~$]|(?<!\w)_|_(?!\w)|(?<=\])\()")
# What would make a list or a heading of a paragraph that starts with it.
_OPENING = re.compile(r"^([-+=>#](?=\s|$|[-+=>#]))")
_LISTING = re.compile(r"^(\d+)(?=[.)]\s)")


def markdown_of(found: Found) -> str:
    """Return the document of a run."""
    run, sheet, where = found.run, found.sheet, found.where
    verdict = f"{_SIGNS[found.verdict]} {found.verdict}, " if found.verdict else ""
    blocks = [f"### {verdict}vestbench {escaped(run.command)}, {escaped(where)}"]
    blocks += [_paragraph(line) for line in sheet.headline]
    blocks += [f"> **Warning:** {escaped(text)}" for text in sheet.warnings]
    blocks.append(_table(sheet.conditions, where))
    if found.results:
        blocks.append(_table(assertions_table(found.results), where))
    blocks += (block for part in sheet.parts if (block := _block(part, where)))
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Return a text whose characters mean nothing else in Markdown."""
    shown = _ACTIVE.sub(r"\\\1", plain(text))
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # With an empty comment inside, GitHub sees no name of a person or an issue.
    return shown.replace("@", "@<!-- -->").replace("#", "#<!-- -->")


def _block(part: Part, where: str) -> str:
    if isinstance(part, Table):
        return _table(part, where)
    if isinstance(part, Text):
        return _paragraph(part)
    title = f"**{escaped(part.title)}** ({escaped(where)})"
    return f"{title}\n\n{_picture(part.picture)}"


def _paragraph(line: Text) -> str:
    text = _inline(line).strip()
    return _LISTING.sub(r"\1\\", _OPENING.sub(r"\\\1", text))


def _inline(text: Text) -> str:
    return "".join(
        _bold(words) if "bold" in style and words.strip() else escaped(words)
        for words, style in text.pieces
    )


def _bold(words: str) -> str:
    """Return words in bold; asterisks beside a blank would not format them."""
    inner = words.strip()
    before, after = words.split(inner, 1)
    return f"{before}**{escaped(inner)}**{after}"


def _table(table: Table, where: str) -> str:
    headless = table.layout == "facts"
    names = ["" if headless else escaped(each.heading) for each in table.columns]
    rules = ["---:" if each.is_number else "---" for each in table.columns]
    lines = [f"**{escaped(table.about)}** ({escaped(where)})", ""]
    lines += [_row(names), _row(rules)]
    lines += [_row(list(map(_indented, row.cells))) for row in table.rows]
    return "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _indented(cell: Text) -> str:
    shown = _inline(cell)
    depth = (len(cell.plain) - len(cell.plain.lstrip())) // 2
    return "&emsp;" * depth + shown.strip()


def _picture(picture: Picture) -> str:
    lines = [line.plain.rstrip() for line in picture.lines(_PICTURE_WIDTH)]
    drawn = "\n".join(lines).rstrip()
    # A label that holds backticks must not end the block.
    longest = max((len(ticks) for ticks in re.findall("`+", drawn)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{drawn}\n{fence}"
