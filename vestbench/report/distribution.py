"""The latencies of several arms on one axis, with their medians marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from vestbench.report.units import ms, plain
from vestbench.stats import histogram, quantile

_LEVELS = " ▁▂▃▄▅▆▇█"
_STYLES = ("cyan", "green", "yellow", "magenta", "blue")

# Beyond this quantile the axis ends: one outlier must not squeeze all the rest.
_AXIS_END = 0.98


class Distributions:
    """A histogram a line; a higher block is more requests, at least one is visible.

    Args:
        latencies_ms: By label; a failed request is infinite and counted aside.
    """

    def __init__(self, latencies_ms: Mapping[str, Sequence[float]]) -> None:
        self._arms = {
            label: (
                [value for value in values if isfinite(value)],
                sum(not isfinite(value) for value in values),
            )
            for label, values in latencies_ms.items()
        }

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Draw to the width there is."""
        everything = [value for found, _ in self._arms.values() for value in found]
        if not everything:
            return
        name_width = 2 + max(len(label) for label in self._arms)
        width = max(20, min(options.max_width, 120) - name_width)
        low = min(everything)
        high = max(
            quantile(found, _AXIS_END) for found, _ in self._arms.values() if found
        )
        if high <= low:
            high = low + max(1.0, abs(low) * 0.01)
        scale = (width - 1) / (high - low)
        for style, (label, (found, failed)) in zip(
            _cycle(len(self._arms)), self._arms.items(), strict=True
        ):
            line = plain(label.ljust(name_width))
            line.stylize("bold")
            line.append(_bars(histogram(found, low, high, width)), style)
            yield line
            if found:
                yield _marker(found, failed, low, high, scale, name_width)
        end = f"{ms(high)} ms"
        gap = width - len(ms(low)) - len(end)
        yield Text(" " * name_width + ms(low) + " " * gap + end, "dim")


def _cycle(count: int) -> list[str]:
    return [_STYLES[place % len(_STYLES)] for place in range(count)]


def _bars(counts: Sequence[int]) -> str:
    """Return a block a bin; one request is never too few to be seen."""
    most = max(counts, default=0) or 1
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[-(-count * top // most)] for count in counts)


def _marker(
    found: Sequence[float],
    failed: int,
    low: float,
    high: float,
    scale: float,
    name_width: int,
) -> Text:
    middle = quantile(found, 0.5)
    beyond = sum(value > high for value in found)
    notes = [f"median {ms(middle)} ms"]
    if beyond:
        notes.append(f"{beyond} beyond the axis")
    if failed:
        notes.append(f"{failed} failed")
    text = ", ".join(notes)
    place = name_width + int((middle - low) * scale)
    # To the left of its mark where there is no room to the right.
    if place - name_width > len(text) + 1:
        return Text(" " * (place - len(text) - 1) + text + " ▲", "dim")
    return Text(" " * place + "▲ " + text, "dim")
