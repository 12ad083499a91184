"""The median cold and the median subsequent request by phase, to one scale."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from vestbench.model.columns import COLUMNS
from vestbench.report.units import ms
from vestbench.studies.parts.groups import Group

# Eighths of a cell, from none to seven; the full block is the eighth.
_EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")

# Cells of a line that are not bar: the two names before it, the time behind it.
_BESIDE = 24 + 11

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

    The client's own time is drawn last, although it is spread over the request: what
    is known of it is its sum. A phase that is too short for its bar is still marked.
    """

    def __init__(self, groups: tuple[Group, ...], *, merged: bool = False) -> None:
        # A group of failures only has a latency, but no phases.
        self._groups = tuple(g for g in groups if g.metric("client") is not None)
        self._merged = merged  # connect and tls as one: the link cannot tell them apart

    def rows(self) -> list[tuple[str, list[tuple[str, float]]]]:
        """Return for each group its name, and its phases in ms in their order."""
        return [(group.name, list(self._rows(group))) for group in self._groups]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Draw to the width there is."""
        rows = self.rows()
        whole = max((sum(d for _, d in phases) for _, phases in rows), default=0.0)
        if whole <= 0:
            return
        width = max(10, min(options.max_width, 120) - _BESIDE)
        yield Text(f"{'':24}0{ms(whole) + ' ms':>{width - 1}}", style="dim")
        for group, phases in rows:
            start = 0.0
            for place, (name, duration) in enumerate(phases):
                label = group if place == 0 else ""
                line = Text(f"{label:<11}", style="bold")
                line.append(f" {name:<11} ", style="not bold")
                line.append(_bar(start, duration, whole, width), _STYLES.get(name, ""))
                line.append(f" {ms(duration):>7} ms", style="not bold")
                yield line
                start += duration

    def _rows(self, group: Group) -> Iterator[tuple[str, float]]:
        shaken = COLUMNS.shaken if self._merged else ()
        for column in COLUMNS.parts:
            name, duration = column.title, group.typical(column.title)
            if column.phase is None or duration is None:
                continue
            if name not in shaken:
                yield name, duration
            elif name == shaken[-1]:
                together = sum(group.typical(each) or 0.0 for each in shaken)
                yield "+".join(shaken), together
        yield "client", max(0.0, group.typical("client") or 0.0)


def _bar(start: float, duration: float, whole: float, width: int) -> str:
    """Return a bar of `width` cells, exact to an eighth of a cell."""
    scale = width / whole
    first = int(start * scale)
    length = (start + duration) * scale - first
    full, rest = divmod(round(length * 8), 8)
    bar = "█" * full + _EIGHTHS[rest]
    # Where the bar starts inside its first cell cannot be drawn; its end is exact.
    return (" " * first + (bar or "▏"))[:width].ljust(width)
