"""Stored runs in a row: lines that are true, and series of the same things only."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.folders import broken, stored
from tests.support.paths import DATA
from tests.support.printed import written
from tests.support.records import (
    CONDITIONS,
    bench_run,
    compare_run,
    sample,
    sessions,
    warm_up_run,
)
from vestbench.cli import app
from vestbench.history.series import Entry, Series, entry_of, series_of
from vestbench.history.sheet import sparkline, trend_report
from vestbench.model.request import Outcome
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict

GOLDEN = DATA / "format-1.toml"


def vestbench(*words: str) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "300"})


def bench(saved: float = 64.0, day: int = 0, **conditions: Any) -> Run:
    """Return a bench run that saves about so many ms over a route of 30 ms."""
    cold = [36.0 + saved + 0.1 * place for place in range(20)]
    run = bench_run(sessions(cold), conditions=conditions)
    return replace(run, started=run.started + timedelta(days=day))


def entries(*runs: Run) -> list[Entry]:
    return [entry_of(run) for run in runs]


# Lines


def test_an_entry_says_what_its_run_found() -> None:
    found = entry_of(bench())

    assert (found.command, found.label, found.host) == ("bench", "pooled", "bench")
    assert (found.venue, found.endpoint, found.stack) == ("sim", "ticker", "httpx")
    assert found.simulated
    assert found.link == "RTT 30 ms, TLS 1.3"
    assert found.n == 20
    assert found.saving is not None
    assert found.saving.median_lo == pytest.approx(64.95)
    assert found.acceptance is Verdict.PASS
    assert found.level == pytest.approx(64.95 / 30)
    assert found.unit == "round trips"


def test_an_entry_of_a_comparison_is_of_its_first_candidate() -> None:
    outcomes: list[Outcome] = []
    for n in range(12):
        outcomes += [
            sample(n, 0, arm="unpooled", latency=100.0),
            sample(n, 1, arm="pooled", reused=True, latency=40.0),
        ]

    found = entry_of(compare_run(outcomes))

    assert found.compared == "pooled against unpooled"
    assert found.saving is not None
    assert found.saving.median_lo == 60.0
    assert found.level == pytest.approx(2.0)


def test_an_invalid_run_has_neither_a_saving_nor_a_level() -> None:
    found = entry_of(broken())

    assert found.acceptance is Verdict.INVALID
    assert found.saving is None
    assert found.level is None


def test_a_warm_up_decides_nothing() -> None:
    outcomes: list[Outcome] = []
    for n in range(12):
        outcomes += [
            sample(n, 0, latency=100.0),
            sample(n, 2, reused=True, latency=40.0),
        ]

    found = entry_of(warm_up_run(outcomes))

    assert found.acceptance is None
    assert found.n == 12
    assert found.level == pytest.approx(2.0)


def test_too_few_savings_make_no_level() -> None:
    run = bench_run(sessions([100.0] * 5))

    assert entry_of(run).level is None


def test_on_a_route_without_distance_savings_stay_in_ms() -> None:
    near = [
        replace(s, syn_rtt_us=40, rtt_us=40)
        for s in bench_run(sessions([5.0] * 12)).samples
    ]

    found = entry_of(replace(bench_run(), samples=tuple(near)))

    assert found.unit == "ms"
    assert found.level == pytest.approx(5.0 - 36.0)


# Series


@pytest.mark.parametrize(
    "other",
    [
        {"venue": "vest-dev"},
        {"endpoint": "depth"},
        {"stack": "reqwest"},
        {"host": "elsewhere"},
        {"link": {**CONDITIONS["link"], "rtt_ms": 10.0}},
        {"exchange": {**CONDITIONS["exchange"], "tls": "1.2"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_runs_of_different_things_are_never_in_one_series(
    other: dict[str, Any],
) -> None:
    found = series_of(entries(bench(), bench(day=1, **other)))

    assert [len(series.entries) for series in found] == [1, 1]


def test_a_series_is_in_the_order_of_time() -> None:
    (found,) = series_of(entries(bench(day=2), bench(day=0), bench(day=1)))

    days = [entry.started.day for entry in found.entries]
    assert days == sorted(days)


def fallen() -> Series:
    """Return a series whose saving falls by half, with an invalid run before that."""
    before = [bench(64 + n % 3, day=n) for n in range(12)]
    after = [bench(30 + n % 3, day=20 + n) for n in range(8)]
    (found,) = series_of(entries(*before, broken(day=15), *after))
    return found


def test_a_change_of_the_saving_is_found_among_the_runs_that_have_one() -> None:
    found = fallen()

    assert len(found.entries) == 21
    assert len(found.levels) == 20
    (change,) = found.changes
    assert change.at == 12
    assert change.verdict.change == "REGRESSED"


def test_the_same_saving_over_another_distance_is_no_change() -> None:
    # Savings in ms differ by a third, in round trips not at all.
    far = [bench(64 + n % 3, day=n, venue="vest", simulated=False) for n in range(12)]
    near = []
    for n in range(12):
        run = bench(43 + (n % 3) * 2 / 3, day=20 + n, venue="vest", simulated=False)
        closer = tuple(replace(s, syn_rtt_us=20_000) for s in run.samples)
        near.append(replace(run, samples=closer))

    (found,) = series_of(entries(*far, *near))

    assert found.changes == ()


# How it is shown


def test_the_sparkline_starts_at_zero_and_marks_changes() -> None:
    assert sparkline([2.0, 2.0, 1.0, 0.0, -1.0], {2}).plain == "██╎▅▁▁"


def test_small_noise_looks_small() -> None:
    assert set(sparkline([2.10, 2.15, 2.12, 2.14], set()).plain) == {"█"}


def test_the_trend_marks_where_the_saving_changed() -> None:
    text = written(trend_report([fallen()], {}, 30))

    (marked,) = [
        line for line in text.splitlines() if line.rstrip().endswith("REGRESSED")
    ]
    assert "2026-03-21 10:15" in marked
    assert "█╎▄" in text or "█╎▅" in text
    assert "▼ REGRESSED since 2026-03-21 10:15: -1.13 round trips" in text
    assert "INVALID" in text
    assert "simulated, RTT 30 ms" in text


def test_only_the_last_runs_are_listed_but_all_are_drawn() -> None:
    text = written(trend_report([fallen()], {}, 2))

    assert text.count("2026-03-") == 3  # two rows, and the date of the change
    assert "20 runs" in text


def test_a_series_without_a_single_saving_says_so() -> None:
    found = series_of(entries(broken()))

    assert "No saving to compare in 1 run" in written(trend_report(found, {}, 5))


# The commands


def test_history_lists_every_run_and_what_is_none(tmp_path: Path) -> None:
    stored(tmp_path, bench())
    stored(tmp_path, warm_up_run(sessions([100.0] * 12)))
    shutil.copy(GOLDEN, tmp_path / "golden.toml")
    (tmp_path / "cut.toml").write_text("format = 1\n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\x00")
    (tmp_path / "lie.toml").write_text(
        GOLDEN.read_text().replace("[conditions]", "[conditions]\nlink = 3", 1)
    )
    (tmp_path / "study.toml").write_text('kind = "a study"\ncommand = "x"\n')
    (tmp_path / "notes.txt").write_text("nothing\n")
    (tmp_path / "folder.toml").mkdir()

    result = vestbench("history", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert result.stdout.count("simulated, RTT 30 ms") >= 2
    runs, _, others = result.stdout.partition("Not shown:")
    assert re.search(
        r"bench pooled .* 65\.0 \[64\.\d, 65\.\d\] +PASS\s+sim \w+, httpx +20 sessions",
        runs,
    )
    for name in ("cut.toml", "binary.toml", "lie.toml", "folder.toml"):
        assert name in others
    assert "study.toml is no run, but a study: a study" in result.stdout
    assert "notes.txt" not in result.stdout


def test_an_unfinished_run_is_a_run(tmp_path: Path) -> None:
    path = stored(tmp_path, bench())
    path.rename(path.with_name(path.name + ".partial"))

    document = json.loads(vestbench("history", str(tmp_path), "--json").stdout)

    assert [run["command"] for run in document["runs"]] == ["bench"]


def test_history_as_json_is_for_machines(tmp_path: Path) -> None:
    path = stored(tmp_path, bench())
    (tmp_path / "cut.toml").write_text("format = 1\n")

    document = json.loads(vestbench("history", str(tmp_path), "--json").stdout)

    (run,) = document["runs"]
    assert run["file"] == str(path)
    assert (run["n"], run["acceptance"], run["simulated"]) == (20, "PASS", True)
    assert list(document["unreadable"]) == [str(tmp_path / "cut.toml")]


def test_trend_as_json_has_the_changes(tmp_path: Path) -> None:
    for day in range(10):
        stored(tmp_path, bench(64.0 if day < 5 else 20.0, day=day))

    document = json.loads(vestbench("trend", str(tmp_path), "--json").stdout)

    (series,) = document["series"]
    (change,) = series["changes"]
    assert change["at"] == 5
    assert change["verdict"]["change"] == "REGRESSED"
    assert len(series["entries"]) == 10


@pytest.mark.parametrize("command", ["history", "trend"])
def test_a_folder_without_results_says_so(command: str, tmp_path: Path) -> None:
    empty = vestbench(command, str(tmp_path))
    missing = vestbench(command, str(tmp_path / "missing"))

    assert empty.exit_code == 0
    assert "No results here." in empty.stdout
    assert missing.exit_code == 2
    assert "is no folder" in missing.stderr


def test_the_folder_of_the_settings_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stored(tmp_path / "kept", bench())
    (tmp_path / "vestbench.toml").write_text('results = "kept"\n')

    assert "bench pooled" in vestbench("history").stdout
    assert "2.17" in vestbench("trend").stdout


@pytest.mark.parametrize("width", ["50", "80", "300"])
def test_history_breaks_no_file_name(tmp_path: Path, width: str) -> None:
    files = [stored(tmp_path, bench(day=day)) for day in range(3)]

    shown = CliRunner().invoke(app, ["history", str(tmp_path)], env={"COLUMNS": width})

    lines = [line.strip() for line in shown.stdout.splitlines()]
    assert lines[-3:] == [f"{n}  {path.name}" for n, path in enumerate(files, 1)]
    for place in "123":
        assert sum(line.split()[:1] == [place] for line in lines) == 2
