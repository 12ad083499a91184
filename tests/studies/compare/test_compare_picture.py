"""The picture of a comparison: its bars, marks and notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.support.compare_runs import empty_run, flat, rounds
from tests.support.printed import rendered, sketched
from tests.support.records import compare_run
from vestbench.report import distribution as pictures
from vestbench.report.distribution import Distributions
from vestbench.stats.quantiles import histogram

PROPERTY = settings(deadline=None, derandomize=True)


def drawn(
    latencies: Mapping[str, Sequence[float]],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[str], list[list[int]]]:
    """Return the lines of a picture and the counts behind its bars."""
    counts: list[list[int]] = []

    def counting(
        values: Sequence[float], low: float, high: float, bins: int
    ) -> list[int]:
        counts.append(histogram(values, low, high, bins))
        return counts[-1]

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "histogram", counting)
        text = sketched(Distributions(latencies), width)
    return text.splitlines(), counts


@st.composite
def distributions(draw: st.DrawFn) -> dict[str, list[float]]:
    times = st.floats(0.01, 1e4) | st.just(float("inf")) | st.floats(30.0, 31.0)
    labels = draw(
        st.lists(
            st.sampled_from(["pooled", "unpooled", "warmed", "pooled-2"]),
            min_size=2,
            max_size=4,
            unique=True,
        )
    )
    return {label: draw(st.lists(times, max_size=40)) for label in labels}


@PROPERTY
@given(latencies=distributions(), width=st.sampled_from([80, 100, 120, 200]))
def test_bars_and_notes_account_for_every_request(
    latencies: dict[str, list[float]], width: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lines, counts = drawn(latencies, width, patch)

    if not any(v != float("inf") for values in latencies.values() for v in values):
        assert lines == []
        return
    assert max(map(cell_len, lines)) <= width
    notes = notes_of(lines[:-1], list(latencies))
    for (label, values), cells in zip(latencies.items(), counts, strict=True):
        answered = finite(values)
        beyond, failed = len(answered) - sum(cells), len(values) - len(answered)
        assert beyond >= 0
        assert (f"{beyond} beyond the axis" in notes[label]) is (beyond > 0)
        assert (f" {failed} failed" in notes[label]) is (failed > 0)
        assert ("median" in notes[label]) is bool(answered)


def notes_of(lines: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Return what is written below the bars of each label."""
    notes: dict[str, str] = {}
    for line in lines:
        name = line.split(" ")[0]
        if name in labels:
            label = name
            notes[label] = ""
        else:
            notes[label] += " " + line.strip()
    return notes


@PROPERTY
@given(latencies=distributions(), width=st.sampled_from([80, 120]))
def test_the_mark_is_under_the_bar_that_holds_the_median(
    latencies: dict[str, list[float]], width: int
) -> None:
    # With an odd number of answers the median is one of them, so its cell has a bar.
    odd = {
        label: values[: len(values) - (len(finite(values)) % 2 == 0)]
        for label, values in latencies.items()
    }
    odd = {label: v for label, v in odd.items() if len(finite(v)) % 2}
    if len(odd) < 2:
        return
    with pytest.MonkeyPatch.context() as patch:
        lines, counts = drawn(odd, width, patch)

    name = 2 + max(map(len, odd))
    marks = [line.index("▲") - name for line in lines if "▲" in line]
    assert len(marks) == len(counts) == len(odd)
    for place, cells in zip(marks, counts, strict=True):
        assert cells[max(0, place - 1) : place + 2] != [0, 0, 0]
        before, after = sum(cells[:place]), sum(cells[place + 1 :])
        # Rounding may put the median itself on the other side of a border.
        assert before <= sum(cells) // 2 + 1
        assert after <= sum(cells) // 2 + 1


def finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if value != float("inf")]


def test_the_mark_stands_at_its_place_on_the_axis(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, counts = drawn(
        {"one": [0.0, 50.0, 100.0], "two": [0.0, 25.0, 100.0]}, 105, monkeypatch
    )

    assert len(counts[0]) == 100
    assert [line.index("▲") - 5 for line in lines if "▲" in line] == [50, 25]
    assert [place for place, n in enumerate(counts[0]) if n] == [0, 50, 99]
    assert [place for place, n in enumerate(counts[1]) if n] == [0, 25, 99]


def test_an_outlier_does_not_squeeze_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [30.0 + n / 10 for n in range(99)]

    lines, counts = drawn(
        {"pooled": [*values, 5000.0], "unpooled": values}, 80, monkeypatch
    )

    assert "2 beyond the axis" in lines[1]
    assert sum(counts[0]) == 98
    assert sum(n > 0 for n in counts[0]) > 50
    assert lines[-1].split() == ["30.0", "39.7", "ms"]


def test_the_axis_ends_at_the_largest_value_where_that_is_near(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, counts = drawn(
        {"pooled": [30.0, 31.0], "unpooled": [90.0, 91.0]}, 80, monkeypatch
    )

    assert [sum(cells) for cells in counts] == [2, 2]
    assert "beyond" not in "\n".join(lines)
    assert lines[-1].split() == ["30.0", "91.0", "ms"]


def test_an_arm_without_an_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, counts = drawn(
        {"pooled": [30.0, 31.0], "unpooled": [float("inf")] * 7, "warmed": []},
        80,
        monkeypatch,
    )

    assert sum(counts[1]) == sum(counts[2]) == 0
    assert lines[2].strip() == "unpooled"
    assert lines[3].strip() == "7 failed"
    assert lines[4].strip() == "warmed"
    assert lines[5].strip() == "no request"


def test_equal_values_have_one_full_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, counts = drawn({"a": [50.0] * 9, "b": [50.0] * 3}, 80, monkeypatch)

    assert [sum(cells) for cells in counts] == [9, 3]
    assert [cells.index(max(cells)) for cells in counts] == [0, 0]
    assert lines[0] == "a  █"
    assert lines[1] == "   ▲ median 50.0 ms"


def test_without_any_answer_there_is_no_picture() -> None:
    assert sketched(Distributions({"a": [float("inf")], "b": []})).strip() == ""
    assert "Latency, one axis" not in rendered(empty_run())


@pytest.mark.parametrize("width", [80, 100])
def test_notes_too_long_for_either_side_have_a_line_of_their_own(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [*(1000.0 + n for n in range(99)), *[9e5] * 2, *[float("inf")] * 1000]

    lines, _ = drawn({"unpooled": values, "pooled": [1000.0]}, width, monkeypatch)

    assert max(map(cell_len, lines)) <= width
    text = flat("\n".join(lines))
    assert "1000 failed" in text
    assert "beyond the axis" in text
    assert "▲" in lines[1]


def test_one_request_is_never_too_few_to_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines, counts = drawn(
        {"a": [10.0] * 500 + [20.0], "b": [10.0, 20.0]}, 80, monkeypatch
    )

    assert counts[0][-1] == 1
    assert lines[0].endswith("▁")


def test_the_picture_holds_the_requests_of_whole_rounds() -> None:
    cut = compare_run(rounds(count=5)[:-1])

    whole = compare_run([o for o in cut.outcomes if o.slot.session < 4])

    start = "Latency, one axis"
    assert rendered(cut).split(start)[1] == rendered(whole).split(start)[1]
