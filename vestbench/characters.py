"""The characters of what is shown: safe ones, and such as the output's encoding has.

Pictures keep their widths: what stands in one is replaced by one character.
"""

from __future__ import annotations

import codecs

# In place of what an encoding lacks; a block of half the size and more is a full one.
_SIMPLER = {
    **dict.fromkeys("█▉▊▋▌▇▆", "#"),
    **dict.fromkeys("▍▎▏│╎", "|"),
    **dict.fromkeys("▅▄", "="),
    **dict.fromkeys("▃▂▁", "_"),
    **dict.fromkeys("─━╌–−", "-"),
    **dict.fromkeys("├└", "+"),
    "▲": "^",
    "▼": "v",
    "≥": ">=",
    "≤": "<=",
    "×": "x",
    "µ": "u",
    "²": "2",
    "³": "3",
    "√": "root ",
    "→": "->",
    "…": "...",
    "�": "?",
    "✓": "+",
    "✗": "x",
}
HANDLER = "vestbench"  # of errors of encoding, by its registered name


def _simpler(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    known = (_SIMPLER.get(each) for each in lacking)
    pairs = zip(lacking, known, strict=True)
    text = "".join(
        each.encode("ascii", "backslashreplace").decode() if simple is None else simple
        for each, simple in pairs
    )
    return text, error.end


codecs.register_error(HANDLER, _simpler)


def written_in(encoding: str, text: str) -> str:
    """Return a text as it can be written in an encoding, before it is laid out."""
    if text.isascii() or encoding.lower() in ("utf-8", "utf8"):
        return text
    return text.encode(encoding, HANDLER).decode(encoding)


def plain(text: str, instead: str = "�") -> str:
    """Return a text from outside, such as a result file, made safe for a terminal.

    Args:
        text: Any.
        instead: What becomes of each character that is an order.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else instead for c in text)


def plain_lines(text: str) -> str:
    """Return a text likewise whose line breaks are our own, and stay."""
    return "\n".join(map(plain, text.split("\n")))
