"""The pictures of a page as SVG: where the time goes, and how latencies spread.

Each is drawn for a given width, so that letters keep their size on a phone. Colours
come from the page's style; what they say is also said in words or by a pattern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from vestbench.model.columns import COLUMNS
from vestbench.report.distribution import axis_of
from vestbench.report.html.markup import Markup, tag
from vestbench.report.units import ms, plural
from vestbench.report.waterfall import PhaseRows, longest
from vestbench.stats.quantiles import histogram, quantile

_ROW = 20.0
_VALUE_ROOM = 78.0  # for "102.1 ms" behind a bar, in a wide font
_BAR_PX = 6.0  # width of a bar of a histogram, about
_HEIGHT = 44.0  # of its highest bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis from `low` to `high`, drawn from `start` to `end` pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where `value` is drawn; one outside the axis, at the nearer end."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Say whether `value` lies on the axis."""
        return isfinite(value) and self.low <= value <= self.high

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values on the axis, at most `most`: steps of 1, 2 or 5."""
        rough = (self.high - self.low) / most
        power = 10.0 ** floor(log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
        first = ceil(self.low / step - 1e-9)
        last = floor(self.high / step + 1e-9)
        return [round(step * n, 9) for n in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """Return ends that leave some room round `values`, which must be finite."""
    low, high = min(values), max(values)
    room = share * (high - low) or max(1.0, 0.05 * abs(high))
    return low - room, high + room


def picture(
    name: str, about: str, size: tuple[float, float], parts: list[Markup]
) -> Markup:
    """Return a drawing, with words for people who cannot see it."""
    width, height = size
    return tag(
        "svg",
        tag("title", name),
        tag("desc", about),
        parts,
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_label=f"{name}. {about}",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
    )


def words(
    x: float, y: float, text: str, kind: str = "", anchor: str | None = None
) -> Markup:
    """Return a text at a place; `anchor` is where `x` is in it."""
    return tag("text", text, x=x, y=y, class_=kind or None, text_anchor=anchor)


def shortened(name: str, width: float) -> str:
    """Return `name`, shortened so that a note fits beside it."""
    most = 40 if width > 500 else 22
    return name if len(name) <= most else name[: most - 1] + "…"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def box(
    x: float,
    y: float,
    width: float,
    height: float,
    kind: str | None,
    fill: str | None = None,
) -> Markup:
    """Return a rectangle."""
    size = {"x": x, "y": y, "width": width, "height": height}
    return tag("rect", **size, class_=kind, fill=fill)


def time_axis(scale: Scale, top: float, bottom: float, most: int) -> Iterator[Markup]:
    """Yield upright grid lines from `top` to `bottom`, each with its time below."""
    ticks = scale.ticks(most)
    for value in ticks:
        x = scale.at(value)
        unit = " ms" if value == ticks[-1] else ""
        yield line(x, top, x, bottom, "grid")
        yield words(x, bottom + 14, f"{value:g}{unit}", "muted", "middle")


def waterfall(rows: PhaseRows, width: float, conditions: str) -> Markup | None:
    """Draw each phase from its start to its end. None if there is no request."""
    whole = longest(rows)
    if whole <= 0:
        return None
    left = 110.0 if width > 500 else 82.0
    scale = Scale(low=0.0, high=whole, start=left, end=width - _VALUE_ROOM)
    pattern = f"hatch-{width:g}"  # a page has each picture in two widths
    parts: list[Markup] = [hatch(pattern)]
    bars: list[Markup] = []
    y = 4.0
    for name, phases in rows:
        total = sum(duration for _, duration in phases)
        note = tag("tspan", f"  medians of {ms(total)} ms together", class_="muted")
        head = tag("tspan", shortened(name, width), class_="strong")
        bars.append(tag("text", head, note, x=0, y=y + 15))
        y += _ROW + 2
        bars += _cascade(phases, scale, y, pattern)
        y += _ROW * len(phases) + 10
    parts += [*time_axis(scale, 4.0, y, 6 if width > 500 else 4), *bars]
    about = f"{conditions}. " + " ".join(
        f"{name}: " + ", ".join(f"{phase} {ms(d)} ms" for phase, d in phases) + "."
        for name, phases in rows
    )
    return picture("Median of each phase", about, (width, y + 20), parts)


def _cascade(
    phases: Sequence[tuple[str, float]], scale: Scale, top: float, pattern: str
) -> Iterator[Markup]:
    begin = 0.0
    for place, (phase, duration) in enumerate(phases):
        y = top + _ROW * place
        x, end = scale.at(begin), scale.at(begin + duration)
        length = max(2.0, end - x)
        # Those that a relay cannot tell from each other are one phase.
        opens = COLUMNS.opening.keys() >= set(phase.split("+"))
        kind = "opening" if opens else "request"
        yield words(8, y + 14, phase)
        yield box(x, y + 3, length, _ROW - 6, kind)
        if kind == "opening":
            yield box(x, y + 3, length, _ROW - 6, None, fill=f"url(#{pattern})")
        yield words(x + length + 6, y + 14, f"{ms(duration)} ms", "value")
        begin += duration


def hatch(name: str) -> Markup:
    """Return the pattern that tells opening phases from others without a colour."""
    stripe = tag("path", d="M0 6 L6 0", class_="stripe")
    return tag(
        "defs",
        tag(
            "pattern",
            stripe,
            id=name,
            width=6,
            height=6,
            patternUnits="userSpaceOnUse",
        ),
    )


def distributions(
    arms: Mapping[str, tuple[Sequence[float], int]], width: float, conditions: str
) -> Markup | None:
    """Draw a histogram for each label, all on one axis. None if nothing was answered.

    Args:
        arms: By label: latencies in ms, and how many requests failed.
        width: In pixels.
        conditions: Where these figures hold.
    """
    axis = axis_of([found for found, _ in arms.values()])
    if axis is None:
        return None
    scale = Scale(low=axis[0], high=axis[1], start=24.0, end=width - 24)
    parts: list[Markup] = []
    said = []
    y = 4.0
    for place, (label, (found, failed)) in enumerate(arms.items()):
        note = _note(found, failed, axis[1])
        said.append(f"{label}: {note}.")
        parts.append(words(scale.start, y + 13, shortened(label, width), "strong"))
        if width > 500:
            parts.append(words(scale.end, y + 13, note, "muted", "end"))
        else:
            y += 17
            parts.append(words(scale.start, y + 13, note, "muted"))
        y += 20
        parts += _histogram(found, scale, y, f"arm{place % 2}")
        y += _HEIGHT + 16
    ruled = list(time_axis(scale, 4.0, y, 8 if width > 500 else 4))
    about = f"{conditions}. {' '.join(said)}"
    return picture("Latency", about, (width, y + 20), [*ruled, *parts])


def _histogram(
    found: Sequence[float], scale: Scale, top: float, kind: str
) -> Iterator[Markup]:
    bins = max(20, int((scale.end - scale.start) / _BAR_PX))
    counts = histogram(found, scale.low, scale.high, bins)
    most = max(counts, default=0) or 1
    step = (scale.end - scale.start) / bins
    base = top + _HEIGHT
    yield line(scale.start, base, scale.end, base, "base")
    for place, count in enumerate(counts):
        if count:
            # Even a single request can be seen.
            height = max(2.0, _HEIGHT * count / most)
            x = scale.start + place * step
            yield box(x, base - height, max(1.0, step - 1), height, kind)
    if found:
        x = scale.at(quantile(found, 0.5))
        mark = f"M{x:.1f} {base + 2:.1f} l5 8 h-10 z"
        yield line(x, top - 2, x, base, "middle")
        yield tag("path", d=mark, class_="mark")


def _note(found: Sequence[float], failed: int, high: float) -> str:
    """Return how many requests there are, their median, and what is not drawn."""
    parts = [plural(len(found), "request")]
    if found:
        parts.append(f"▲ median {ms(quantile(found, 0.5))} ms")
    beyond = sum(value > high for value in found)
    if beyond:
        parts.append(f"{beyond} beyond the axis")
    if failed:
        parts.append(f"{failed} failed")
    return ", ".join(parts)
