"""The pictures of a page: to scale, with a mark for everything, and nothing beside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from math import inf
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.compare_runs import control_down_run, failing_run, rounds
from tests.support.records import compare_run
from tests.support.studies import settlings_of
from vestbench.report.distribution import axis_of
from vestbench.report.html.charts import Scale, distributions, padded, waterfall
from vestbench.report.html.markup import Markup
from vestbench.report.html.settling import said, settling
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import MedianSummary, Settling, Step

SVG = "{http://www.w3.org/2000/svg}"
WIDTHS = [720.0, 320.0]
PROPERTY = settings(deadline=None, derandomize=True)


def drawn(picture: Markup | None) -> Element:
    assert picture is not None
    return ElementTree.fromstring(picture)


def shapes(root: Element, name: str, kind: str) -> list[Element]:
    return [e for e in root.iter(SVG + name) if kind in e.get("class", "").split()]


def number(element: Element, name: str) -> float:
    return float(element.attrib[name])


def texts(root: Element) -> list[str]:
    return ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]


def inside(root: Element) -> None:
    """Check that nothing is drawn outside the picture."""
    width, height = number(root, "width"), number(root, "height")
    for element in root.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width)):
            if name in element.attrib:
                assert -0.1 <= number(element, name) <= most + 0.1
        for name in ("y", "y1", "y2", "cy"):
            if name in element.attrib:
                assert -0.1 <= number(element, name) <= height + 0.1


# --- the axis ------------------------------------------------------------------------


@PROPERTY
@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
    most=st.integers(3, 12),
)
def test_ticks_are_few_round_and_evenly_apart(
    low: float, span: float, most: int
) -> None:
    scale = Scale(low=low, high=low + span, start=0, end=100)

    ticks = scale.ticks(most)

    assert len(ticks) <= most + 1
    assert all(low - span / 1e3 <= t <= low + span * 1.001 for t in ticks)
    steps = [b - a for a, b in pairwise(ticks)]
    assert all(step == pytest.approx(steps[0], rel=1e-3) for step in steps)
    for step in steps[:1]:
        assert re.match(r"(1|2|5)(\.0|e)", f"{step:.1e}".replace("0.9", "1.0"))


def test_a_value_is_drawn_in_proportion_and_never_off_the_axis() -> None:
    scale = Scale(low=10, high=20, start=100, end=300)

    assert [scale.at(v) for v in (10, 15, 20, 5, 99, -inf, inf)] == [
        *(100, 200, 300, 100, 300, 100, 300)
    ]
    assert [scale.holds(v) for v in (10, 20, 21, inf)] == [True, True, False, False]


def test_an_axis_of_equal_values_still_has_a_length() -> None:
    low, high = padded([5.0, 5.0])

    assert low < 5 < high


# --- the waterfall -------------------------------------------------------------------

PHASES = [("connect", 30.0), ("tls", 31.5), ("send", 0.01), ("wait", 35.0)]


@pytest.mark.parametrize("width", WIDTHS)
def test_bars_are_to_scale_and_start_where_the_phase_before_ends(width: float) -> None:
    root = drawn(waterfall([("cold", PHASES)], width, "here"))

    bars = shapes(root, "rect", "opening") + shapes(root, "rect", "request")
    lengths = [number(bar, "width") for bar in bars]
    assert lengths[1] / lengths[0] == pytest.approx(31.5 / 30, abs=0.01)
    assert lengths[3] / lengths[0] == pytest.approx(35 / 30, abs=0.01)
    for (before, _), bar in zip(pairwise(bars[:2]), bars[1:2], strict=True):
        end = number(before, "x") + number(before, "width")
        assert number(bar, "x") == pytest.approx(end, abs=0.2)
    inside(root)


def test_a_phase_too_short_for_its_bar_is_still_marked() -> None:
    root = drawn(waterfall([("cold", PHASES)], 720.0, "here"))

    assert min(number(b, "width") for b in shapes(root, "rect", "request")) == 2


def test_opening_phases_are_hatched_as_well_as_coloured() -> None:
    root = drawn(waterfall([("cold", PHASES), ("warm", PHASES[2:])], 720.0, "here"))

    hatched = [r for r in root.iter(f"{SVG}rect") if r.get("fill") == "url(#hatch-720)"]
    assert len(hatched) == len(shapes(root, "rect", "opening")) == 2
    assert [e.get("id") for e in root.iter(f"{SVG}pattern")] == ["hatch-720"]


def test_every_phase_is_named_with_its_time() -> None:
    root = drawn(waterfall([("cold", PHASES)], 720.0, "here"))

    shown = texts(root)
    for name, time in (("connect", "30.0 ms"), ("send", "0.010 ms")):
        assert name in shown
        assert time in shown
        assert f"{name} {time}" in (root[1].text or "")


def test_without_a_request_there_is_no_waterfall() -> None:
    assert waterfall([], 720.0, "here") is None
    assert waterfall([("cold", [("wait", 0.0)])], 720.0, "here") is None


# --- distributions -------------------------------------------------------------------


@PROPERTY
@given(
    values=st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60),
    width=st.sampled_from(WIDTHS),
)
def test_a_median_is_marked_where_it_is(values: list[float], width: float) -> None:
    root = drawn(distributions({"a": (values, 0), "b": (values, 0)}, width, "here"))

    marks = shapes(root, "line", "middle")
    assert len(marks) == 2
    bars = shapes(root, "rect", "arm0")
    assert bars
    left = min(number(bar, "x") for bar in bars)
    right = max(number(bar, "x") + number(bar, "width") for bar in bars)
    axis = axis_of([values])
    assert axis is not None
    if max(values) <= axis[1]:
        assert left - 1.2 <= number(marks[0], "x1") <= right + 1.2
    inside(root)


def test_the_highest_bar_is_the_fullest_bin_and_one_request_is_seen() -> None:
    arms = {"a": ([10.0] * 500 + [20.0], 0), "b": ([10.0, 20.0], 0)}

    root = drawn(distributions(arms, 720.0, "here"))

    heights = [number(bar, "height") for bar in shapes(root, "rect", "arm0")]
    assert heights == [44, 2]


def test_what_is_not_drawn_is_said() -> None:
    near = [30.0 + n / 10 for n in range(99)]
    arms: dict[str, tuple[list[float], int]] = {
        "pooled": ([*near, 5000.0], 3),
        "unpooled": ([], 7),
    }

    root = drawn(distributions(arms, 720.0, "here"))

    shown = " ".join(texts(root))
    assert "100 requests, ▲ median 35.0 ms, 2 beyond the axis, 3 failed" in shown
    assert "0 requests, 7 failed" in shown


def test_without_an_answer_there_is_no_distribution() -> None:
    assert distributions({"a": ([], 3)}, 720.0, "here") is None


# --- how a saving settled ------------------------------------------------------------


def settling_of(bounds: Iterable[Bounds], target: float = 50.0) -> Settling:
    nothing = MedianSummary(median_lo=60.0, median_hi=60.0, interval=None)
    return Settling(
        candidate="",
        each="round",
        unit="ms",
        target=target,
        confidence=0.95,
        steps=tuple(Step(bounds=one, found=nothing) for one in bounds),
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_every_round_has_a_mark(width: float) -> None:
    (found,) = settlings_of(failing_run())

    root = drawn(settling(found, width, "here"))

    dots, open_ = shapes(root, "circle", "dot"), shapes(root, "path", "open")
    assert len(dots) + len(open_) == len(found.steps) == 20
    assert len(open_) == 6
    inside(root)


def test_the_band_narrows_as_the_interval_does() -> None:
    (found,) = settlings_of(
        compare_run(rounds(count=150, jitter=60.0), plan={"min_rounds": 150})
    )

    root = drawn(settling(found, 720.0, "here"))

    (band,) = shapes(root, "path", "band")
    points = re.findall(r"([\d.]+) ([\d.]+)", band.attrib["d"])
    heights = [float(y) for _, y in points]
    top, bottom = heights[: len(heights) // 2], heights[len(heights) // 2 :]
    first, last = bottom[-1] - top[0], bottom[0] - top[-1]
    assert 0 < last < first / 2


def test_higher_savings_are_drawn_higher_and_later_rounds_further_right() -> None:
    savings = [55.0, 65.0, 60.0]

    root = drawn(
        settling(settling_of(Bounds(lo=v, hi=v) for v in savings), 720.0, "here")
    )

    dots = shapes(root, "circle", "dot")
    low, high, middle = (number(dot, "cy") for dot in dots)
    assert high < middle < low
    assert middle == pytest.approx((low + high) / 2, abs=0.2)
    assert sorted(number(d, "cx") for d in dots) == [number(d, "cx") for d in dots]
    (target,) = shapes(root, "line", "target")
    assert number(target, "y1") > low


def test_what_a_failure_took_does_not_stretch_the_axis() -> None:
    known = [Bounds(lo=60.0 + n, hi=60.0 + n) for n in range(5)]

    root = drawn(
        settling(settling_of([*known, Bounds(lo=-inf, hi=-9e3)]), 720.0, "here")
    )

    values = [float(t) for t in texts(root) if re.fullmatch(r"-?[\d.]+", t)]
    assert min(values) > -100


def test_one_round_is_never_called_a_saving() -> None:
    one = settling_of([Bounds(lo=60.0, hi=60.0)])

    assert said(one) == "No saving can be stated from 1 round. The target is 50 ms."


def test_a_control_that_always_failed_still_has_a_picture() -> None:
    (found,) = settlings_of(control_down_run())

    root = drawn(settling(found, 720.0, "here"))

    assert len(shapes(root, "path", "open")) == 12
    inside(root)


def test_without_a_round_there_is_no_picture() -> None:
    assert settling(settling_of([]), 720.0, "here") is None
    assert said(settling_of([])) == "There is no round."
    assert settling(settling_of([Bounds(lo=-inf, hi=inf)]), 720.0, "here") is None
