"""Documents from the command line: which, where, and what is refused first."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.command import QUICK
from tests.support.exported import names, stored, vestbench
from vestbench.cli.option_records import option_of
from vestbench.model.formats import FORMATS, Format
from vestbench.report.found import Found

OPTIONS = {
    "--html": "<!DOCTYPE html>",
    "--markdown": "### ",
    "--csv": "conditions,session,",
    "--json-file": "{\n",
    "--junit": "<?xml ",
    "--prometheus": "# HELP ",
    "--har": '{"log":{',
}
pytestmark = pytest.mark.usefixtures("empty_folder")


def all_of_them(folder: str = "out") -> list[str]:
    return [word for option in OPTIONS for word in (option, f"{folder}/{option[2:]}")]


# --- what is written -----------------------------------------------------------------


def test_every_format_has_an_option() -> None:
    assert {option_of(name) for name in FORMATS} == set(OPTIONS)


@pytest.mark.parametrize("name", ["bench", "compare", "warmup"])
def test_all_documents_of_a_stored_run_at_once(name: str) -> None:
    result = vestbench("report", stored(name), *all_of_them())

    assert result.exit_code == 0, result.output
    for option, start in OPTIONS.items():
        path = Path("out", option[2:])
        assert path.read_text(encoding="utf-8").startswith(start)
        assert str(path.resolve()) in result.stderr
    assert names() == {"run.toml", *(f"out/{option[2:]}" for option in OPTIONS)}


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "-n", "24"),
        ("compare", "pooled", "unpooled", "--min-saving", "0.01ms"),
        ("warmup", "--rounds", "3"),
    ],
    ids=["bench", "compare", "warmup"],
)
def test_all_documents_of_a_live_run_are_those_of_its_result(
    words: tuple[str, ...],
) -> None:
    live = vestbench(*words, *QUICK, "-o", "run.toml", *all_of_them("live"))
    again = vestbench("report", "run.toml", *all_of_them("stored"))

    assert live.exit_code in (0, 1, 3), live.output  # whatever it was decided to be
    assert live.stdout == again.stdout
    for option in OPTIONS:
        one, other = (Path(f, option[2:]).read_text() for f in ("live", "stored"))
        if option == "--json-file":  # the order of keys is not stored
            one, other = json.loads(one), json.loads(other)
        assert one == other, option


@pytest.mark.parametrize(("option", "start"), OPTIONS.items())
def test_a_document_on_standard_output_replaces_the_tables(
    option: str, start: str
) -> None:
    result = vestbench("report", stored(), option, "-")

    assert result.exit_code == 0
    assert result.stdout.startswith(start)
    assert "The control is" not in result.stdout.splitlines()[0]
    assert names() == {"run.toml"}
    assert result.stderr == ""


def test_a_document_on_standard_output_is_whole_and_alone() -> None:
    path = stored()

    rows = list(csv.reader(io.StringIO(vestbench("report", path, "--csv", "-").stdout)))
    tree = ElementTree.fromstring(
        vestbench("report", path, "--junit", "-").stdout.encode()
    )
    found = json.loads(vestbench("report", path, "--json-file", "-").stdout)

    assert len(rows) == 25
    assert tree.tag == "testsuites"
    assert found == json.loads(vestbench("report", path, "--json").stdout)


def test_json_and_files_go_together() -> None:
    result = vestbench("report", stored(), "--json", "--html", "run.html")

    assert json.loads(result.stdout)["command"] == "compare"
    assert Path("run.html").exists()


def test_quiet_says_nothing_of_files() -> None:
    result = vestbench("report", stored(), "-q", "--html", "run.html")

    assert result.stderr == ""
    assert Path("run.html").exists()


def test_an_older_document_is_replaced_at_once_and_keeps_nothing() -> None:
    Path("run.prom").write_text("old\n" * 100_000)

    vestbench("report", stored(), "--prometheus", "run.prom")

    assert "old" not in Path("run.prom").read_text()


def test_what_a_killed_command_left_of_a_document_is_cleared_by_the_next() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    left = [f".run.csv.{pid}.partial" for pid in (dead.pid, os.getpid(), 10**30)]
    of_others = [
        f".run.csv.{os.getppid()}.partial",  # it lives, and may be at it
        f".other.csv.{dead.pid}.partial",
        ".run.csv.x.partial",
        f".run.csv.0{dead.pid}.partial",
    ]
    for name in (*left, *of_others):
        Path(name).write_text("conditions,")

    result = vestbench("report", stored(), "--csv", "run.csv")

    assert result.exit_code == 0, result.output
    assert names() == {"run.toml", "run.csv", *of_others}


def test_a_document_that_is_not_whole_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(TextIOWrapper):
        def write(self, text: str) -> int:
            super().write(text[:4])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vestbench.cli.exports.TextIOWrapper", Full)

    result = vestbench("report", stored(), "--csv", "run.csv")

    assert result.exit_code == 2
    assert "cannot write" in result.stderr
    assert "no space left on device" in result.stderr
    assert names() == {"run.toml"}


def test_a_link_stays_a_link() -> None:
    Path("real").mkdir()
    Path("run.html").symlink_to("real/run.html")

    vestbench("report", stored(), "--html", "run.html")

    assert Path("run.html").is_symlink()
    assert Path("real/run.html").read_text().startswith("<!DOCTYPE html>")


def test_others_may_read_a_document_as_they_may_any_file() -> None:
    before = os.umask(0o022)
    try:
        vestbench("report", stored(), "--prometheus", "run.prom")
    finally:
        os.umask(before)

    # node-exporter is another user.
    assert stat.S_IMODE(Path("run.prom").stat().st_mode) == 0o644


def test_an_unfinished_run_has_documents_too() -> None:
    stored()
    text = Path("run.toml").read_text(encoding="utf-8").partition("[conclusion]")[0]
    Path("cut.toml.partial").write_text(text, encoding="utf-8")

    result = vestbench("report", "cut.toml.partial", *all_of_them())

    assert result.exit_code == 0, result.output


def test_the_schema_is_printed_without_a_run() -> None:
    result = vestbench("report", "--schema")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["$schema"].endswith("2020-12/schema")


# --- what is refused -----------------------------------------------------------------


def _folder() -> str:
    Path("folder").mkdir()
    return "folder"


def _device() -> str:
    return os.devnull


def _below_a_file() -> str:
    Path("file").touch()
    return "file/run.html"


def _too_long() -> str:
    return "x" * 300


@pytest.mark.parametrize("make", [_folder, _device, _below_a_file, _too_long])
def test_a_bad_path_fails_before_anything_is_measured(
    make: Callable[[], str],
) -> None:
    path = make()
    before = names()

    result = vestbench("bench", "-n", "24", *QUICK, "--csv", "good.csv", "--html", path)

    assert result.exit_code == 2
    assert "error: --html: " in result.stderr
    assert result.stdout == ""
    assert names() == before  # no result, no attempt


def test_two_documents_cannot_have_one_file() -> None:
    result = vestbench("report", stored(), "--html", "a", "--csv", "./a")

    assert result.exit_code == 2
    assert "another document goes to" in result.stderr
    assert names() == {"run.toml"}


@pytest.mark.parametrize("words", [("--json",), ("--markdown", "-")])
def test_only_one_document_fits_standard_output(words: tuple[str, ...]) -> None:
    result = vestbench("report", stored(), *words, "--csv", "-")

    assert result.exit_code == 2
    assert "only one document fits standard output" in result.stderr


def test_a_document_never_replaces_the_result() -> None:
    path = stored()
    before = Path(path).read_bytes()

    result = vestbench("report", path, "--csv", f"./{path}")
    live = vestbench("bench", *QUICK, "-o", "new.toml", "--csv", "new.toml")

    assert (result.exit_code, live.exit_code) == (2, 2)
    assert "is the result itself" in result.stderr
    assert Path(path).read_bytes() == before
    assert names() == {path}


def test_two_stored_runs_have_no_documents() -> None:
    one, other = stored(), stored(path="other.toml")

    result = vestbench("compare", one, other, "--html", "run.html")

    assert result.exit_code == 2
    assert "--html: documents are made of one run" in result.stderr


def shout(found: Found) -> Iterator[str]:
    yield f"{found.run.label.upper()}!"


def test_a_document_of_a_tests_own_is_in_the_help_and_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        FORMATS, "shout", Format("shout", "a shout", f"{__name__}:shout")
    )
    run = stored()

    shown = " ".join(vestbench("report", "--help").stdout.split())
    printed = vestbench("report", run, "--shout", "-").stdout
    vestbench("report", run, "--shout", "loud.txt")

    assert "--shout FILE Write a shout to this file too" in shown
    assert printed == "POOLED-UNPOOLED!"
    assert Path("loud.txt").read_text(encoding="utf-8") == "POOLED-UNPOOLED!"
