"""Documents exist whatever ends a command, and those without a run say what it was."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import Result

from tests.support.exported import names, stored, vestbench
from tests.support.paths import DATA
from vestbench.cli import measuring
from vestbench.errors import (
    FilledOrderError,
    LabError,
    ProcessDiedError,
    UsageError,
    VenueError,
    VestbenchError,
)
from vestbench.model.formats import FORMATS, Format
from vestbench.report.markdown import escaped
from vestbench.studies.document import schema

pytestmark = pytest.mark.usefixtures("empty_folder")

DOCUMENTS = ("html", "markdown", "csv", "json-file", "junit", "prometheus")
COMMANDS = {
    "bench": ("bench", "-n", "24"),
    "compare": ("compare", "pooled", "unpooled"),
    "warmup": ("warmup", "--rounds", "2"),
    "connect": ("connect", "--rounds", "2"),
}
# Nothing listens there.
NOWHERE = ("--venue", "https://127.0.0.1:1/", "--rate", "1000")
ALL = tuple(word for name in DOCUMENTS for word in (f"--{name}", f"out/{name}"))

SCHEMA = xmlschema.XMLSchema(DATA / "junit.xsd")


def text_of(name: str) -> str:
    return Path("out", name).read_text(encoding="utf-8")


def check_documents(command: str, error: str, code: int) -> None:
    """Hold that every document exists, is well-formed, and has the error in it."""
    assert {name for name in names() if name.startswith("out")} == {
        f"out/{name}" for name in DOCUMENTS
    }
    assert error in unescape(text_of("html"))
    assert escaped(error) in text_of("markdown")
    (header,) = csv.reader(io.StringIO(text_of("csv")))
    assert header[0] == "conditions"
    found = json.loads(text_of("json-file"))
    assert (found["command"], found["error"]) == (command, error)
    assert found["exit_code"] == code
    assert not list(Draft202012Validator(schema()).iter_errors(found))
    SCHEMA.validate(text_of("junit"))
    root = ElementTree.fromstring(text_of("junit"))
    assert root.attrib["errors"] == root.attrib["tests"] == "1"
    (case,) = root.iter("error")
    assert case.attrib["message"] == error
    check_metrics(command)


def check_metrics(command: str, **labels: str) -> None:
    read = {m.name: m for m in text_string_to_metric_families(text_of("prometheus"))}
    (up,) = read["vestbench_up"].samples
    (begin,) = read["vestbench_run_start_timestamp_seconds"].samples
    assert up.value == 0
    assert begin.value > 1.7e9
    assert up.labels["command"] == begin.labels["command"] == command
    assert labels.items() <= up.labels.items()


def ended_by(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(measuring, "carry_out", end)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "error",
    [
        VenueError("the venue is closed"),
        LabError("no link"),
        ProcessDiedError("the measuring process ended"),
        UsageError("no room on disk"),
        FilledOrderError("an order was filled"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_before_the_first_request_is_in_every_document(
    command: str, error: VestbenchError, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended_by(error, monkeypatch)

    result = vestbench(*COMMANDS[command], *ALL)

    assert result.exit_code == error.exit_code
    check_documents(command, str(error), error.exit_code)
    check_metrics(command, venue="sim", endpoint=result_endpoint(command))


def result_endpoint(command: str) -> str:
    return "cancel" if command == "connect" else "ticker"


def test_an_interruption_before_the_first_request_is_in_every_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended_by(KeyboardInterrupt(), monkeypatch)

    result = vestbench(*COMMANDS["bench"], *ALL)

    assert result.exit_code == 130
    check_documents("bench", "interrupted before anything was measured", 130)


def test_a_bug_is_in_every_document_without_what_its_message_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended_by(KeyError("4711"), monkeypatch)

    result = vestbench(*COMMANDS["bench"], *ALL)

    assert isinstance(result.exception, KeyError)
    check_documents("bench", "a bug of vestbench (KeyError)", 70)
    assert "4711" not in text_of("json-file")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_refused_before_it_is_measured_is_in_every_document(
    command: str,
) -> None:
    result = vestbench(*COMMANDS[command], "--rtt", "never", *ALL)

    assert result.exit_code == 2
    check_documents(command, result.stderr.strip().removeprefix("error: "), 2)


def damaged() -> Path:
    path = Path(stored())
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("confidence = 0.95", 'confidence = "x"'), "utf-8")
    return path


@pytest.mark.parametrize("command", ["report", "gate"])
def test_a_damaged_result_is_in_every_document(command: str) -> None:
    result = vestbench(command, str(damaged()), *ALL)

    assert result.exit_code == 5
    check_documents(command, result.stderr.strip().removeprefix("error: "), 5)


@pytest.mark.parametrize("words", [*COMMANDS.values()], ids=COMMANDS)
def test_a_venue_that_is_not_reached_is_in_every_document(
    words: tuple[str, ...],
) -> None:
    result = vestbench(*words, *NOWHERE, *ALL)

    assert result.exit_code == 4
    assert "connection refused" in text_of("html")
    assert "connection refused" in text_of("markdown")
    assert "connection refused" in json.loads(text_of("json-file"))["error"]
    assert list(ElementTree.fromstring(text_of("junit")).iter("error"))
    check_metrics(words[0], venue="https://127.0.0.1:1/", endpoint="get")


def as_json(*words: str) -> tuple[Result, dict[str, object]]:
    result = vestbench(*words, "--json")
    return result, json.loads(result.stdout)


def test_json_on_standard_output_is_a_document_in_any_case() -> None:
    unreached, found = as_json(*COMMANDS["bench"], *NOWHERE)
    assert unreached.exit_code == 4
    assert "connection refused" in str(found["error"])

    undecidable, found = as_json(*COMMANDS["compare"], *NOWHERE, "--min-saving", "auto")
    assert undecidable.exit_code == 4
    assert "connection refused" in str(found["error"])

    for command in ("report", "gate"):
        broken, found = as_json(command, str(damaged()))
        assert (broken.exit_code, found["exit_code"]) == (5, 5)


def test_a_document_on_standard_output_is_one_of_the_error() -> None:
    result = vestbench("report", str(damaged()), "--junit", "-")

    assert list(ElementTree.fromstring(result.stdout).iter("error"))


def test_no_document_goes_over_a_file_that_the_command_reads() -> None:
    path = damaged()
    before = path.read_bytes()

    for command in ("report", "gate"):
        result = vestbench(command, str(path), "--html", str(path))
        assert result.exit_code == 2
        assert "is the result itself" in result.stderr
    keys = Path("keys.toml")
    keys.write_text("", encoding="utf-8")
    vestbench("bench", "--keys", str(keys), "--html", str(keys))

    assert path.read_bytes() == before
    assert keys.read_bytes() == b""


def test_a_format_without_a_place_for_errors_has_the_sentence_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shout = Format("shout", "a shout", "no.module:at_all")
    monkeypatch.setitem(FORMATS, "shout", shout)

    result = vestbench("report", str(damaged()), "--shout", "-")

    assert result.stdout == result.stderr


def test_a_job_on_github_has_the_error_in_its_summary() -> None:
    job = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary.md"}

    result = vestbench("report", str(damaged()), **job)

    (line,) = [one for one in result.stderr.splitlines() if one.startswith("::")]
    assert line.startswith("::error title=vestbench::")
    text = Path("summary.md").read_text(encoding="utf-8")
    assert text.startswith("### ⚠️ vestbench report: nothing was measured")
