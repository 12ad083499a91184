"""The CSV of a run: every request a row, exact, and no formula for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any

import pytest

from tests.support.documents import HOSTILE, RUNS, document, hostile
from tests.support.records import STARTED, bench_run, sample
from tests.support.studies import conditioned
from vestbench.characters import plain
from vestbench.model.columns import COLUMNS, client_ns
from vestbench.model.request import Failure, Sample
from vestbench.model.run import ClockZero, Run
from vestbench.report.requests import rows_as_csv
from vestbench.studies.parts.conditions import label

# What the columns have that the result file has not: it is in its head, or derived.
DERIVED = {"conditions", "outcome", "client_ms", "run", "time"}


def read(run: Run) -> list[dict[str, str]]:
    text = document(run, "csv")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("name", RUNS)
def test_every_request_is_a_row(name: str) -> None:
    run = RUNS[name]()

    rows = read(run)

    assert len(rows) == len(run.outcomes)
    assert sum(row["outcome"] == "failed" for row in rows) == len(run.failures)
    assert all(None not in row and None not in row.values() for row in rows)


def test_the_columns_are_those_of_the_result_file() -> None:
    stored = (*COLUMNS.in_file(Sample), *COLUMNS.in_file(Failure))
    names = {column.name for column in stored}

    header = document(RUNS["bench"](), "csv").split("\r\n")[0].split(",")

    assert set(header) == names | DERIVED
    assert len(header) == len(set(header))
    assert header[1:-2] == [column.name for column in COLUMNS.all]
    assert all(column.about for column in COLUMNS.all)


def test_times_are_exact_to_the_nanosecond() -> None:
    run = RUNS["bench-failing"]()
    by_place = {(o.slot.session, o.slot.index): o for o in run.outcomes}

    for row in read(run):
        outcome = by_place[int(row["session"]), int(row["index"])]
        if isinstance(outcome, Failure):
            assert _ns(row["elapsed_ms"]) == outcome.elapsed_ns
            assert row["latency_ms"] == row["wait_ms"] == row["client_ms"] == ""
            assert row["kind"] == str(outcome.kind)
            continue
        assert _ns(row["latency_ms"]) == outcome.latency_ns
        assert _ns(row["client_ms"]) == client_ns(outcome)
        assert _ns(row["tls_ms"]) == outcome.tls_ns
        assert row["reused"] == str(outcome.reused).lower()
        assert row["elapsed_ms"] == row["kind"] == ""


def test_a_row_says_of_which_run_it_is_and_at_what_time_it_was() -> None:
    zero = datetime(2026, 3, 1, 11, 15, 2, 500_000, tzinfo=timezone(timedelta(hours=1)))
    run = bench_run([sample(start=12.3456), sample(0, 1, reused=True, start=1_000.0)])

    rows = read(conditioned(run, clock=(ClockZero(from_ms=0.0, at=zero),)))

    assert [row["time"] for row in rows] == [
        "2026-03-01T10:15:02.512346Z",
        "2026-03-01T10:15:03.500000Z",
    ]
    assert {row["run"] for row in rows} == {"20260301T101500Z-bench-pooled-7"}


def test_the_parts_of_a_resumed_run_have_a_clock_each() -> None:
    early, late = STARTED, STARTED + timedelta(days=2)
    zeros = ClockZero(from_ms=0.0, at=early), ClockZero(from_ms=500.0, at=late)
    run = bench_run([sample(start=499.0), sample(1, start=501.0)])

    rows = read(conditioned(run, clock=zeros))

    assert [row["time"][:10] for row in rows] == ["2026-03-01", "2026-03-03"]
    assert rows[1]["time"].endswith("10:15:00.001000Z")


def test_the_time_of_an_older_file_is_told_from_its_start() -> None:
    (row,) = read(bench_run([sample(start=250.0)]))

    assert row["time"] == "2026-03-01T10:15:00.250000Z"


def _ns(text: str) -> int | None:
    if not text:
        return None
    whole, _, part = text.partition(".")
    assert len(part) == 6
    return int(whole) * 1_000_000 + int(part)


def test_rows_come_in_the_order_sent() -> None:
    starts = [float(row["start_ms"]) for row in read(RUNS["compare-failing"]())]

    assert starts == sorted(starts)


@pytest.mark.parametrize("name", ["bench", "bench-real", "bench-relayed", "compare"])
def test_every_row_says_where_its_figures_hold(name: str) -> None:
    run = RUNS[name]()

    assert {row["conditions"] for row in read(run)} == {
        f"{run.conditions.venue}, {label(run)}"
    }


def test_lines_end_as_the_standard_has_it() -> None:
    text = document(RUNS["bench"](), "csv")

    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n") == 101


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_text_is_a_formula(start: str) -> None:
    text = f"{start}1+1"

    for run in hostile(text).values():
        for row in read(run):
            for name, cell in row.items():
                if cell[:1] in ("=", "+", "@", "\t", "\r"):
                    pytest.fail(f"{name} holds {cell!r}")
            assert row["detail"] in ("", f"'{text}")
            assert row["conditions"].startswith(f"'{start}")


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_stay_in_their_cell(text: str) -> None:
    for run in hostile(text).values():
        rows = read(run)

        details = {row["detail"] for row in rows} - {""}
        shown = plain(text)  # without what a terminal could take for an order
        assert details <= {shown, f"'{shown}"}
        assert len(rows) == len(run.outcomes)


def test_a_negative_number_stays_a_number() -> None:
    run = bench_run([sample(latency=1.0)])  # less than its phases

    assert float(read(run)[0]["client_ms"]) < 0


class Watched(Sequence[Sample]):
    """As many samples as there are asked for, and how many that was."""

    def __init__(self) -> None:
        self.read = 0

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, place: Any) -> Any:
        self.read += 1
        return sample(0, 1, reused=True, start=float(place))


def test_a_run_of_any_length_is_written_without_holding_it() -> None:
    watched = Watched()
    run = replace(bench_run(), samples=watched)

    found = list(islice(rows_as_csv(run, label(run)), 100))

    assert found[0].startswith("conditions,session,")
    assert len(found) == 100
    assert watched.read <= 101
