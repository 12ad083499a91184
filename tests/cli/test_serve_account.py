"""The account that `serve` gives at its end of what clients have sent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.asking import ask
from tests.support.command import vestbench
from vestbench.errors import ExitCode
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")


@contextmanager
def served(
    *words: str, end: signal.Signals = signal.SIGINT
) -> Iterator[SimpleNamespace]:
    """Serve until the block ends; then its exit code and streams are known."""
    command = [sys.executable, "-u", "-m", "vestbench", "serve", "--port", "0"]
    pipe = subprocess.PIPE
    found = SimpleNamespace()
    with subprocess.Popen(
        [*command, "--processing", "0ms", "--json", *words],
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found.__dict__.update(json.loads(line) if line else {})
        yield found
        process.send_signal(end)
        found.out, found.err = process.communicate()
    found.code = process.returncode


def send(found: SimpleNamespace, *times: int) -> None:
    """Send so many requests over each of several connections."""
    for each in times:
        ask(found.base_url, Path(found.ca_file), times=each)


def test_its_exit_code_is_that_of_what_is_asserted() -> None:
    for asserted, code in (
        ("connections == 2", ExitCode.OK),
        ("needless == 0", ExitCode.NOT_MET),
    ):
        with served("--assert", asserted) as found:
            send(found, 3, 1)

        assert found.code == code, found.err


def test_without_an_assertion_it_ends_well_whatever_was_sent() -> None:
    with served() as found:
        send(found, 1, 1)

    assert (found.code, found.out) == (0, "")
    assert not list(Path().iterdir())


def test_who_ends_it_by_sigterm_gets_the_account_and_is_told_so() -> None:
    words = ("--assert", "connections == 1", "--har", "h.har")
    with served(*words, end=signal.SIGTERM) as found:
        send(found, 2)

    assert found.code == ExitCode.TERMINATED
    assert found.err.endswith("interrupted by SIGTERM\n")
    assert len(json.loads(Path("h.har").read_text())["log"]["entries"]) == 2


def test_an_assertion_is_refused_before_it_serves() -> None:
    result = vestbench("serve", "--port", "0", "--assert", "saving >= 1ms")

    assert result.exit_code == ExitCode.USAGE
    assert "saving" in result.stderr


def test_that_nothing_was_needless_is_no_merit_of_nobody() -> None:
    with served("--assert", "needless == 0") as found:
        pass

    assert found.code == ExitCode.INVALID


def test_all_documents_are_there_and_a_result_that_is_shown_again() -> None:
    words = ("--html", "p.html", "--junit", "j.xml", "--har", "h.har", "-o", "r.toml")
    with served(*words, "--json-file", "d.json", "--markdown", "m.md") as found:
        send(found, 2, 1)

    assert found.code == 0, found.err
    names = {"p.html", "j.xml", "h.har", "r.toml", "d.json", "m.md"}
    assert {path.name for path in Path().iterdir()} == names
    assert len(json.loads(Path("h.har").read_text())["log"]["entries"]) == 3
    run = load_run(Path("r.toml"))
    assert (run.command, len(run.samples), len(run.failures)) == ("serve", 3, 0)
    shown = vestbench("report", "r.toml")
    assert "Clients sent 3 requests over 2 connections. 1 of them was" in shown.stdout


def test_a_document_on_standard_output_is_alone_there() -> None:
    command = [sys.executable, "-u", "-m", "vestbench", "serve", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, "--har", "-"], stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stderr is not None
        while "Ctrl-C" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate()

    assert json.loads(out)["log"]["entries"] == []


def test_a_result_that_cannot_be_written_is_refused_before_it_serves() -> None:
    Path("taken").mkdir()

    result = vestbench("serve", "--port", "0", "-o", "taken")

    assert result.exit_code == ExitCode.USAGE
    assert "taken" in result.stderr


def test_a_result_is_not_left_half_made_where_it_could_not_be_served() -> None:
    result = vestbench("serve", "--host", "192.0.2.1", "--port", "0", "-o", "r.toml")

    assert result.exit_code == ExitCode.UNREACHABLE
    assert not list(Path().iterdir())
