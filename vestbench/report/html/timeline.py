"""The picture of a program's connections as SVG: one lane for each."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.report.html.charts import (
    Scale,
    box,
    hatch,
    line,
    picture,
    time_axis,
    words,
)
from vestbench.report.html.markup import Markup, tag
from vestbench.report.timeline import Lane, Timeline
from vestbench.report.units import ms, plural

_MOST = 200  # lanes
_ROW = 18.0
_HEIGHT = 10.0  # of a bar
_ENDS = {"client": "the program", "server": "the server", "": ""}
ABOUT = (
    "A lane is a connection: hatched is what opening it took, solid is a request, the "
    "line between is the connection open and idle. A cross says who closed it; ! is a "
    "needless one."
)


def timeline(found: Timeline, width: float, conditions: str) -> Markup | None:
    """Draw the connections. None if there is none."""
    if not found.lanes:
        return None
    begin, end = found.ends_ms
    wide = width > 500
    left, right = (190.0, 90.0) if wide else (96.0, 14.0)
    scale = Scale(low=0.0, high=end - begin, start=left, end=width - right)
    lanes = found.lanes[:_MOST]
    pattern = f"lanes-{width:g}"  # a page has each picture in two widths
    parts: list[Markup] = [hatch(pattern)]
    y = 6.0
    for lane in lanes:
        parts += _lane(lane, begin, scale, y, pattern, wide=wide)
        y += _ROW
    if len(found.lanes) > _MOST:
        more = plural(len(found.lanes) - _MOST, "connection")
        parts.append(words(0, y + 12, f"and {more} more", "muted"))
        y += _ROW
    ruled = list(time_axis(scale, 2.0, y, 6 if wide else 3))
    needless = sum(lane.needless for lane in found.lanes)
    about = (
        f"{conditions}. {plural(len(found.lanes), 'connection')} in "
        f"{ms(end - begin)} ms, {needless} of them needless."
    )
    return picture("Connections", about, (width, y + 22), [*ruled, *parts])


def _lane(
    lane: Lane, begin: float, scale: Scale, y: float, pattern: str, *, wide: bool
) -> Iterator[Markup]:
    middle = y + _ROW / 2
    label = lane.label if wide else lane.label.split(" ")[0]
    label = label if len(label) <= 26 else label[:25] + "…"
    yield words(0, middle + 4, label, "muted")
    if lane.needless:
        yield words(scale.start - 10, middle + 4, "!", "strong", "middle")
    first, last = scale.at(lane.begin_ms - begin), scale.at(lane.end_ms - begin)
    yield line(first, middle, max(first + 1, last), middle, "base")
    bars = _bars(lane, begin, scale, middle, pattern)
    yield tag("g", tag("title", _said(lane)), bars)
    if lane.closed_by:
        cross = f"M{last - 3:.1f} {middle - 3:.1f} l6 6 m0 -6 l-6 6"
        yield tag("path", d=cross, class_="cross")
        if wide:
            yield words(last + 8, middle + 4, _ENDS[lane.closed_by], "muted")


def _bars(
    lane: Lane, begin: float, scale: Scale, middle: float, pattern: str
) -> Iterator[Markup]:
    for bar in lane.bars:
        x, end = scale.at(bar.begin_ms - begin), scale.at(bar.end_ms - begin)
        top = middle - _HEIGHT / 2
        length = max(1.5, end - x)
        yield box(x, top, length, _HEIGHT, bar.kind)
        if bar.kind == "opening":
            yield box(x, top, length, _HEIGHT, None, fill=f"url(#{pattern})")


def _said(lane: Lane) -> str:
    requests = sum(bar.kind == "request" for bar in lane.bars)
    needless = ", needless" if lane.needless else ""
    return f"{lane.label}: {plural(requests, 'request')}{needless}"
