"""The picture of how a saving settled: each round, and the interval after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from vestbench.report.html.charts import Scale, line, padded, picture, words
from vestbench.report.html.markup import Markup, tag
from vestbench.report.units import fixed, interval, level, median_of, plural
from vestbench.stats.decision import Settling, Step
from vestbench.stats.quantiles import quantile

_TOP = 30.0
_BOTTOM_ROOM = 38.0

# The axis holds the savings between these quantiles; others are marked at its ends.
_MOST = (0.02, 0.98)
_FEW = 50  # with at most so many, every saving is on the axis


def settling(settling: Settling, width: float, conditions: str) -> Markup | None:
    """Draw how a saving settled; None if no saving is finite."""
    ends = _ends(settling)
    if ends is None:
        return None
    height = 280.0 if width > 500 else 240.0
    count = len(settling.steps)
    across = Scale(low=0.5, high=count + 0.5, start=52.0, end=width - 16)
    up = Scale(low=ends[0], high=ends[1], start=height - _BOTTOM_ROOM, end=_TOP)
    parts = [
        *_grid(settling, across, up),
        *_band(settling.steps, across, up),
        *_target(settling, across, up),
        *_points(settling.steps, across, up),
    ]
    name = f"Saving of each {settling.each}, and its {level(settling.confidence)}"
    about = f"{conditions}. {said(settling)}"
    return picture(name, about, (width, height), parts)


def said(settling: Settling) -> str:
    """Say in a sentence how the settling ended."""
    if not settling.steps:
        return f"There is no {settling.each}."
    last = settling.steps[-1].found
    count = plural(len(settling.steps), settling.each)
    target = f"The target is {settling.target:.4g} {settling.unit}."
    if len(settling.steps) == 1:  # a figure from n = 1 is never called a saving
        return f"No saving can be stated from {count}. {target}"
    found = f"{median_of(last)} {settling.unit}"
    ends = f"{level(settling.confidence)} {interval(last.interval)}"
    return f"After {count} the median saving is {found}, {ends}. {target}"


def _ends(settling: Settling) -> tuple[float, float] | None:
    known = [step.bounds for step in settling.steps]
    savings = [bounds.lo for bounds in known if bounds.lo == bounds.hi]
    # Bounds from failures are drawn only if there is no saving.
    savings = savings or [v for one in known for v in (one.lo, one.hi) if isfinite(v)]
    if not savings:
        return None
    if len(savings) > _FEW:
        savings = [quantile(savings, q) for q in _MOST]
    last = settling.steps[-1].found
    shown = [*savings, settling.target, last.median_lo, last.median_hi]
    if last.interval is not None:
        shown += [last.interval.low, last.interval.high]
    return padded([value for value in shown if isfinite(value)])


def _grid(settling: Settling, across: Scale, up: Scale) -> Iterator[Markup]:
    for value in up.ticks(6):
        y = up.at(value)
        yield line(across.start, y, across.end, y, "grid")
        yield words(across.start - 6, y + 4, f"{value:g}", "muted", "end")
    yield words(0, 12, f"saving, {settling.unit}", "muted")
    for value in across.ticks(8):
        if value == int(value) and value >= 1:
            x = across.at(value)
            yield words(x, up.start + 16, f"{value:g}", "muted", "middle")
    yield words(across.end, up.start + 32, settling.each, "muted", "end")


def _band(steps: Sequence[Step], across: Scale, up: Scale) -> Iterator[Markup]:
    """Yield the interval after each round, and the median in it."""
    top, bottom, middle = [], [], []
    for place, step in enumerate(steps, 1):
        ends = step.found.interval
        if ends is None:
            continue
        for x in (across.at(place - 0.5), across.at(place + 0.5)):
            top.append(f"{x:.1f} {up.at(ends.high):.1f}")
            bottom.append(f"{x:.1f} {up.at(ends.low):.1f}")
            middle.append(f"{x:.1f} {up.at(step.found.median_lo):.1f}")
    if not top:
        return
    outline = "M" + " L".join([*top, *reversed(bottom)]) + " Z"
    yield tag("path", d=outline, class_="band")
    yield tag("path", d="M" + " L".join(middle), class_="middle")


def _target(settling: Settling, across: Scale, up: Scale) -> Iterator[Markup]:
    y = up.at(settling.target)
    text = f"target {fixed(settling.target, 1)} {settling.unit}"
    yield line(across.start, y, across.end, y, "target")
    yield words(across.end, y - 5, text, "aim", "end")


def _points(steps: Sequence[Step], across: Scale, up: Scale) -> Iterator[Markup]:
    """Yield a dot for each round, or a triangle where only a bound is known."""
    size, kind = (3.5, "dot") if len(steps) <= 100 else (1.5, "dot many")
    for place, step in enumerate(steps, 1):
        x, low, high = across.at(place), step.bounds.lo, step.bounds.hi
        if low == high and up.holds(low):
            yield tag("circle", cx=x, cy=up.at(low), r=size, class_=kind)
            continue
        if isfinite(low) and (low > up.high or not isfinite(high)):
            y, tip = up.at(low), -2 * size  # at least so much
        elif isfinite(high):
            y, tip = up.at(high), 2 * size  # at most so much
        else:
            y, tip = up.start, 2 * size  # both failed: nothing is known
        mark = f"M{x - size:.1f} {y:.1f} h{2 * size:g} l{-size:g} {tip:g} z"
        yield tag("path", d=mark, class_="open")
