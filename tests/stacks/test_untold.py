"""What must not be told: the query of a URL, wherever it could be seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from typer.testing import Result

from tests.support.command import vestbench
from tests.support.exact import CLOSED, FEW, QUICK, always, nth, received
from tests.support.servers import free_port
from vestbench.studies.bench.experiment import BURN_IN

SECRET = "hunter2"
pytestmark = pytest.mark.usefixtures("empty_folder")


def told(result: Result) -> str:
    """Return all that was printed, and all that is in a file or its name."""
    found = [result.stdout, result.stderr]
    for path in Path.cwd().rglob("*"):
        found.append(path.name)
        if path.is_file():
            found.append(path.read_text(encoding="utf-8"))
    return "\n".join(found)


@pytest.mark.parametrize(
    "words",
    [(), ("--json",), ("--quiet",), ("--unpooled",), ("--endpoint", "nothing")],
    ids=["tables", "json", "quiet", "unpooled", "wrong-endpoint"],
)
def test_the_query_of_a_url_is_sent_but_never_told(
    httpserver: HTTPServer, words: tuple[str, ...]
) -> None:
    always(httpserver)
    url = f"{httpserver.url_for('/here')}?token={SECRET}"

    result = vestbench("bench", "--venue", url, *QUICK, *FEW, *words)

    if "--endpoint" in words:
        assert result.exit_code == 2
    else:
        code = 0 if "--unpooled" in words else CLOSED
        assert result.exit_code == code, result.output
        sent = {request.target for request in received(httpserver)}
        assert sent == {f"/here?token={SECRET}"}
        assert "/here?…" in told(result)
    assert SECRET not in told(result)


@pytest.mark.parametrize("start", [1, BURN_IN + 5], ids=["always", "later"])
@pytest.mark.parametrize("status", [301, 429, 503])
def test_the_query_of_a_url_is_not_told_when_it_fails(
    httpserver: HTTPServer, status: int, start: int
) -> None:
    path = f"/here?token={SECRET}"
    nth(httpserver, start, status, Location=path)
    url = httpserver.url_for("/") + path.removeprefix("/")

    result = vestbench("bench", "--venue", url, *QUICK, *FEW)

    assert result.exit_code == (4 if start == 1 else CLOSED), result.output
    assert SECRET not in told(result)


def test_the_query_of_a_url_is_not_told_when_its_refusal_ends_the_run_at_once(
    httpserver: HTTPServer,
) -> None:
    always(httpserver, 429, Retry_After="7")
    url = f"{httpserver.url_for('/here')}?token={SECRET}"

    result = vestbench("bench", "--venue", url, *QUICK, *FEW)

    assert result.exit_code == 4
    assert SECRET not in told(result)


@pytest.mark.parametrize(
    ("url", "words", "code"),
    [
        ("http://127.0.0.1:{port}/?token={secret}", (), 4),
        ("http://127.0.0.1:{port}?token={secret}", (), 4),
        ("http://127.0.0.1:{port}/?token={secret}", ("-n", "5000"), 2),
        pytest.param("http://127.0.0.1:{port}/?token={secret}", ("--rtt", "30ms"), 2),
        ("http://127.0.0.1:port/?token={secret}", (), 2),
        ("http://[::1/?token={secret}", (), 2),
        ("http://127.0.0.1/?token={secret} ", (), 2),
        ("HTTP://127.0.0.1:{port}/?token={secret}", (), 4),
        ("127.0.0.1/?token={secret}", (), 2),
        ("http://?token={secret}", (), 2),
    ],
    ids=[
        "refused",
        "no-path",
        "budget",
        "sim-option",
        "port",
        "bracket",
        "space",
        "upper-case",
        "no-scheme",
        "no-host",
    ],
)
def test_the_query_of_a_url_is_not_told_when_nothing_is_reached(
    url: str, words: tuple[str, ...], code: int
) -> None:
    venue = url.format(port=free_port(), secret=SECRET)

    result = vestbench("bench", "--venue", venue, *QUICK, *words)

    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1
    assert SECRET not in told(result)


def test_compare_does_not_tell_the_query_of_a_url(httpserver: HTTPServer) -> None:
    always(httpserver)
    url = f"{httpserver.url_for('/here')}?token={SECRET}"

    result = vestbench("compare", "pooled", "unpooled", "--venue", url, *QUICK)

    assert result.exit_code == 5, result.output  # this server closes what was pooled
    assert {r.target for r in received(httpserver)} == {f"/here?token={SECRET}"}
    assert SECRET not in told(result)


def test_warmup_does_not_log_the_query_of_a_url(httpserver: HTTPServer) -> None:
    always(httpserver, 503)
    url = f"{httpserver.url_for('/here')}?token={SECRET}"
    words = ("warmup", "--rounds", "1", "--connections", "1", "--venue", url, *QUICK)

    done = subprocess.run(
        [sys.executable, "-m", "vestbench", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 4, done.stderr
    assert "warm-up returned HTTP 503" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    (path,) = Path("results").iterdir()
    assert SECRET not in path.read_text(encoding="utf-8")
