"""What is named, and what is not, of servers that are slower on one sort of connection.

Each on a stack with phases and on one without, over real sockets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import vestbench
from tests.support.loopback_venue import trust
from tests.support.servers import Script, ScriptedServer, Visit, tls_pair

# Far more than what this machine, when it is busy, adds to a request.
_SLOW_S = 0.15


def slower(*, first: bool) -> Script:
    """Return a script that is slow to answer the first request of each connection.

    Or all others.
    """

    def script(visit: Visit) -> None:
        while visit.request():
            if (visit.requests == 1) is first:
                time.sleep(_SLOW_S)
            visit.answer()

    return script


def other_document(visit: Visit) -> None:
    """Answer the first request of each connection in JSON, and the others in HTML."""
    while visit.request():
        if visit.requests == 1:
            visit.answer(b"{}", headers=["Content-Type: application/json"])
        else:
            visit.answer(119 * b"x", headers=["Content-Type: text/html"])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Return a function that measures a server, and returns all that is said."""
    monkeypatch.chdir(tmp_path)
    pair = tls_pair()
    trust(monkeypatch, tmp_path, pair.ca_pem)

    def measured(script: Script, *words: str) -> str:
        with ScriptedServer(script, pair.server) as server:
            result = vestbench(*words, "--venue", server.url, "--rate", "1000")
        assert result.exit_code in (0, 1, 3), result.output
        return " ".join((result.stdout + result.stderr).split())

    return measured


@pytest.mark.parametrize("command", [("compare", "pooled", "unpooled"), ("bench",)])
def test_a_server_slow_on_new_connections_is_seen_in_wait(
    told: Callable[..., str], command: tuple[str, ...]
) -> None:
    short = ("-n", "40", "--sessions", "13") if command == ("bench",) else ()

    text = told(slower(first=True), *command, *short)

    assert "more than the physical limit" in text
    assert "mostly wait (+" in text
    assert "as when the server is slower on new connections" in text


def test_a_server_slow_on_new_connections_is_not_separable_without_phases(
    told: Callable[..., str],
) -> None:
    words = ("compare", "pooled", "unpooled", "--stack", "reqwest")

    text = told(slower(first=True), *words)

    assert "more than the physical limit" in text
    assert "not separable, because reqwest shows only the whole call" in text
    assert "mostly" not in text
    assert "computing" not in text


@pytest.mark.parametrize("stack", ["httpx", "reqwest"])
def test_a_server_slow_on_open_connections_is_no_route_that_is_too_short(
    told: Callable[..., str], stack: str
) -> None:
    words = ("compare", "pooled", "unpooled", "--stack", stack)

    text = told(slower(first=False), *words)

    assert "pooled is slower than unpooled" in text
    assert "too short" not in text
    if stack == "httpx":
        assert "mostly wait (-" in text
    else:
        assert "less than the physical limit" in text
        assert "mostly" not in text


@pytest.mark.parametrize("stack", ["httpx", "reqwest"])
def test_another_document_on_open_connections_is_named(
    told: Callable[..., str], stack: str
) -> None:
    text = told(other_document, "compare", "pooled", "unpooled", "--stack", stack)

    assert "unpooled and pooled were answered differently" in text
    assert "application/json for unpooled, text/html for pooled" in text
    assert "body 2 bytes for unpooled, 119 bytes for pooled" in text
