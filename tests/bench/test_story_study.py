"""The study of the story's bot: its cells, its figures, and what the README says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.bench import story
from tests.bench.story import NEWER, OLD, Cell, Found
from tests.support.paths import RESULTS
from tests.support.readme import BLOCKS
from vestbench.cli import app

STORED = tomllib.loads((RESULTS / "story-answered.toml").read_text("utf-8"))
BOTH = ("before", "after")


def found(client: str, rtt_ms: int, *, reqwest: str = OLD, **more: Any) -> Found:
    """Return what came of a client that opens in four round trips, and 2 ms."""
    cell = Cell(reqwest=reqwest, client=client, rtt_ms=rtt_ms, starts=6)
    later = more.pop("later", rtt_ms + 1.0)
    first = 4.0 * rtt_ms + 2.0
    ms = [[first, later, later, 500.0] for _ in range(cell.starts)]
    return Found(cell=cell, ms=ms, warm_up_ms=[], account={})


def test_a_cell_is_an_exec_of_the_bot() -> None:
    cell = Cell(reqwest=OLD, client="after", rtt_ms=30, starts=12)

    words = cell.command(Path("bot"), Path("out.toml"))

    assert words[1:] == (
        "-m vestbench exec --runs 12 --rtt 30ms --idle-timeout 75s --output out.toml "
        f"-- bot {story.URL} 4 after --pause 0.0 --no-warm-up"
    ).split(" ")


def test_an_exchange_that_never_closes_waits_longer_than_any_bot_here_idles() -> None:
    cell = Cell(reqwest=OLD, client="after", rtt_ms=30, starts=1, closes_s=0)

    words = cell.command(Path("bot"), Path("out.toml"))

    assert words[words.index("--idle-timeout") + 1] == "1h"
    assert max(story.PAUSES_S) < 3600


def test_the_warm_up_and_the_priority_are_of_the_command() -> None:
    cell = Cell(reqwest=OLD, client="after", rtt_ms=1, starts=1, warm_up=True)
    first = Cell(reqwest=OLD, client="after", rtt_ms=1, starts=1, priority=20)

    assert "--no-warm-up" not in cell.command(Path("bot"), Path("x"))
    assert first.command(Path("bot"), Path("x"))[:3] == ["chrt", "-f", "20"]


def test_round_trips_are_what_grows_with_the_link() -> None:
    (trips,) = story.trips([found("after", rtt) for rtt in story.RTTS_MS])

    assert trips["first"]["median"] == pytest.approx(4.0)
    assert trips["later"]["median"] == pytest.approx(1.0)


def test_a_later_request_is_held_against_that_of_the_other_client() -> None:
    more = [found("before", rtt, later=rtt + 3.0) for rtt in story.RTTS_MS]
    more += [found("after", rtt) for rtt in story.RTTS_MS]

    bars = list(story.bars(more))

    assert [bar.outcome for bar in bars] == ["missed"] * len(story.RTTS_MS)
    assert {bar.found.median for bar in bars} == {2.0}


@pytest.mark.link
def test_the_newer_bot_is_started_and_its_count_is_the_accounts(tmp_path: Path) -> None:
    cell = Cell(reqwest=NEWER, client="after", rtt_ms=5, starts=2)

    done = story.carried_out(cell, Path("not this one"), tmp_path)

    assert [len(each) for each in done.ms] == [4, 4]
    assert done.account["connections"] == [1]
    assert done.account["needless"] == [0]


@pytest.mark.link
def test_a_bot_that_cannot_be_started_ends_the_study(tmp_path: Path) -> None:
    cell = Cell(reqwest=OLD, client="after", rtt_ms=5, starts=1)

    with pytest.raises(RuntimeError, match="no-such-bot"):
        story.carried_out(cell, tmp_path / "no-such-bot", tmp_path)


# What the README says, of the file


def test_every_cell_is_stored() -> None:
    def named(row: Any) -> tuple[Any, ...]:
        names = ("reqwest", "client", "rtt_ms", "warm_up", "pause_s", "closes_s")
        return tuple(row[name] for name in names)

    priority = STORED["cell"][0]["priority"]
    cells = [vars_of(cell) for cell in story.cells(story.STARTS, priority)]
    idle = [vars_of(c) for c in story.idle_cells(story.IDLE_STARTS, story.PAUSES_S)]

    assert sorted(map(named, STORED["cell"])) == sorted(map(named, cells))
    assert sorted(map(named, STORED["idle"])) == sorted(map(named, idle))
    assert {row["starts"] for row in STORED["cell"]} == {story.STARTS}
    assert {row["starts"] for row in STORED["idle"]} == {story.IDLE_STARTS}


def vars_of(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in Cell.__slots__}


def test_the_client_that_was_replaced_kept_its_connection_already() -> None:
    kept = [row for row in STORED["cell"] if row["client"] in BOTH]

    assert {tuple(row["connections"]) for row in kept} == {(1,)}
    assert {tuple(row["needless"]) for row in kept} == {(0,)}
    assert [bar["outcome"] for bar in STORED["bar"]] == 3 * ["met"]


def test_the_clients_that_keep_nothing_open_one_connection_for_each_request() -> None:
    others = [row for row in STORED["cell"] if row["client"] not in BOTH]

    for row in others:
        requests = row["requests"] + row["warm_up"]
        assert row["connections"] == [requests]
        assert row["needless"] == [requests - 1]


def test_nagle_costs_each_connection_of_the_old_reqwest_a_round_trip() -> None:
    for row in STORED["cell"]:  # where no load has kept the request back for longer
        assert row["nagle"] == (row["opened"] if row["reqwest"] == OLD else 0)


def test_what_idling_does_is_as_the_pools_and_the_exchange_have_it() -> None:
    for row in STORED["idle"]:
        limit = 60 if row["client"] == "after" else 90
        closes = row["closes_s"] or 3600
        kept = row["pause_s"] < min(limit, closes)
        assert sum(row["again"].values()) == (0 if kept else row["starts"]), row
        assert row["needless"] == [0]


def test_the_readme_prints_what_compare_says_of_the_two_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(RESULTS.parent)
    (text,) = (block.text for block in BLOCKS if "results/story-before" in block.text)
    typed, _, printed = text.partition("\n")
    words = typed.removeprefix("$ vestbench ").split()

    done = CliRunner().invoke(app, words, env={"COLUMNS": "100"})

    shown = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    assert re.sub(r" +\n", "\n", printed).strip("\n").splitlines() == shown
