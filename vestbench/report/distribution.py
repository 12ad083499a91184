"""The latencies of several arms on one axis, with their medians marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from math import isfinite
from unicodedata import category, east_asian_width

from vestbench.characters import plain
from vestbench.report.sheet import Text
from vestbench.report.units import ms
from vestbench.stats.quantiles import histogram, quantile

_LEVELS = " ▁▂▃▄▅▆▇█"
_WIDEST = 120
_STYLES = ("cyan", "green", "yellow", "magenta", "blue")

# Beyond this quantile the axis ends: one outlier must not squeeze all the rest.
_AXIS_END = 0.98
_NOT_FAR = 1.25  # times the axis: what the largest value may stretch it to


class Distributions:
    """Draws a line of blocks for each label: the higher a block, the more requests.

    Args:
        latencies_ms: By label; a failed request is infinite and counted aside.
    """

    def __init__(self, latencies_ms: Mapping[str, Sequence[float]]) -> None:
        # For each label: the latencies of answered requests, and how many failed.
        self.arms = {
            plain(label): (
                [value for value in values if isfinite(value)],
                sum(not isfinite(value) for value in values),
            )
            for label, values in latencies_ms.items()
        }

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines of the picture, `width` characters wide."""
        axis = axis_of([found for found, _ in self.arms.values()])
        if axis is None:
            return
        low, high = axis
        margin = 2 + max(map(_cells, self.arms))
        room = max(20, min(width, _WIDEST) - margin)
        for style, (label, (found, failed)) in zip(
            cycle(_STYLES), self.arms.items(), strict=False
        ):
            line = Text(label + " " * (margin - _cells(label)), "bold")
            yield line.append(_bars(histogram(found, low, high, room)), f"bold {style}")
            for text in _marker(found, failed, low, high, room):
                yield Text(" " * margin + text, "dim")
        end = f"{ms(high)} ms"
        gap = room - len(ms(low)) - len(end)
        yield Text(" " * margin + ms(low) + " " * gap + end, "dim")


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    widths = (2 if east_asian_width(c) in "WF" else category(c) != "Mn" for c in text)
    return sum(widths)


def axis_of(arms: Iterable[Sequence[float]]) -> tuple[float, float] | None:
    """Return the ends of an axis for all values but the farthest ones."""
    known = [found for found in arms if found]
    if not known:
        return None
    low, most = min(map(min, known)), max(map(max, known))
    high = max(quantile(found, _AXIS_END) for found in known)
    if most - low <= _NOT_FAR * (high - low):
        high = most
    if high <= low:
        high = low + max(1.0, abs(low) * 0.01)
    return low, high


def _bars(counts: Sequence[int]) -> str:
    """Return a block for each bin; even a single request can be seen."""
    most = max(counts, default=0) or 1
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[-(-count * top // most)] for count in counts)


def _marker(
    found: Sequence[float], failed: int, low: float, high: float, width: int
) -> Iterator[str]:
    """Yield lines that mark the median and say what the bars do not show."""
    notes = []
    beyond = sum(value > high for value in found)
    if beyond:
        notes.append(f"{beyond} beyond the axis")
    if failed:
        notes.append(f"{failed} failed")
    if not found:
        yield ", ".join(notes) or "no request"
        return
    middle = quantile(found, 0.5)
    # The cell of the histogram that holds the median.
    place = min(width - 1, int((middle - low) / (high - low) * width))
    first = f"median {ms(middle)} ms"
    text = ", ".join((first, *notes))
    if max(place, width - place - 1) <= len(text):
        yield _beside(first, place)
        yield ", ".join(notes)
    else:
        yield _beside(text, place)


def _beside(text: str, place: int) -> str:
    """Put `text` to the left of its mark if there is room, else to the right."""
    if place > len(text):
        return " " * (place - len(text) - 1) + text + " ▲"
    return " " * place + "▲ " + text
