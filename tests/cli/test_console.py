"""What a terminal shows while something takes its time."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.records import bench_run, sessions, store
from vestbench.cli.console import put_out


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return store(bench_run(sessions(range(99, 105))), tmp_path / "a\x1b[2Jrun.toml")


def on_a_terminal(*words: str, check: bool = True, **env: str) -> tuple[str, str]:
    """Run the command; return what it showed on a terminal, and what it printed."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vestbench", *words],
            stderr=theirs,
            stdout=subprocess.PIPE,
            text=True,
            check=check,
            env={**os.environ, "COLUMNS": "200", **env},
        )
        os.set_blocking(ours, False)
        try:
            shown = os.read(ours, 100_000).decode()
        except BlockingIOError:
            shown = ""
    finally:
        os.close(ours)
        os.close(theirs)
    return shown, done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("report", "{}"), "reading "),
        (("report", "{}", "--json"), "summarising"),
        (("gate", "{}", "--assert", "failures == 0"), "judging "),
        (("compare", "{}", "{}"), "comparing "),
    ],
)
def test_reading_is_said_on_a_terminal_and_gone_afterwards(
    stored: Path, words: tuple[str, ...], said: str
) -> None:
    shown, result = on_a_terminal(*(word.format(stored) for word in words))

    assert f"\r{said}" in shown
    assert shown.endswith("\r\x1b[K")
    assert said not in result
    assert "\x1b[2J" not in shown


def test_reading_is_not_said_where_there_is_no_terminal(stored: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vestbench", "report", str(stored)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stderr == ""


def test_a_terminal_that_cannot_go_back_in_a_line_is_sent_no_progress(
    stored: Path,
) -> None:
    shown, _ = on_a_terminal("report", str(stored), TERM="dumb")

    assert shown == ""


def test_what_a_pipe_cannot_encode_is_written_in_what_it_has(stored: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vestbench", "report", str(stored)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )

    assert b"saving >= 50 ms" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("env", "begins"),
    [({}, "\x1b[31m\x1b[1merror: "), ({"NO_COLOR": "1"}, "error: ")],
    ids=["colours", "none"],
)
@pytest.mark.parametrize("words", [("report", "none.toml"), ("bench", "--nonsense")])
def test_an_error_is_coloured_unless_nobody_wants_that(
    words: tuple[str, ...], env: dict[str, str], begins: str
) -> None:
    shown, _ = on_a_terminal(*words, check=False, **env)

    line = shown.rpartition("\x1b[K")[2]  # after what was said meanwhile
    assert line.startswith(begins)
    assert ("\x1b" in line) is not bool(env)


@pytest.mark.usefixtures("empty_folder")
def test_log_lines_tell_the_time_in_utc_and_say_so() -> None:
    quick = ("--rounds", "1", "--rtt", "0ms", "--processing", "0ms")
    done = run("warmup", *quick, "--output", "run.toml", TZ="America/New_York")

    line = next(each for each in done.stderr.splitlines() if "[INIT]" in each)
    moment, zone = line.split(",")[0], line.split()[2]
    begun = next(each for each in done.stdout.splitlines() if each.startswith("run"))
    assert zone == "UTC"
    shown = datetime.fromisoformat(" ".join(begun.split()[1:3]))
    assert abs((datetime.fromisoformat(moment) - shown).total_seconds()) < 3600


def test_a_document_keeps_its_ends_of_lines_where_others_are_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = BytesIO()
    # As Windows opens standard output that is redirected.
    usual = TextIOWrapper(written, encoding="cp1252", newline="\r\n")
    monkeypatch.setattr(sys, "stdout", usual)
    for line in ("a,b\r\n", "1,≥\r\n"):
        put_out(line)

    assert written.getvalue() == "a,b\r\n1,≥\r\n".encode()
