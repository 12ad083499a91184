"""The JSON Schema of `--json`: up to date, strict, and true of every run."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from tests.support.documents import HOSTILE, RUNS, document, hostile
from tests.support.paths import ROOT
from vestbench.cli import app
from vestbench.studies.document import schema, schema_text
from vestbench.studies.registry import load_run, study_names

QUICK = ("--rtt", "0ms", "--processing", "0ms", "--json")

VALIDATOR = Draft202012Validator(json.loads(schema_text()))


def errors(found: Any) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(found)]


def machine_readable(name: str) -> dict[str, Any]:
    run = RUNS[name]()
    found: dict[str, Any] = json.loads(document(run, "json"))
    found["conclusion"].setdefault("interrupted", True)  # as it is loaded
    return found


def test_the_schema_is_one_itself() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)


def test_its_descriptions_are_lines_and_not_docstrings() -> None:
    text = schema_text()

    assert '"description": "' in text
    assert "\\n" not in text


def test_the_schema_knows_every_study() -> None:
    known = schema()["else"]["properties"]["command"]
    assert known == {"enum": list(study_names())}


@pytest.mark.parametrize("name", RUNS)
def test_the_document_of_every_run_is_valid(name: str) -> None:
    assert errors(machine_readable(name)) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "results").glob("reference-*.toml")), ids=lambda p: p.stem
)
def test_the_documents_of_the_reference_runs_are_valid(path: Path) -> None:
    assert errors(json.loads(document(load_run(path), "json"))) == []


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "-n", "24"),
        ("bench", "-n", "24", "--kernel-timestamps"),
        ("bench", "-n", "8", "--unpooled"),
        ("compare", "pooled", "unpooled", "--min-saving", "0.01ms"),
        ("compare", "pooled", "unpooled", "--min-saving", "1%", "--vote", "pair"),
        (
            *("compare", "unpooled", "pooled", "warmed", "--min-saving", "auto"),
            *("--idle", "0s", "--question", "any", "--max-rounds", "12"),
        ),
        ("warmup", "--rounds", "3"),
        ("bench", "-n", "24", "--stack", "reqwest"),
        ("bench", "-n", "16", "--sessions", "2", "-c", "4", "--stack", "httpx2"),
        (
            *("compare", "pooled", "unpooled", "--stack", "all"),
            *("--min-saving", "0.01ms", "--max-rounds", "12"),
        ),
    ],
    ids=[
        *("bench", "kernel", "unpooled", "compare", "pairs", "warmed", "warmup"),
        *("reqwest", "bursts", "stacks"),
    ],
)
def test_the_document_of_a_command_is_valid(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(app, [*words, *QUICK])

    assert errors(json.loads(result.stdout)) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_do_not_make_it_invalid(text: str) -> None:
    for run in hostile(text).values():
        assert errors(json.loads(document(run, "json"))) == []


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    found = deepcopy(machine_readable(name))
    change(found)
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("plan"),
        lambda d: d.update(format=1),
        lambda d: d.update(command="serve"),
        lambda d: d.update(started="yesterday"),
        lambda d: d.update(more=1),
        lambda d: d["summary"].update(more=1),
        lambda d: d["summary"].pop("control"),
        lambda d: d["summary"]["pairs"][0].update(acceptance="MAYBE"),
        lambda d: d["summary"]["pairs"][0]["saving"].update(median_lo="61.9"),
        lambda d: d["summary"]["arms"][0]["group"]["metrics"][0].pop("p50"),
        lambda d: d["plan"].pop("seed"),
        lambda d: d["plan"].update(confidence=0.5),
        lambda d: d["plan"].update(min_saving="auto"),
        lambda d: d["plan"].pop("min_saving_ms"),
        lambda d: d["conditions"].pop("venue"),
        lambda d: d["conditions"]["pool"].update(more=1),
        lambda d: d["conditions"]["link"].update(engine="wire"),
        lambda d: d["conclusion"].pop("interrupted"),
    ],
)
def test_what_no_run_of_ours_would_hold_is_refused(
    change: Callable[[dict[str, Any]], object],
) -> None:
    assert errors(changed("compare", change)) != []


def test_a_summary_is_of_its_command() -> None:
    bench, warm_up = machine_readable("bench"), machine_readable("warmup")

    assert errors({**bench, "summary": warm_up["summary"]}) != []
    assert errors({**bench, "plan": warm_up["plan"]}) != []


def test_a_run_killed_before_its_first_request_is_valid() -> None:
    found = machine_readable("bench-nothing")

    assert found["conditions"] == {}
    assert errors(found) == []
