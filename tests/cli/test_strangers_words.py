"""What comes from outside controls nothing, whatever command has met it."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from errno import EACCES
from pathlib import Path

import pytest
from typer.testing import Result

from tests.support.command import COMMAND, QUICK, run
from tests.support.documents import hostile
from tests.support.exported import stored, vestbench
from tests.support.records import store
from tests.support.servers import ScriptedServer, Visit
from tests.support.strangers import DOCUMENTS
from vestbench.characters import plain, plain_lines
from vestbench.cli.measuring import log_handler
from vestbench.config import Settings, resolve
from vestbench.errors import UsageError
from vestbench.report.github import command

pytestmark = pytest.mark.usefixtures("empty_folder")

# A colour, a title, a C1 sequence, a turned direction, line breaks of all sorts, DEL.
CONTROL = "a\x1b[31m\x1b]0;t\x07\x9b2J\u202eb\u2066\u2028\x85\x7f\r\nc\td"
STORED = f"{CONTROL}\0"  # what no word of a command line can hold
FILE = "f\x1b[2J\u202e\x9b.toml"  # as a file may be called
EVERY = tuple(word for to in DOCUMENTS for word in (to, f"out/{to[2:]}"))


def odd(text: str) -> set[str]:
    """Return the characters of a text that control something, but for line ends."""
    return {c for c in re.sub("\r?\n", "", text) if not c.isprintable()}


def in_a_job(*words: str) -> Result:
    result = vestbench(
        *words, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY="out/summary", NO_COLOR="1"
    )
    ended = result.exception is None or isinstance(result.exception, SystemExit)
    assert ended, result.exception
    return result


def documents() -> Iterator[tuple[str, str]]:
    """Yield all that commands have written besides results."""
    for path in sorted(Path("out").iterdir()):
        yield path.name, path.read_bytes().decode("utf-8")


@pytest.fixture(params=["bench", "compare", "warmup"])
def file(request: pytest.FixtureRequest) -> str:
    Path("out").mkdir()
    Path("kept").mkdir()
    return str(store(hostile(STORED)[request.param], Path("kept", FILE)))


def test_of_a_stored_run_nothing_controls_any_document(file: str) -> None:
    result = in_a_job("report", file, *EVERY)

    assert not odd(result.stdout + result.stderr)
    made = dict(documents())
    assert len(made) == 1 + len(DOCUMENTS)
    assert {name: odd(text) for name, text in made.items() if odd(text)} == {}
    # JSON alone keeps what was said, as escapes.
    assert json.loads(made["json-file"])["label"] == STORED


@pytest.mark.parametrize(
    "words",
    [
        ("report", "{}", "--quiet"),
        ("gate", "{}", "--assert", "failures == 0"),
        ("gate", "{}", "--assert", "failures == 0", "--json"),
        ("compare", "{}", "{}", "--force"),
        ("compare", "{}", "{}", "--force", "--json"),
        ("history", "kept"),
        ("history", "kept", "--json"),
        ("trend", "kept"),
        ("trend", "kept", "--json"),
    ],
    ids=" ".join,
)
def test_of_a_stored_run_nothing_controls_what_any_command_prints(
    file: str, words: tuple[str, ...]
) -> None:
    result = in_a_job(*(word.format(file) for word in words))

    assert result.stdout + result.stderr
    assert not odd(result.stdout + result.stderr)


def refusing(visit: Visit) -> None:
    """Answer with a reason and headers that would control a terminal."""
    while visit.request():
        said = b"a\x9b2J\xe2\x80\xaeb\x85\xc2\x9b31mc"
        visit.send(
            b"HTTP/1.1 503 " + said + b"\r\nContent-Length: 2\r\nServer: " + said
            + b"\r\nContent-Type: " + said + b"\r\nKeep-Alive: " + said + b"\r\n\r\n{}"
        )  # fmt: skip


def breaking(visit: Visit) -> None:
    """Answer with a line that is none, which an exception may repeat."""
    visit.request()
    visit.send(b"HTTP/1.1 200 \x1b[31m\x1b]0;t\x07\r\n\x1b[2J: \x1b[31m\r\n\r\n{}")


@pytest.mark.parametrize("stack", ["httpx", "httpx2", "reqwest"])
@pytest.mark.parametrize("script", [refusing, breaking])
@pytest.mark.parametrize("measuring", ["bench", "warmup", "compare"])
def test_what_a_server_says_controls_nothing(
    measuring: str, script: Callable[[Visit], None], stack: str
) -> None:
    Path("out").mkdir()
    ways = ("pooled", "unpooled") if measuring == "compare" else ()
    with ScriptedServer(script) as server:
        words = (measuring, *ways, "--venue", server.url, "--stack", stack, *EVERY)
        result = in_a_job(*words, "--rate", "1000")

    assert result.exit_code == 4, result.stderr
    assert not odd(result.stdout + result.stderr)
    assert {name: odd(text) for name, text in documents() if odd(text)} == {}


@pytest.mark.parametrize(
    "words",
    [
        ("report", FILE),
        ("report", CONTROL),
        ("history", FILE),
        ("gate", "kept.toml", "--assert", CONTROL),
        ("bench", "--venue", f"https://{CONTROL}/"),
        ("bench", "--venue", f"https://127.0.0.1/{CONTROL}"),
        ("bench", "--endpoint", CONTROL),
        ("bench", "--stack", CONTROL),
        ("bench", f"--{CONTROL}"),
        ("bench", "--config", FILE),
        ("bench", "-n", "2", *QUICK, "--output", f"{FILE}/run.toml"),
        ("compare", CONTROL, "pooled"),
        ("serve", "--ca-file", f"nowhere/{FILE}", "--port", "0"),
        (CONTROL,),
    ],
    ids=lambda words: "-".join(map(ascii, words))[:60],
)
def test_what_is_typed_wrong_is_told_without_controlling(
    words: tuple[str, ...],
) -> None:
    Path(FILE).touch()
    stored(path="kept.toml")

    result = in_a_job(*words)

    assert result.exit_code in (2, 4, 5), result.stderr
    told = [line for line in result.stderr.splitlines() if line[:2] != "::"]
    assert len(told) == 1
    assert not odd(result.stdout + result.stderr)


def test_where_a_result_is_kept_is_told_without_controlling() -> None:
    Path("out").mkdir()
    page = f"{FILE}.html"
    words = ("-n", "2", "--sessions", "1", *QUICK, "-o", FILE, "--html", page)
    result = in_a_job("bench", *words)

    assert f"result: {plain(FILE)}" in result.stderr
    assert f"{plain(page)}\n" in result.stderr
    assert Path(FILE).exists()
    assert Path(page).exists()
    assert not odd(result.stdout + result.stderr)


def test_the_traceback_of_a_bug_repeats_nothing_that_controls() -> None:
    fail = f"def fail(): raise RuntimeError({CONTROL!r})"
    code = f"import vestbench.cli as c\n{fail}\nc.app = fail\nc.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)

    shown = done.stderr.decode()
    assert done.returncode == 70
    assert "RuntimeError: a" in shown
    assert not odd(shown)


def test_an_annotation_controls_nothing_but_its_own_lines() -> None:
    found = command("error", STORED, f"{STORED}\n{STORED}")

    assert not odd(found)
    assert "%0A" in found


def test_a_log_line_stays_one_line_and_controls_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    handler = log_handler()
    handler.handle(logging.makeLogRecord({"msg": f"{STORED}\n::error::forged"}))

    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert not odd(said)


def test_a_file_name_of_two_lines_forges_none() -> None:
    name = "n\n::error::forged.csv"
    done = run("report", stored(), "--csv", name)

    assert Path(name).exists()
    assert "forged" in done.stderr
    assert not any(line.startswith("::") for line in done.stderr.splitlines())


def test_what_is_no_result_is_told_without_controlling() -> None:
    Path(FILE).write_text("format = ")
    done = run("report", FILE)

    assert done.returncode == 5
    assert not odd(done.stdout + done.stderr)
    assert "Traceback" not in done.stderr


# --- documents on stdout -------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-16"])
@pytest.mark.parametrize("to", DOCUMENTS)
def test_documents_are_utf_8_on_any_stdout(to: str, encoding: str) -> None:
    words = ("report", stored(), to)
    vestbench(*words, "in-a-file")

    done = subprocess.run(
        [*COMMAND, *words, "-"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == Path("in-a-file").read_bytes()


# --- the home folder -----------------------------------------------------------------


def test_a_home_that_is_no_folder_holds_no_settings() -> None:
    done = subprocess.run(
        [*COMMAND, "config"],
        capture_output=True,
        env={**os.environ, "HOME": "/dev/null"},
    )

    assert (done.returncode, done.stderr) == (0, b"")


def resolved_where_nobody_may_look(**given: Path) -> Settings:
    def refuse(path: Path) -> None:  # as the kernel does, but for root
        raise PermissionError(EACCES, os.strerror(EACCES), str(path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        return resolve(
            {}, environment={}, folder=Path("here"), home=Path("/root"), **given
        )


def test_a_home_that_is_closed_to_us_holds_no_settings() -> None:
    assert resolved_where_nobody_may_look()["results"] == "results"


def test_a_file_that_was_asked_for_has_to_be_one_that_we_may_read() -> None:
    with pytest.raises(UsageError, match="cannot read own"):
        resolved_where_nobody_may_look(config=Path("own.toml"))


def test_lines_that_are_ours_stay() -> None:
    assert plain_lines("a\x1b\nb\r\n") == "a�\nb�\n"
