"""A venue that refuses is left alone, by every command and stack; the server counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import vestbench
from tests.support.runs_on_stacks import STACKS
from tests.support.servers import ScriptedServer, Visit
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")

BANNED = "418 I'm a teapot"
COMMANDS = {
    "bench": ("-n", "120", "--sessions", "12"),
    "bench-burst": ("-n", "120", "--sessions", "3", "--concurrency", "2"),
    "compare": ("pooled", "unpooled", "--max-rounds", "30"),
    "compare-warmed": ("warmed", "unpooled", "--max-rounds", "30", "--idle", "0s"),
    "warmup": ("--rounds", "20", "--connections", "2"),
}
QUICK = ("--rate", "1000", "-o", "run.toml")


def refusing(after: int, status: str, *headers: str) -> Callable[[Visit], None]:
    """Answer so many requests, over all connections, and refuse whatever follows."""
    lock, seen = threading.Lock(), [0]

    def script(visit: Visit) -> None:
        while visit.request():
            with lock:
                seen[0] += 1
                fine = seen[0] <= after
            if fine:
                visit.answer()
            else:
                visit.answer(status=status, headers=headers)

    return script


def words_of(name: str, server: ScriptedServer, *more: str) -> tuple[str, ...]:
    command = name.partition("-")[0]
    return (command, *COMMANDS[name], "--venue", server.url, *QUICK, *more)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("status", [BANNED, "503 Service Unavailable", "302 Found"])
def test_what_is_refused_with_a_time_to_wait_is_not_asked_again(
    name: str, status: str
) -> None:
    with ScriptedServer(refusing(21, status, "Retry-After: 300")) as server:
        result = vestbench(*words_of(name, server))

    # A burst that is under way is sent to its end.
    assert 22 <= server.requests <= 25
    assert result.exit_code == 4, result.output
    said = f"asked to wait 300 s ({status[:3]} with Retry-After)"
    assert said in result.stderr
    assert result.stderr.startswith("error: ") or "\nerror: " in result.stderr
    assert "Ended early: the venue refuses" in " ".join(result.stdout.split())
    run = load_run(Path("run.toml"))
    assert run.conclusion.refused
    assert run.samples
    again = vestbench("report", "run.toml")
    assert (again.exit_code, again.stdout) == (4, result.stdout)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_leaves_a_venue_alone(stack: str) -> None:
    with ScriptedServer(refusing(11, BANNED, "Retry-After: 300")) as server:
        result = vestbench(*words_of("bench", server, "--stack", stack))

    assert server.requests == 12
    assert result.exit_code == 4, result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_refused_from_the_first_on_is_asked_a_handful_of_times(
    name: str,
) -> None:
    with ScriptedServer(refusing(0, "404 Not Found")) as server:
        result = vestbench(*words_of(name, server))

    assert server.requests <= 8
    assert result.exit_code == 4, result.output
    assert "404 Not Found" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_refused_from_then_on_ends_after_ten_in_a_row(name: str) -> None:
    with ScriptedServer(refusing(21, "403 Forbidden")) as server:
        result = vestbench(*words_of(name, server))

    assert 31 <= server.requests <= 34
    assert result.exit_code == 4, result.output
    assert "10 times in a row, last HTTP 403 Forbidden" in result.stderr


def test_a_document_says_that_the_venue_ended_the_run() -> None:
    with ScriptedServer(refusing(21, BANNED, "Retry-After: 300")) as server:
        result = vestbench(*words_of("bench", server, "--json"))

    found = json.loads(result.stdout)
    assert found["conclusion"]["refused"] is True
    assert "418 with Retry-After" in found["conclusion"]["stopped"]
