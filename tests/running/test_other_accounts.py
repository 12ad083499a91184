"""A venue with accounts of its own kind, which a test registers and the tool uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.support.loopback_venue import Paths, trust
from tests.support.servers import ScriptedServer, tls_pair
from tests.support.studies import connect_of
from tests.support.toy_venue import BALANCE, BUY, PING, toy
from vestbench.cli import app
from vestbench.errors import ExitCode, UsageError
from vestbench.running.access import Access, check_access
from vestbench.running.destination import Destination
from vestbench.studies.registry import load_run
from vestbench.venues.secret import Secret


def vestbench(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"}, input=typed)


ANSWERS = {
    "/ping": ("200 OK", b"pong"),
    "/login": ("200 OK", b"token-1"),
    "/balance": ("200 OK", b"7"),
    "/buy": ("200 OK", b"yes"),
    "/bought": ("200 OK", b"GONE"),
}


@pytest.fixture
def paths() -> Paths:
    return Paths(ANSWERS)


@pytest.fixture
def venue(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Register the venue `toy`, with a server that plays it."""
    pair = tls_pair()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vestbench.running.trader.POLITE_RATE", 1e6)
    monkeypatch.setenv("TOY_KEY", "toy-secret")
    trust(monkeypatch, tmp_path, pair.ca_pem)
    with ScriptedServer(paths, pair.server) as server:
        there = toy(f"https://127.0.0.1:{server.port}/v2")
        monkeypatch.setattr("vestbench.venues._VENUES", {"toy": there})
        yield


def checked(endpoint: Any, **access: Any) -> None:
    check_access(
        Access(**access),
        toy("https://a.test"),
        endpoint,
        concurrency=1,
        requests=5,
    )


def test_its_access_is_checked_by_what_it_says_of_its_keys() -> None:
    checked(PING)
    checked(BALANCE, credentials=Secret("k"))
    checked(BUY, credentials=Secret("k"), allow_orders=True)
    with pytest.raises(UsageError, match="balance wants TOY_KEY"):
        checked(BALANCE)
    with pytest.raises(UsageError, match=r"buy on toy .* --allow-orders allows it$"):
        checked(BUY, credentials=Secret("k"))
    with pytest.raises(UsageError, match="more than --max-orders 4"):
        checked(BUY, credentials=Secret("k"), allow_orders=True, max_orders=4)


def test_its_orders_count_twice_because_each_is_looked_up(venue: None) -> None:
    pool: Any = None
    order, balance = (
        Destination(venue="toy", endpoint=endpoint.name, pool=pool)
        for endpoint in (BUY, BALANCE)
    )

    assert (order.requests_for(5), balance.requests_for(5)) == (10, 5)


@pytest.mark.usefixtures("venue")
def test_its_orders_are_sent_and_looked_up(paths: Paths, tmp_path: Path) -> None:
    words = ("--endpoint", "buy", "--allow-orders", "-n", "4", "--rate", "1000")

    result = vestbench("bench", "--venue", "toy", *words)

    assert result.exit_code == ExitCode.OK, result.output
    run = load_run(next(tmp_path.rglob("*.toml")))
    orders = run.conclusion.orders
    assert orders is not None
    assert orders.states == {"GONE": orders.sent}
    assert (orders.what, orders.filled) == ("one toy", 0)
    assert run.conclusion.sign_ms == (1.0,) * orders.sent
    assert paths.count("POST", "/buy") == paths.count("GET", "/bought") == orders.sent
    assert paths.count("POST", "/login") == 1


@pytest.mark.usefixtures("venue")
def test_an_order_of_it_that_is_filled_stops_everything(
    paths: Paths,
) -> None:
    paths.answers["/bought"] = ("200 OK", b"DONE")
    words = ("--endpoint", "buy", "--allow-orders", "-n", "4", "--rate", "1000")

    result = vestbench("bench", "--venue", "toy", *words)

    assert result.exit_code == ExitCode.FILLED
    assert paths.count("POST", "/buy") == 1


@pytest.mark.usefixtures("venue")
def test_a_start_takes_the_steps_that_it_names(
    paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = vestbench("connect", "--venue", "toy", "--rounds", "2", "--rate", "1000")

    assert result.exit_code == ExitCode.OK, result.output
    run = load_run(next(tmp_path.rglob("*.toml")))
    assert connect_of(run).plan.steps == ("login", "balance")
    # Two starts that are discarded, and two of each sort.
    assert paths.count("POST", "/login") == paths.count("GET", "/balance") == 6
    assert "[INIT] Toy login (latency=" in caplog.text


@pytest.mark.usefixtures("venue")
def test_a_key_of_it_that_is_missing_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TOY_KEY")
    monkeypatch.setattr("vestbench.cli.access._is_terminal", lambda: True)
    words = ("--endpoint", "balance", "-n", "2", "--rate", "1000")

    result = vestbench("bench", "--venue", "toy", *words, typed="typed\n")

    assert result.exit_code == ExitCode.OK, result.output
    assert "Toy toy key:" in result.stderr
    assert "typed" not in result.output
