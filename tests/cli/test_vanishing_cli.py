"""Who watches a run may go: what is measured, kept and decided does not change."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, QUICK, run, started, vestbench
from tests.support.paths import RESULTS
from tests.support.sudden import eventually
from tests.support.terminals import on_a_terminal
from vestbench.cli.console import Progress
from vestbench.studies.registry import load_run

REQUESTS = 300
WORDS = ("bench", "-n", str(REQUESTS), *QUICK, "--interval", "4ms")


def ignore_hang_ups() -> None:
    """Do what nohup does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def close(*numbers: int) -> Callable[[], None]:
    """Return what closes these descriptors of a process that is starting."""

    def closed() -> None:
        for number in numbers:
            os.close(number)

    return closed


def measuring(file: Path) -> Callable[[], bool]:
    partial = Path(f"{file}.partial")
    return lambda: partial.exists() and b"[[samples]]" in partial.read_bytes()


def test_a_closed_terminal_ends_a_run_as_sigterm_does(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    with on_a_terminal(*WORDS, "-o", str(file)) as (process, hang_up):
        assert eventually(measuring(file))
        hang_up()
        code = process.wait(PATIENCE_S)

    stored = load_run(file)
    assert code == 143
    assert stored.interrupted
    assert 0 < len(stored.outcomes) < REQUESTS


def test_under_nohup_a_run_outlives_its_terminal(tmp_path: Path) -> None:
    file, document = tmp_path / "run.toml", tmp_path / "run.csv"
    words = (*WORDS, "-o", str(file), "--csv", str(document))
    with on_a_terminal(*words, before=ignore_hang_ups) as (process, hang_up):
        assert eventually(measuring(file))
        hang_up()
        code = process.wait(PATIENCE_S)

    stored = load_run(file)
    assert code == 0
    assert not stored.interrupted
    assert len(stored.outcomes) == REQUESTS
    assert len(document.read_text().splitlines()) == 1 + REQUESTS


@pytest.mark.parametrize(
    "closed", [(1,), (2,), (0, 1, 2)], ids=["stdout", "stderr", "all"]
)
def test_a_stream_that_is_closed_from_the_start_does_not_matter(
    closed: tuple[int, ...], tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    words = ("bench", "-n", "20", *QUICK, "-o", str(file))
    done = run(*words, before=close(*closed))

    assert done.returncode == 0, done.stderr
    assert len(load_run(file).outcomes) == 20


@pytest.mark.parametrize(
    ("asked", "code"), [("requests == 20", 0), ("requests == 21", 1)]
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--quiet",)])
def test_on_a_closed_pipe_what_was_asked_decides_and_documents_are_written(
    asked: str, code: int, form: tuple[str, ...], tmp_path: Path
) -> None:
    document = tmp_path / "run.csv"
    words = ("bench", "-n", "20", *QUICK, "--assert", asked, *form)
    words = (*words, "--csv", str(document), "-o", str(tmp_path / "run.toml"))
    with started(*words) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert len(document.read_text().splitlines()) == 21


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv", "-")])
@pytest.mark.parametrize(("asked", "code"), [("saving > 0ms", 0), ("saving < 0ms", 1)])
def test_so_it_does_for_a_stored_run(
    asked: str, code: int, form: tuple[str, ...]
) -> None:
    stored = str(RESULTS / "reference-bench-30ms.toml")
    with started("gate", stored, "--assert", asked, *form) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, errors = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, errors) == (code, "")


@pytest.mark.parametrize("document", ["--csv", "--markdown", "--json-file"])
def test_a_closed_terminal_ends_a_run_whose_document_it_was_to_show(
    document: str, tmp_path: Path
) -> None:
    file = tmp_path / "run.toml"
    words = (*WORDS, "-o", str(file), document, "-")
    with on_a_terminal(*words) as (process, hang_up):
        assert eventually(measuring(file))
        hang_up()
        code = process.wait(PATIENCE_S)

    assert code == 143
    assert load_run(file).interrupted


def test_a_signal_that_comes_twice_has_the_code_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    with started(*WORDS, "-o", str(file)) as process:
        assert eventually(measuring(file))
        for _ in range(20):
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 143, errors


def test_a_bug_in_the_progress_line_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count(1)

    def bug(*_: object) -> None:
        if next(numbers) == 60:
            raise ZeroDivisionError

    monkeypatch.setattr(Progress, "advance", bug)
    file = tmp_path / "run.toml"

    result = vestbench(*WORDS[:-2], "-o", str(file))

    assert isinstance(result.exception, ZeroDivisionError)
    assert len(load_run(Path(f"{file}.partial")).outcomes) == 60
