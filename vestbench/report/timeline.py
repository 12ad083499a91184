"""Connections side by side: when each was open, and the requests on it, to scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from vestbench.model.record import Record
from vestbench.report.sheet import Text
from vestbench.report.units import ms, plural

MOST_LANES = 40  # in a terminal

BarKind: TypeAlias = Literal["opening", "request"]

_LABEL = 24  # characters before a lane
_WIDEST = 120
_OPENING, _REQUEST, _IDLE = "░", "█", "·"
_STYLES = {_OPENING: "yellow", _REQUEST: "green", _IDLE: "dim"}
_ENDS = {"client": "p", "server": "s", "": " "}
LEGEND = (
    "░ opening it   █ a request   · open, idle   p the program closed it   "
    "s the server did   ! needless"
)


class Bar(Record, frozen=True):
    """What went on for a while."""

    begin_ms: float
    end_ms: float
    kind: BarKind


class Lane(Record, frozen=True, kw_only=True):
    """One connection."""

    label: str
    begin_ms: float
    end_ms: float
    closed_by: Literal["", "client", "server"]  # empty: it was open at the end
    needless: bool
    bars: tuple[Bar, ...]


class Timeline(Record, frozen=True):
    """Draws a lane for each connection."""

    lanes: Sequence[Lane]

    @property
    def ends_ms(self) -> tuple[float, float]:
        """When the first one begins, and when the last one ends."""
        begin = min((lane.begin_ms for lane in self.lanes), default=0.0)
        end = max((lane.end_ms for lane in self.lanes), default=0.0)
        return begin, max(end, begin + 0.001)

    def lines(self, width: int) -> Iterator[Text]:
        """Yield the lines of the picture, at most `width` characters wide."""
        if not self.lanes:
            return
        begin, end = self.ends_ms
        room = max(10, min(width, _WIDEST) - _LABEL - 2)
        yield Text(f"{'':{_LABEL}}0{ms(end - begin) + ' ms':>{room - 1}}", "dim")
        for lane in self.lanes[:MOST_LANES]:
            yield self._line(lane, room)
        if len(self.lanes) > MOST_LANES:
            more = plural(len(self.lanes) - MOST_LANES, "connection")
            yield Text(f"and {more} more", "dim")
        yield Text(LEGEND, "dim")

    def _line(self, lane: Lane, room: int) -> Text:
        begin, end = self.ends_ms
        scale = room / (end - begin)

        def cell(at_ms: float) -> int:
            return min(room - 1, max(0, int((at_ms - begin) * scale)))

        cells = [" "] * room
        last = cell(lane.end_ms)
        for place in range(cell(lane.begin_ms), last + 1):
            cells[place] = _IDLE
        for kind, sign in (("opening", _OPENING), ("request", _REQUEST)):
            for bar in lane.bars:
                if bar.kind == kind:
                    for place in range(cell(bar.begin_ms), cell(bar.end_ms) + 1):
                        cells[place] = sign
        mark = "! " if lane.needless else "  "
        label = lane.label[: _LABEL - 3]
        line = Text(f"{label:<{_LABEL - 2}}")
        line.append(mark, "bold red")
        for sign in cells:
            line.append(sign, _STYLES.get(sign, ""))
        return line.append(f" {_ENDS[lane.closed_by]}".rstrip())
