"""HTML and SVG from nested calls: a text is escaped unless it is `Markup` already.

What is built is well-formed XML as well, so any XML parser can check it.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from vestbench.characters import plain_lines

# Elements of HTML that have no content and no end tag.
_VOID = frozenset({"meta", "link", "br"})


class Markup(str):
    """Text that is markup, not to be escaped again."""

    __slots__ = ()


Child = str | Iterable["Child"] | None


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element.

    Args:
        name: Of the element.
        children: Texts, elements, or iterables of them; None is nothing.
        attributes: Their underscores become hyphens, and one at the end is dropped, as
            in `class_`. None is an attribute that is not there.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{words}/>")
    return Markup(f"<{name}{words}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Return `children` one after the other, escaped where they are plain text."""
    return Markup("".join(_parts(children)))


def _parts(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            yield child if isinstance(child, Markup) else safe(child)
        else:
            yield from _parts(child)


def safe(text: str) -> str:
    """Return `text` escaped, and without control characters."""
    return escape(plain_lines(text))


def _number(value: str | float) -> str:
    """Return a coordinate, rounded to a tenth of a pixel."""
    return value if isinstance(value, str) else f"{round(value, 1):g}"
