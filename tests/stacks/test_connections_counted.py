"""The connections that requests opened, beside those that the exchange counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import QUICK, vestbench
from vestbench.model.run import Run
from vestbench.studies.registry import load_run
from vestbench.workers.remote import RemoteStack

pytestmark = pytest.mark.usefixtures("empty_folder")

COMMANDS = (
    ("bench", "-n", "24", "--sessions", "6"),
    ("bench", "-n", "30", "--sessions", "3", "--concurrency", "3"),
    ("bench", "-n", "12", "--unpooled"),
    ("bench", "-n", "12", "--sessions", "3", "--max-requests", "2"),
    ("compare", "pooled", "unpooled", "warmed", "resumed", "--idle", "1ms"),
    ("warmup", "--rounds", "6"),
)
ENOUGH = ("--max-rounds", "12")


def measured(*words: str) -> Run:
    """Run a command over loopback and return its run, whatever it concludes."""
    enough = ENOUGH if words[0] == "compare" else ()
    done = vestbench(*words, *enough, *QUICK, "--output", "run.toml")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return load_run(Path("run.toml"))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("stack", ["httpx", "httpx2", "reqwest"])
def test_each_connection_that_the_exchange_counts_was_seen_to_be_opened(
    stack: str, words: tuple[str, ...]
) -> None:
    run = measured(*words, "--stack", stack)

    assert run.conclusion.server is not None
    assert run.conclusion.opened == run.conclusion.server.connections > 0


def test_several_stacks_are_counted_together() -> None:
    run = measured("compare", "pooled", "unpooled", "--stack", "all")

    assert run.conclusion.server is not None
    assert run.conclusion.opened == run.conclusion.server.connections > 0


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "-n", "12", "--sessions", "3"),
        ("compare", "pooled", "unpooled", *ENOUGH),
        ("warmup", "--rounds", "2"),
        ("connect", "--rounds", "2"),
    ],
    ids=lambda words: words[0],
)
def test_a_connection_that_nobody_saw_is_a_warning_of_every_command(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemoteStack, "took", lambda *_: None)

    live = vestbench(*words, *QUICK, "--output", "run.toml")
    stored = vestbench("report", "run.toml")

    for shown in (live, stored):
        assert "more than the 0 that requests were seen to open" in shown.output
