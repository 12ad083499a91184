"""The picture of a program's connections: a lane for each, to scale."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from vestbench.report.html.timeline import timeline
from vestbench.report.timeline import LEGEND, MOST_LANES, Bar, Lane, Timeline


def lane(number: int = 1, begin: float = 0.0, **fields: object) -> Lane:
    found = {
        "label": f"#{number} a.example",
        "begin_ms": begin,
        "end_ms": begin + 100.0,
        "closed_by": "client",
        "needless": False,
        "bars": (
            Bar(begin, begin + 25, "opening"),
            Bar(begin + 25, begin + 50, "request"),
        ),
    }
    return Lane(**{**found, **fields})  # type: ignore[arg-type]


def drawn(*lanes: Lane, width: int = 126) -> list[str]:
    return [line.plain for line in Timeline(lanes).lines(width)]


def test_what_a_connection_did_is_drawn_to_scale() -> None:
    scale, line, legend = drawn(lane(), width=106)

    assert scale == " " * 24 + "0" + "100.0 ms".rjust(79)
    picture = line[24:]
    assert (picture.count("░"), picture.count("█"), picture.count("·")) == (20, 21, 39)
    assert picture.endswith(" p")
    assert legend == LEGEND


def test_a_lane_begins_when_its_connection_was_opened() -> None:
    _, first, second, _ = drawn(lane(1), lane(2, 100.0))

    assert first[24:].startswith("░")
    assert second[24:].index("░") == 47  # of 94: half of the time


def test_a_needless_one_is_marked_and_an_open_one_has_no_end() -> None:
    _, line, _ = drawn(lane(needless=True, closed_by=""))

    assert line[22] == "!"
    assert not line.rstrip().endswith(("p", "s"))


def test_a_terminal_shows_so_many_and_says_how_many_more() -> None:
    lines = drawn(*(lane(n, n) for n in range(MOST_LANES + 3)))

    assert sum(line.startswith("#") for line in lines) == MOST_LANES
    assert "and 3 connections more" in lines


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_there_is_room(width: int) -> None:
    lines = drawn(lane(), width=width)

    assert max(map(len, lines[:-1])) <= max(width, 36)


def test_nothing_is_drawn_of_no_connection() -> None:
    assert drawn() == []
    assert timeline(Timeline(()), 720.0, "loopback") is None


@pytest.mark.parametrize("width", [720.0, 320.0])
def test_a_page_has_the_same_lanes_in_any_width(width: float) -> None:
    found = Timeline((lane(1), lane(2, 50.0, needless=True, label="#2 <b>&")))

    text = timeline(found, width, "simulated link, RTT 30 ms")

    assert text is not None
    root = ElementTree.fromstring(text)
    about = root.findtext("{*}desc") or ""
    assert "2 connections in 150.0 ms, 1 of them needless" in about
    bars = [each for each in root.iter() if each.get("class") in ("opening", "request")]
    assert len(bars) == 4
    assert len([each for each in root.iter() if each.get("class") == "cross"]) == 2
    assert all(0 <= float(bar.get("x", "")) <= width for bar in bars)


def test_a_page_shows_two_hundred_lanes_at_most() -> None:
    text = timeline(Timeline([lane(n, n) for n in range(210)]), 720.0, "here")

    assert "and 10 connections more" in (text or "")
