"""What a job of GitHub's is told by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import Result

from tests.support.command import QUICK
from tests.support.exported import names, stored, vestbench

pytestmark = pytest.mark.usefixtures("empty_folder")


def in_a_job(*words: str) -> Result:
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary.md"}
    return vestbench(*words, **environment)


def test_a_job_gets_a_summary_after_those_of_others() -> None:
    Path("summary.md").write_text("before\n")

    result = in_a_job("report", stored())

    assert result.exit_code == 0
    text = Path("summary.md").read_text(encoding="utf-8")
    assert text.startswith("before\n### ✅ PASS")
    assert "::" not in result.stderr


def test_what_fails_the_job_is_an_error_and_what_does_not_a_warning() -> None:
    hard = ("bench", "-n", "24", *QUICK, "--min-saving", "500ms")

    gated, asked = in_a_job(*hard, "--gate"), in_a_job(*hard)

    assert (gated.exit_code, asked.exit_code) == (1, 0)
    assert (
        "::error title=vestbench bench%3A FAIL::saving >= 500ms: FAIL" in gated.stderr
    )
    assert "::warning title=vestbench bench%3A FAIL::" in asked.stderr
    assert Path("summary.md").read_text(encoding="utf-8").count("### ❌ FAIL") == 2


def test_an_error_that_ends_the_command_is_an_annotation() -> None:
    result = in_a_job("bench", "--venue", "https://127.0.0.1:1/", "-n", "2")

    assert result.exit_code == 4
    (line,) = [one for one in result.stderr.splitlines() if one.startswith("::")]
    assert line.startswith("::error title=vestbench::no usable response from")


def test_annotations_stay_out_of_a_document_on_standard_output() -> None:
    result = in_a_job("report", stored("compare-three"), "--json")

    assert json.loads(result.stdout)["command"] == "compare"
    assert "::warning " in result.stderr


def test_elsewhere_github_is_told_nothing_unless_it_is_asked_for() -> None:
    path = stored("compare-three")
    summary = {"GITHUB_STEP_SUMMARY": "summary.md"}

    elsewhere = vestbench("report", path, **summary)
    off = in_a_job("report", path, "--no-github")
    assert not Path("summary.md").exists()
    on = vestbench("report", path, "--github", **summary)

    assert "::" not in elsewhere.stderr + off.stderr
    assert "::warning " in on.stderr
    assert Path("summary.md").exists()


def test_a_summary_that_cannot_be_written_is_refused_first() -> None:
    Path("summary.md").mkdir()

    result = in_a_job("bench", "-n", "24", *QUICK)

    assert result.exit_code == 2
    assert "--no-github goes on without it" in result.stderr
    assert names() == set()
