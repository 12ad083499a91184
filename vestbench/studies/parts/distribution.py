"""The latencies of several arms on one axis, with their medians marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from vestbench.report.units import ms, plain
from vestbench.stats.quantiles import histogram, quantile

_LEVELS = " ▁▂▃▄▅▆▇█"
_STYLES = ("cyan", "green", "yellow", "magenta", "blue")

# Beyond this quantile the axis ends: one outlier must not squeeze all the rest.
_AXIS_END = 0.98
_NOT_FAR = 1.25  # times the axis: what the largest value may stretch it to


class Distributions:
    """A histogram a line; a higher block is more requests, at least one is visible.

    Args:
        latencies_ms: By label; a failed request is infinite and counted aside.
    """

    def __init__(self, latencies_ms: Mapping[str, Sequence[float]]) -> None:
        # By label: the latencies of the requests that were answered; how many failed.
        self.arms = {
            plain(label).plain: (
                [value for value in values if isfinite(value)],
                sum(not isfinite(value) for value in values),
            )
            for label, values in latencies_ms.items()
        }

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Draw to the width there is."""
        axis = axis_of([found for found, _ in self.arms.values()])
        if axis is None:
            return
        low, high = axis
        name_width = 2 + max(cell_len(label) for label in self.arms)
        width = max(20, min(options.max_width, 120) - name_width)
        for style, (label, (found, failed)) in zip(
            _cycle(len(self.arms)), self.arms.items(), strict=True
        ):
            line = Text(label + " " * (name_width - cell_len(label)), "bold")
            line.append(_bars(histogram(found, low, high, width)), style)
            yield line
            for text in _marker(found, failed, low, high, width):
                yield Text(" " * name_width + text, "dim")
        end = f"{ms(high)} ms"
        gap = width - len(ms(low)) - len(end)
        yield Text(" " * name_width + ms(low) + " " * gap + end, "dim")


def axis_of(arms: Iterable[Sequence[float]]) -> tuple[float, float] | None:
    """Return the ends of an axis for all values of all arms, but the farthest."""
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


def _cycle(count: int) -> list[str]:
    return [_STYLES[place % len(_STYLES)] for place in range(count)]


def _bars(counts: Sequence[int]) -> str:
    """Return a block a bin; one request is never too few to be seen."""
    most = max(counts, default=0) or 1
    top = len(_LEVELS) - 1
    return "".join(_LEVELS[-(-count * top // most)] for count in counts)


def _marker(
    found: Sequence[float], failed: int, low: float, high: float, width: int
) -> Iterator[str]:
    """Return a line that marks the median, and whatever the bars do not show."""
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
    # The cell in which the histogram has it.
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
