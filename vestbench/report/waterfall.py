"""Requests phase by phase, to one scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from vestbench.report.sheet import Text
from vestbench.report.units import ms

# For each group of requests its name, and its phases with their ms, in their order.
PhaseRows: TypeAlias = Sequence[tuple[str, Sequence[tuple[str, float]]]]

# Eighths of a cell, from none to seven; the full block is the eighth.
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")

# Cells beside a bar: two names before it, and the time behind it.
_BESIDE = 24 + 11
_WIDEST = 120

_STYLES = {
    "sign": "red",
    "dns": "magenta",
    "connect": "blue",
    "tls": "yellow",
    "send": "cyan",
    "wait": "green",
    "receive": "cyan",
    "client": "bright_black",
}


class Waterfall:
    """Draws each phase where it starts, as long as it takes.

    A phase that is too short for its bar is still marked.
    """

    def __init__(self, rows: PhaseRows) -> None:
        self._rows = rows

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines of the picture, `width` characters wide."""
        whole = longest(self._rows)
        if whole <= 0:
            return
        room = max(10, min(width, _WIDEST) - _BESIDE)
        yield Text(f"{'':24}0{ms(whole) + ' ms':>{room - 1}}", "dim")
        for group, phases in self._rows:
            start = 0.0
            for place, (name, duration) in enumerate(phases):
                line = Text(f"{'' if place else group:<11}", "bold")
                line.append(f" {name:<11} ")
                style = f"bold {_STYLES.get(name, '')}".strip()
                line.append(_bar(start, duration, whole, room), style)
                yield line.append(f" {ms(duration):>7} ms")
                start += duration


def longest(rows: PhaseRows) -> float:
    """Return the longest sum of phases in ms; 0 without a request."""
    return max((sum(d for _, d in phases) for _, phases in rows), default=0.0)


def _bar(start: float, duration: float, whole: float, width: int) -> str:
    """Return a bar of `width` cells, exact to an eighth of a cell."""
    scale = width / whole
    first = int(start * scale)
    length = (start + duration) * scale - first
    full, rest = divmod(round(length * 8), 8)
    bar = "█" * full + _EIGHTHS[rest]
    # Where the bar starts inside its first cell cannot be drawn; its end is exact.
    return (" " * first + (bar or "▏"))[:width].ljust(width)
