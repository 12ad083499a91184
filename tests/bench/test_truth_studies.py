"""The studies of accuracy: figures, bars, turns, and the raw socket."""

from __future__ import annotations

import argparse
import math
import random
import tomllib
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.bench import exactness, peers
from tests.bench.figures import Bar, Figure, carry_out, figure, in_turns
from tests.bench.raw_socket import RawClient, missing, request_bytes
from tests.bench.stored import plain
from tests.support.servers import SLOT, ScriptedServer, plan, tls_pair
from vestbench.stacks.httpx_stack import HttpxStack

# Figures and their files


def test_the_readme_has_the_figures_that_are_stored() -> None:
    text = exactness.README.read_text("utf-8")

    # If not: python -m tests.bench.exactness
    assert exactness.filled(text) == text
    for name in exactness.TABLES:
        with pytest.raises(ValueError, match=name):
            exactness.filled(text.replace(f"exactness: {name} -->", ""))


def test_a_figure_is_shown_with_its_interval_where_it_has_one() -> None:
    few = {"median": 1.0, "low": -math.inf, "high": math.inf}

    assert exactness.with_interval({"median": 1.234, "low": 1, "high": 2}) == (
        "1.23 [1.00, 2.00]"
    )
    assert exactness.with_interval(few, "+.1f") == "+1.0"


def found(median: float, low: float, high: float) -> Figure:
    return Figure(n=10, median=median, low=low, high=high)


def test_a_figure_is_the_median_with_the_interval_of_its_order_statistics() -> None:
    ten = figure([float(value) for value in range(10, 0, -1)])

    assert ten == Figure(n=10, median=5.5, low=2.0, high=9.0)


def test_a_figure_of_too_few_values_has_open_ends() -> None:
    assert figure([1.0, 2.0]) == Figure(n=2, median=1.5, low=-math.inf, high=math.inf)
    with pytest.raises(ValueError, match="no values"):
        figure([])


@pytest.mark.parametrize(
    ("interval", "two_sided", "outcome"),
    [
        (found(0.2, 0.1, 0.3), False, "met"),
        (found(0.2, 0.1, 0.31), False, "open"),
        (found(0.4, 0.31, 0.5), False, "missed"),
        (found(-2.0, -3.0, -1.0), False, "met"),
        (found(-2.0, -3.0, -1.0), True, "missed"),
        (found(-0.2, -0.3, 0.1), True, "met"),
        (found(-0.2, -0.4, 0.1), True, "open"),
        (found(0.2, -math.inf, math.inf), True, "open"),
    ],
)
def test_a_bar_is_decided_by_the_whole_interval(
    interval: Figure, two_sided: bool, outcome: str
) -> None:
    bar = Bar(name="x", limit=0.3, found=interval, two_sided=two_sided)

    assert bar.outcome == outcome


def test_everything_has_one_turn_in_each_round_in_an_order_drawn_by_lot() -> None:
    order: list[str] = []

    def turn(name: str) -> str:
        order.append(name)
        return name

    things = {"a": partial(turn, "a"), "b": partial(turn, "b")}

    taken = in_turns(20, random.Random(1), things)

    assert taken == {"a": 20 * ["a"], "b": 20 * ["b"]}
    rounds = ["".join(order[at : at + 2]) for at in range(0, 40, 2)]
    assert set(rounds) == {"ab", "ba"}


def test_what_is_stored_has_no_absent_values() -> None:
    assert plain({"a": None, "b": [{"c": 1 / 3, "d": None}], "e": (1,)}) == {
        "b": [{"c": 0.333}],
        "e": [1],
    }


@pytest.mark.parametrize(("outcome", "status"), [("met", 0), ("missed", 1)])
def test_a_study_stores_what_it_found_and_can_turn_red(
    outcome: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = {"name": "speed", "outcome": outcome}
    path = tmp_path / "found.toml"

    def study(options: argparse.Namespace, _: Console) -> tuple[dict[str, Any], str]:
        return {"bar": [bar], "value": options.seed}, "a table"

    code = carry_out(
        argparse.ArgumentParser(prog="python -m tests.studies.x"),
        study,
        kind="test",
        output="results/x.toml",
        seed=3,
        arguments=["--output", str(path)],
    )

    stored = tomllib.loads(path.read_text())
    assert code == status
    assert stored["passed"] is (status == 0)
    assert (stored["format"], stored["kind"], stored["value"]) == (1, "test", 3)
    assert stored["command"] == f"python -m tests.studies.x --output {path}"
    assert {"host", "versions", "duration_s", "load_before"} <= set(stored)
    assert list(tmp_path.iterdir()) == [path]
    assert ("MISSED: speed" in capsys.readouterr().out) is (status == 1)


def test_a_study_that_cannot_store_is_refused_before_it_runs() -> None:
    with pytest.raises(SystemExit) as refusal:
        peers.main(["--output", "no such folder/x.toml"])

    assert refusal.value.code == 2


# The raw socket


def test_the_raw_socket_writes_what_httpx_writes() -> None:
    tls = tls_pair()
    with ScriptedServer(tls=tls.server) as server:
        spec = server.get(headers=(("xrestservermm", "restserver0"),))
        with closing(HttpxStack(tls.ca_pem).open(plan())) as session:
            session.send(spec, SLOT)

        (seen,) = server.visits[0].seen
    assert seen == request_bytes(spec)


def test_the_raw_socket_opens_one_connection_and_reuses_it() -> None:
    tls = tls_pair()
    with ScriptedServer(tls=tls.server) as server:
        with closing(RawClient(tls.ca_pem, server.get())) as client:
            cold, reused = client.cold(), client.reused()

        assert server.connections == 1
        assert server.requests == 2
    assert cold.resolved is not None
    assert cold.begin <= cold.resolved <= cold.first_write
    assert cold.first_write <= cold.last_write <= cold.first_read <= cold.end
    assert (reused.resolved, reused.connected, reused.secured) == (None, None, None)


def test_the_raw_socket_refuses_another_answer() -> None:
    tls = tls_pair()

    def refuse(visit: Any) -> None:
        visit.request()
        visit.answer(status="400 Bad Request")

    with (
        ScriptedServer(refuse, tls=tls.server) as server,
        closing(RawClient(tls.ca_pem, server.get())) as client,
        pytest.raises(ConnectionError, match="400 Bad"),
    ):
        client.cold()


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", 2),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
    ],
)
def test_what_is_missing_of_an_answer(data: bytes, left: int | None) -> None:
    assert missing(data) == left
