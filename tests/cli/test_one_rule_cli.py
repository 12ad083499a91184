"""One rule for what a run says and how it ends: on each command, live and stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import Result

from tests.support.command import QUICK
from tests.support.exported import vestbench
from tests.support.servers import ScriptedServer, Visit, answer, free_port, keep_alive
from vestbench.cli.console import Progress
from vestbench.errors import ProcessDiedError

pytestmark = pytest.mark.usefixtures("empty_folder")

DOCUMENTS = ("html", "markdown", "csv", "json-file", "junit", "prometheus")
COMMANDS = {
    "bench": ("bench", "-n", "24", "--sessions", "12"),
    "compare": ("compare", "pooled", "unpooled", "--max-rounds", "12"),
    "warmup": ("warmup", "--rounds", "3"),
    "connect": ("connect", "--rounds", "2"),
}


def refuses(visit: Visit) -> None:
    while visit.request():
        visit.send(answer(status="404 Not Found"))


def closes(visit: Visit) -> None:
    visit.request()
    visit.send(answer(headers=["connection: close"]))


def turning_away(after: int) -> Callable[[Visit], None]:
    """Return a script that answers so many requests in all, and refuses the others."""
    asked = count()

    def script(visit: Visit) -> None:
        while visit.request():
            well = next(asked) < after
            visit.send(answer(status="200 OK" if well else "404 Not Found"))

    return script


def resets(visit: Visit) -> None:
    visit.request()
    visit.reset()


@contextmanager
def venue(script: Callable[[Visit], None] | None) -> Iterator[tuple[str, ...]]:
    """Serve a script, or nothing at all, and yield the words that measure it."""
    polite = ("--rate", "1000")
    if script is None:
        yield ("--venue", f"http://127.0.0.1:{free_port()}/", *polite)
        return
    with ScriptedServer(script) as server:
        yield ("--venue", server.url, *polite)


def both(*words: str) -> tuple[Result, Result]:
    """Measure with all documents, and report the result with all of them."""
    results = []
    for folder, command in (
        ("live", (*words, "-o", "run.toml")),
        ("stored", ("report", "run.toml")),
    ):
        files = [w for name in DOCUMENTS for w in (f"--{name}", f"{folder}/{name}")]
        results.append(vestbench(*command, *files))
    return results[0], results[1]


def check_equal(live: Result, stored: Result) -> None:
    """Hold that a stored run says what the live one did, and shows no infinity."""
    assert live.stdout == stored.stdout
    texts = [live.stdout]
    for name in DOCUMENTS:
        one, other = (Path(f, name).read_text("utf-8") for f in ("live", "stored"))
        if name == "json-file":  # the order of keys is not stored
            assert json.loads(one) == json.loads(other)
        else:
            assert one == other, name
        texts.append(one)
    assert not [text for text in texts if "∞" in text]
    assert "Inf" not in texts[-1]


# A comparison without an answer ends in its discarded rounds: nothing is measured.
DISCARDED = 9


@pytest.mark.parametrize(
    ("command", "script"),
    [
        *product(("bench", "warmup", "connect"), (refuses, resets, None)),
        ("compare", turning_away(DISCARDED)),
    ],
)
def test_a_run_without_an_answer_is_the_same_live_and_stored(
    command: str, script: Callable[[Visit], None] | None
) -> None:
    with venue(script) as words:
        live, stored = both(*COMMANDS[command], *words)

    assert (live.exit_code, stored.exit_code) == (4, 4), live.output
    check_equal(live, stored)
    assert live.stdout.startswith("No saving: no usable response from")
    assert "reused" not in live.stdout
    assert ("not reached" in live.stdout) == (script is None)
    gated = vestbench("gate", "run.toml", "--assert", "failures <= 100")
    assert gated.exit_code == 4
    (shown,) = json.loads(vestbench("history", ".", "--json").stdout)["runs"]
    assert "saving" not in shown
    assert list(ElementTree.parse("live/junit").iter("error"))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("asked", [(), ("--assert", "failures == 0")])
def test_what_reused_nothing_states_no_saving_and_ends_with_5(
    command: str, asked: tuple[str, ...]
) -> None:
    with venue(closes) as words:
        live, stored = both(*COMMANDS[command], *words, *asked)

    assert (live.exit_code, stored.exit_code) == (5, 5), live.output
    check_equal(live, stored)
    head = live.stdout.partition("\n\n")[0]
    assert "INVALID" in head
    assert "o saving can be stated" in head
    assert " saves " not in live.stdout
    assert vestbench("gate", "run.toml").exit_code == 5
    (shown,) = json.loads(vestbench("history", ".", "--json").stdout)["runs"]
    assert shown["acceptance"] == "INVALID"
    assert "saving" not in shown
    assert "vestbench_saving" not in Path("live/prometheus").read_text("utf-8")
    assert list(ElementTree.parse("live/junit").iter("error"))
    compared = vestbench("compare", "run.toml", "run.toml")
    assert compared.exit_code == 5
    assert "no saving can be stated" in compared.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "-n", "8", "--sessions", "1"),
        ("bench", "-n", "48", "--sessions", "12"),
        ("bench", "-n", "8", "--unpooled"),
        ("warmup", "--rounds", "1"),
        ("connect", "--rounds", "1"),
        ("compare", "pooled", "unpooled", "--max-rounds", "12"),
    ],
)
def test_a_run_that_went_well_is_the_same_live_and_stored(
    words: tuple[str, ...],
) -> None:
    with venue(keep_alive) as at:
        live, stored = both(*words, *at)

    assert stored.exit_code == 0
    check_equal(live, stored)


def test_assertions_take_the_place_of_the_default_target() -> None:
    words = (*COMMANDS["compare"], *QUICK, "--assert", "pooled.reused == 100%")

    alone = vestbench(*words)
    both_asked = vestbench(*words, "--min-saving", "500ms")

    assert alone.exit_code == 0, alone.output
    assert "FAIL" not in alone.stdout
    assert both_asked.exit_code == 1
    assert "FAIL against ≥ 500 ms" in both_asked.stdout


@pytest.mark.parametrize("asked", [("--gate",), ("--min-saving", "500ms")])
def test_bench_judges_its_target_beside_assertions_only_if_it_was_asked_for(
    asked: tuple[str, ...],
) -> None:
    words = ("bench", "-n", "48", *QUICK, "--assert", "failures == 0")

    assert vestbench(*words).exit_code == 0
    assert vestbench(*words, *asked).exit_code == 1


def test_the_trend_of_a_run_is_the_figure_of_its_report() -> None:
    with venue(keep_alive) as at:
        vestbench("warmup", "--rounds", "8", *at, "-o", "runs/run.toml")
    shown = json.loads(vestbench("report", "runs/run.toml", "--json").stdout)
    (series,) = json.loads(vestbench("trend", "runs", "--json").stdout)["series"]
    (entry,) = series["entries"]

    assert entry["level"] == pytest.approx(shown["summary"]["saving"]["median_lo"])
    assert "run.toml" in vestbench("history", "runs").stdout


def interrupting(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """End a run at its fifth outcome, by Ctrl-C or an error."""
    seen = count(1)

    def advance(*_: object) -> None:
        if next(seen) == 5:
            raise error

    monkeypatch.setattr(Progress, "advance", advance)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupted_run_is_the_same_live_and_stored(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupting(monkeypatch, KeyboardInterrupt())
    with venue(keep_alive) as words:
        live, stored = both(*COMMANDS[command], *words)

    assert (live.exit_code, stored.exit_code) == (130, 0)
    check_equal(live, stored)
    assert "Interrupted: this is what was measured until then." in live.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_an_error_ended_is_the_same_live_and_stored(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = ProcessDiedError("the link ended")
    interrupting(monkeypatch, error)
    with venue(keep_alive) as words:
        live, stored = both(*COMMANDS[command], *words)

    assert (live.exit_code, stored.exit_code) == (70, 5)
    check_equal(live, stored)
    for folder in ("live", "stored"):
        found = json.loads(Path(folder, "json-file").read_text("utf-8"))
        assert found["error"] == f"ended early: {error}"
        assert list(ElementTree.parse(f"{folder}/junit").iter("error"))
        assert "vestbench_up{" in Path(folder, "prometheus").read_text("utf-8")
        assert found["summary"].get("acceptance", "INVALID") == "INVALID"
        for name in DOCUMENTS:
            if name not in ("csv", "prometheus"):
                check_words(Path(folder, name).read_text("utf-8"))
    check_words(live.stdout)
    check_words(vestbench("report", "run.toml", "--quiet").stdout)
    assert vestbench("gate", "run.toml", "--assert", "failures == 0").exit_code == 5


def check_words(text: str) -> None:
    """Check that a run is called invalid, and nothing else."""
    assert "INVALID" in text
    assert re.findall(r"\b(PASS|FAIL|INCONCLUSIVE)\b", text) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_left_of_a_killed_run_can_be_shown_in_every_document(
    command: str,
) -> None:
    with venue(keep_alive) as words:
        both(*COMMANDS[command], *words)
    whole = Path("run.toml").read_text("utf-8")
    for end in ("[conditions]", "[[samples]]", "[conclusion]"):
        Path("run.toml.partial").write_text(whole[: whole.index(end)], "utf-8")
        files = [w for name in DOCUMENTS for w in (f"--{name}", f"left/{name}")]

        result = vestbench("report", "run.toml.partial", *files)

        assert result.exit_code == 0, result.output
        assert "Interrupted" in result.stdout
        assert "∞" not in result.stdout + Path("left/html").read_text("utf-8")
