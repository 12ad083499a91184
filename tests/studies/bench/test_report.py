"""What is shown of a bench run: exact tables, the picture, and what is for machines."""

from __future__ import annotations

import json
import random
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
from rich.cells import cell_len

from tests.support.bench_runs import RUNS, simulated_run
from tests.support.paths import DATA
from tests.support.printed import assert_whole, rendered, sketched, written
from tests.support.records import (
    CONDITIONS,
    bench_run,
    compare_run,
    failure,
    sample,
    store,
)
from vestbench.errors import InvalidRunError
from vestbench.model.columns import COLUMNS
from vestbench.model.request import Outcome, Role
from vestbench.report.waterfall import Waterfall
from vestbench.stats.metrics import Group, metric
from vestbench.studies.document import document, summary_of
from vestbench.studies.parts.breakdown import phase_rows
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run

# --- exact texts ---------------------------------------------------------------------


SNAPSHOTS = [
    *(("bench", width) for width in (80, 120)),
    ("bench-failing", 80),
    ("bench-interrupted", 80),
    ("bench-empty", 80),
    ("bench-not-reused", 80),
    ("bench-real", 120),
    ("bench-relayed", 120),
    ("bench-short-route", 80),
    ("bench-unpooled", 120),
    *(("warmup", width) for width in (80, 120)),
]


@pytest.mark.parametrize(("name", "width"), SNAPSHOTS)
def test_a_known_run_is_shown_exactly_so(name: str, width: int) -> None:
    expected = (DATA / f"{name}-{width}.txt").read_text(encoding="utf-8")

    assert rendered(RUNS[name](), width) == expected


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_longer_than_the_terminal_and_none_is_cropped(
    name: str, width: int
) -> None:
    text = rendered(RUNS[name](), width)

    assert_whole(text, width)


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_is_shown_identically(name: str, tmp_path: Path) -> None:
    run = RUNS[name]()
    path = store(run, tmp_path / "run.toml", summary_of(run))

    assert rendered(load_run(path)) == rendered(run)


def test_the_widest_table_fits_into_eighty_columns() -> None:
    outcomes: list[Outcome] = []
    rng = random.Random(5)
    for n in range(3000):
        slow = {"tls": 1500 + rng.random(), "wait": 0.3 + rng.random() / 9, "dns": 9.99}
        outcomes.append(sample(n % 900, n // 900, connection=n, **slow))  # type: ignore[arg-type]
        outcomes.append(
            sample(n % 900, 5 + n // 900, reused=True, wait=2222 + rng.random())
        )
    outcomes += [failure(n, reused=True, role=Role.SUBSEQUENT) for n in range(20)]
    outcomes += [failure(n) for n in range(20)]
    link = {**CONDITIONS["link"], "engine": "relay", "refusals": ["packet: no"]}
    run = bench_run(
        outcomes, conditions={"link": link}, plan={"confidence": 0.99, "sessions": 900}
    )

    text = rendered(run, 80)

    assert "…" not in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_brief_is_the_head_of_the_report() -> None:
    for name, make in RUNS.items():
        brief = written(show_brief(make()), 120).strip()

        assert rendered(make(), 120).startswith(brief), name
        assert len(brief.splitlines()) <= 4


def test_a_command_of_a_newer_version_is_refused() -> None:
    run = replace(simulated_run(), command="teleport")
    for show in (show_run, show_brief):
        with pytest.raises(InvalidRunError, match="no runs of 'teleport'"):
            show(run)


# --- the picture ---------------------------------------------------------------------


EIGHTHS = " ▏▎▍▌▋▊▉█"


def group(name: str, **durations: float) -> Group:
    order = [column.title for column in COLUMNS.parts]
    found = [metric(n, [durations[n]], 0.95) for n in order if n in durations]
    whole = metric("latency", [sum(durations.values())], 0.95)
    return Group(name=name, metrics=(whole, *found), failures=0)


def drawn(groups: tuple[Group, ...], width: int, *, merged: bool = False) -> str:
    return sketched(Waterfall(phase_rows(groups, merged=merged)), width)


def bars(
    groups: tuple[Group, ...], width: int, *, merged: bool = False
) -> dict[str, tuple[float, float]]:
    """Return where each bar starts and how long it is, in cells, by group and phase."""
    found: dict[str, tuple[float, float]] = {}
    label = ""
    for line in drawn(groups, width, merged=merged).splitlines()[1:]:
        label = line[:11].strip() or label
        phase, bar = line[12:23].strip(), line[24 : width - 11]
        cells = bar.strip()
        start = len(bar) - len(bar.lstrip())
        found[f"{label} {phase}"] = (
            float(start),
            sum(EIGHTHS.index(cell) for cell in cells) / 8,
        )
    return found


COLD = {
    "dns": 4.0,
    "connect": 30.0,
    "tls": 45.0,
    "send": 0.1,
    "wait": 35.0,
    "receive": 6.0,
    "client": 1.0,
}
WARM = {"send": 0.2, "wait": 36.0, "receive": 5.0, "client": 0.5}


@pytest.mark.parametrize("width", [80, 100, 120])
def test_bars_are_to_one_scale(width: int) -> None:
    found = bars((group("cold", **COLD), group("subsequent", **WARM)), width)

    scale = (width - 35) / sum(COLD.values())
    for name, phases in (("cold", COLD), ("subsequent", WARM)):
        begin = 0.0
        for phase, duration in phases.items():
            start, length = found[f"{name} {phase}"]
            end = begin + duration
            assert abs(start - begin * scale) < 1
            assert abs(start + length - end * scale) <= 1 / 8 + 1e-9 or length <= 1
            assert abs(length - duration * scale) <= 1
            begin = end
    total = sum(
        length for name, (_, length) in found.items() if name.startswith("cold")
    )
    assert abs(total - (width - 35)) <= len(COLD)  # each starts a cell early at most
    last_start, last_length = found["cold client"]
    assert abs(last_start + last_length - (width - 35)) <= 1


def test_the_scale_ends_at_the_longest_request() -> None:
    text = drawn((group("cold", **COLD), group("subsequent", **WARM)), 80)

    head = text.splitlines()[0]
    assert head.split() == ["0", "121.1", "ms"]
    assert len(head) == 80 - 11


def test_a_relayed_picture_does_not_split_the_handshakes() -> None:
    found = bars((group("cold", **COLD),), 120, merged=True)

    assert "cold connect+tls" in found
    assert not {"cold connect", "cold tls"} & set(found)
    assert found["cold connect+tls"][1] == pytest.approx(75 * 85 / 121.1, abs=1)


def test_a_group_without_samples_has_no_bar() -> None:
    failed = Group(
        name="cold", metrics=(metric("latency", [float("inf")], 0.95),), failures=1
    )

    text = drawn((failed, group("subsequent", **WARM)), 80)

    assert "cold" not in text
    assert "subsequent" in text


# --- for machines --------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_the_json_document_has_no_number_that_json_lacks(name: str) -> None:
    run = RUNS[name]()

    text = json.dumps(document(run, "results/run.toml"), allow_nan=False)

    found = json.loads(text)
    assert found["command"] == run.command
    assert found["file"] == "results/run.toml"
    assert found["started"] == "2026-03-01T10:15:00+00:00"


@pytest.mark.parametrize("name", RUNS)
def test_the_summary_can_be_written_as_toml(name: str) -> None:
    found = summary_of(RUNS[name]())

    text = tomli_w.dumps(found)

    assert tomllib.loads(text).keys() == found.keys()


def test_the_json_document_holds_the_verdict() -> None:
    found = document(simulated_run(), "")["summary"]

    assert found["acceptance"] == "PASS"
    assert found["saving"]["median_lo"] == pytest.approx(61.9, abs=0.1)
    assert found["reuse"] == {
        "sessions": 20,
        "connections": 20,
        "expected": 80,
        "reused": 80,
    }
    assert found["breakdown"]["expected"] == pytest.approx(60.16)


def test_a_stored_date_is_a_text_in_json() -> None:
    stored = tomllib.loads(
        "day = 2026-03-01\nat = 10:15:00\nmoment = 2026-03-01T10:15:00Z"
    )
    run = compare_run(plan={"identity": stored})

    found = document(run, "")["plan"]["identity"]

    assert json.loads(json.dumps(found)) == {
        "day": "2026-03-01",
        "at": "10:15:00",
        "moment": "2026-03-01T10:15:00+00:00",
    }
