"""What commands send, byte for byte, and what they make of failures."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from typer.testing import Result
from werkzeug import Request, Response

from tests.support.command import vestbench
from tests.support.exact import (
    CLOSED,
    FEW,
    QUICK,
    VEST,
    Received,
    always,
    exact_headers,
    nth,
    received,
    serve,
)
from vestbench.studies.bench.experiment import BURN_IN
from vestbench.studies.registry import load_run
from vestbench.venues import Venue, find_venue


def failures_shown(result: Result) -> dict[str, int]:
    """Return the rows of the table of failures: counts by kind."""
    table = re.search(r"^Failures *\n(.+\n)+", result.stdout, re.MULTILINE)
    assert table is not None, result.output
    rows = map(str.split, table[0].splitlines()[2:])
    return {words[0]: int(words[1]) for words in rows if words}


pytestmark = pytest.mark.usefixtures("empty_folder")


# --- the command: what it sends ---


@pytest.fixture
def known_here(monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer) -> None:
    """Let the known venues be at the test server."""

    def here(name: str, path: str) -> Venue:
        return replace(find_venue(name), base_url=httpserver.url_for(path))

    known = {
        "vest": here("vest", "/v2"),
        "vest-dev": here("vest-dev", "/v2"),
        "paradex": here("paradex", "/v1"),
    }
    monkeypatch.setattr("vestbench.venues._VENUES", known)


@pytest.mark.usefixtures("known_here")
@pytest.mark.parametrize(
    ("venue", "endpoint", "target"),
    [
        ("vest", "ticker", VEST["ticker"]),
        ("vest-dev", "depth", VEST["depth"]),
        ("vest", "exchange-info", VEST["exchange-info"]),
        ("paradex", "system-time", "/v1/system/time"),
    ],
)
def test_bench_sends_what_was_asked_for_and_nothing_else(
    httpserver: HTTPServer, venue: str, endpoint: str, target: str
) -> None:
    always(httpserver)
    words = ("--venue", venue, "--endpoint", endpoint)

    result = vestbench("bench", *words, *QUICK, *FEW, "-o", "run.toml")

    assert result.exit_code == CLOSED, result.output
    routed = {} if venue == "paradex" else {"xrestservermm": "restserver0"}
    sent = Received("GET", target, exact_headers(httpserver, **routed), b"")
    assert received(httpserver) == (BURN_IN + 12) * [sent]
    conditions = load_run(Path("run.toml")).conditions
    assert conditions.url == httpserver.url_for("") + target.removeprefix("/")
    assert conditions.venue == venue
    assert conditions.simulated is False


@pytest.mark.usefixtures("known_here")
def test_each_account_request_carries_its_moment_key_and_route(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(httpserver)
    monkeypatch.setenv("VEST_API_KEY", "throw-away")
    monkeypatch.setenv("VEST_ACCOUNT_GROUP", "4")
    words = ("--venue", "vest", "--endpoint", "account")

    before_ms = time.time_ns() // 1_000_000
    result = vestbench("bench", *words, *QUICK, *FEW)
    after_ms = time.time_ns() // 1_000_000

    assert result.exit_code == CLOSED, result.output
    targets = [request.target for request in received(httpserver)]
    assert len(targets) == BURN_IN + 12
    stamps = [int(target.removeprefix("/v2/account?time=")) for target in targets]
    assert stamps == sorted(stamps)
    assert before_ms <= stamps[0] < stamps[-1] <= after_ms
    headers = [request.headers for request in received(httpserver)]
    assert {each["x-api-key"] for each in headers} == {"throw-away"}
    assert {each["xrestservermm"] for each in headers} == {"restserver4"}


@pytest.mark.usefixtures("known_here")
def test_warmup_asks_for_the_account_and_then_what_is_measured(
    httpserver: HTTPServer,
) -> None:
    def answer(request: Request) -> Response:
        return Response(b"{}", 401 if request.path == "/v2/account" else 200)

    serve(httpserver, answer)
    words = ("--venue", "vest", "--rounds", "2", "--connections", "1", "--quiet")

    result = vestbench("warmup", *words, *QUICK)

    assert result.exit_code == CLOSED, result.output
    paths = [request.target.partition("?")[0] for request in received(httpserver)]
    # A start of each sort is discarded, in this order.
    assert paths[:3] == ["/v2/ticker/latest", "/v2/account", "/v2/ticker/latest"]
    assert sorted(paths[3:]) == 2 * ["/v2/account"] + 4 * ["/v2/ticker/latest"]


# --- the command: what it makes of failures ---


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_a_status_on_all_requests_is_one_line_and_exit_code_4(
    httpserver: HTTPServer, status: int
) -> None:
    always(httpserver, status, Location=httpserver.url_for("/elsewhere"))
    url = httpserver.url_for("/here")

    result = vestbench("bench", "--venue", url, *QUICK, *FEW)

    assert result.exit_code == 4
    assert result.stdout.startswith(f"No saving: no usable response from {url}")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert url in result.stderr
    assert f"status: HTTP {status} " in result.stderr
    assert "(5 of 5 requests)" in result.stderr
    (path,) = Path("results").iterdir()
    assert str(path) in result.stderr
    run = load_run(path)
    assert (len(run.samples), len(run.failures)) == (0, 5)
    # The discarded requests end with the first that fails; then five are enough.
    assert [r.target for r in received(httpserver)] == 6 * ["/here"]


@pytest.mark.parametrize("status", [301, 500, 503])
def test_a_status_on_some_requests_is_counted_in_a_table(
    httpserver: HTTPServer, status: int
) -> None:
    nth(httpserver, BURN_IN + 8, status, Location=httpserver.url_for("/elsewhere"))
    url = httpserver.url_for("/here")

    result = vestbench("bench", "--venue", url, *QUICK, *FEW, "-o", "run.toml")

    assert result.exit_code == CLOSED, result.output
    assert failures_shown(result) == {"status": 5}
    assert f"HTTP {status} " in result.stdout
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (7, 5)
    assert {failure.status for failure in run.failures} == {status}
    targets = [request.target for request in received(httpserver)]
    assert targets == (BURN_IN + 12) * ["/here"]


def test_failures_of_different_kinds_have_a_row_each(httpserver: HTTPServer) -> None:
    statuses = {BURN_IN + 5: 429, BURN_IN + 6: 503, BURN_IN + 9: 429, BURN_IN + 10: 500}
    serve(
        httpserver,
        lambda _: Response(b"{}", statuses.get(len(httpserver.log) + 1, 200)),
    )

    result = vestbench("bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW)

    assert result.exit_code == CLOSED, result.output
    assert failures_shown(result) == {"rate-limited": 2, "status": 2}
    assert len(received(httpserver)) == BURN_IN + 12


@pytest.mark.parametrize(
    ("after", "said"),
    [("7", "asked to wait 7 s"), ("soon", "asked for a pause")],
    ids=["seconds", "neither-seconds-nor-date"],
)
def test_a_429_with_retry_after_ends_the_run_politely(
    httpserver: HTTPServer, after: str, said: str
) -> None:
    nth(httpserver, BURN_IN + 8, 429, Retry_After=after)
    words = ("--venue", httpserver.url_for("/"), "-o", "run.toml")

    result = vestbench("bench", *words, *QUICK, *FEW)

    assert result.exit_code == CLOSED, result.output
    shown = " ".join(result.stdout.split())
    assert "Ended early: the venue limits the rate" in shown
    assert f"{said} (429 with Retry-After)" in shown
    assert failures_shown(result) == {"rate-limited": 1}
    assert len(received(httpserver)) == BURN_IN + 8  # nothing after the refusal
    run = load_run(Path("run.toml"))
    assert (len(run.samples), len(run.failures)) == (7, 1)
    assert not run.interrupted
    assert vestbench("report", "run.toml").stdout == result.stdout


def test_a_run_that_was_limited_does_not_pass_a_gate(httpserver: HTTPServer) -> None:
    nth(httpserver, BURN_IN + 8, 429, Retry_After="7")

    result = vestbench(
        "bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW, "--gate"
    )

    # Nothing was reused at this server, which weighs more than too few sessions.
    assert result.exit_code == 5, result.output


def test_a_429_without_retry_after_ends_the_run_the_third_time(
    httpserver: HTTPServer,
) -> None:
    nth(httpserver, BURN_IN + 5, 429)

    result = vestbench("bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW)

    assert result.exit_code == CLOSED, result.output
    assert "Ended early: the venue limits the rate (3 times 429)" in result.stdout
    assert failures_shown(result) == {"rate-limited": 3}
    assert len(received(httpserver)) == BURN_IN + 7


def test_a_429_to_the_very_first_request_is_the_last_one(
    httpserver: HTTPServer,
) -> None:
    always(httpserver, 429, Retry_After="7")

    result = vestbench("bench", "--venue", httpserver.url_for("/"), *QUICK, *FEW)

    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "asked to wait 7 s" in result.stderr
    assert len(received(httpserver)) == 1
    assert not list(Path("results").glob("*"))
