"""`vestbench compare`: what is shown, what is kept, and stored results."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.command import QUICK, WIDE, vestbench
from tests.support.compare_commands import Shown, compare, flat, only_pair, read_run
from tests.support.records import store
from vestbench.model.verdict import Verdict
from vestbench.studies.registry import load_run

HARD = ("--min-saving", "500ms")
pytestmark = pytest.mark.usefixtures("empty_folder")


# --- what is shown and kept -----------------------------------------------------------


def test_report_shows_a_stored_comparison_identically(passed: Shown) -> None:
    again = vestbench("report", str(passed.path))

    assert passed.result.exit_code == 0, passed.result.output
    assert again.exit_code == 0
    assert again.stdout == passed.result.stdout


def test_the_report_has_what_a_sceptic_asks_for(passed: Shown) -> None:
    shown = flat(passed.result.stdout)
    rounds = only_pair(read_run(str(passed.path))[1]).rounds

    assert shown.startswith("pooled saves ")
    assert "The control is unpooled, the candidate is pooled" in shown
    assert f"{rounds} of {rounds}" in shown
    assert f"0 of {rounds}" in shown
    assert "the rest" in shown
    assert "physical limit: 2 round trips (TCP, TLS 1.3)" in shown
    assert "seed 7" in shown
    assert str(passed.path) in passed.result.stderr.replace("\n", "")


def test_json_is_all_that_goes_to_stdout(passed: Shown) -> None:
    document = json.loads(vestbench("report", str(passed.path), "--json").stdout)
    _, summary = read_run(str(passed.path))

    (pair,) = document["summary"]["pairs"]
    assert document["command"] == "compare"
    assert pair["acceptance"] == "PASS"
    assert pair["rounds"] == only_pair(summary).rounds
    assert pair["saving"]["median_lo"] == only_pair(summary).saving.median_lo


def test_an_interrupted_comparison_keeps_and_shows_what_was_measured() -> None:
    words = ("pooled", "unpooled", *HARD, *QUICK, "--interval", "5ms")
    many = ("--min-rounds", "999", "--max-rounds", "1000")
    with subprocess.Popen(
        [sys.executable, "-m", "vestbench", "compare", *words, *many, "-o", "a.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **WIDE},
    ) as process:
        partial = Path("a.toml.partial")
        while not (partial.exists() and "[[samples]]" in partial.read_text()):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert "Interrupted: this is what was measured until then." in shown
    assert "The control is unpooled, the candidate is pooled" in shown
    assert not partial.exists()
    run, summary = read_run("a.toml")
    assert run.interrupted
    assert only_pair(summary).acceptance is Verdict.INCONCLUSIVE
    assert vestbench("report", "a.toml").stdout == shown


# --- stored results -------------------------------------------------------------------


def _edited(shown: Shown, name: str, pattern: str, text: str) -> str:
    """Write a copy of a result in which every line that matches is another."""
    before = shown.path.read_text(encoding="utf-8")
    after, count = re.subn(f"(?m)^{pattern}$", text, before)
    assert count
    Path(name).write_text(after, encoding="utf-8")
    return name


def _slower(shown: Shown, name: str, by_ms: float) -> str:
    """Write a copy of a result whose pooled arm took longer."""
    run = load_run(shown.path)
    slower = [
        replace(sample, latency_ns=sample.latency_ns + round(by_ms * 1e6))
        if sample.slot.arm == "pooled"
        else sample
        for sample in run.samples
    ]
    store(replace(run, samples=tuple(slower), failures=()), Path(name))
    return name


def test_a_stored_run_has_not_changed_against_itself(passed: Shown) -> None:
    result = compare(str(passed.path), str(passed.path))

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("The saving: NO CHANGE SHOWN")
    assert "Savings are compared, never latencies" in result.stdout
    assert "warning" not in result.stdout


@pytest.mark.parametrize("what", ["venue", "endpoint", "stack"])
def test_runs_of_different_things_are_compared_by_force_only(
    what: str, passed: Shown
) -> None:
    other = _edited(passed, "other.toml", rf'{what} = "\w+.*"', f'{what} = "other"')

    refused = compare(str(passed.path), other)
    forced = compare(str(passed.path), other, "--force")

    assert refused.exit_code == 2, refused.output
    assert f"of different things ({what})" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""
    assert forced.exit_code == 0, forced.output
    assert f"warning: the runs are of different things: {what}" in forced.stdout


def test_another_host_is_a_warning(passed: Shown) -> None:
    other = _edited(passed, "other.toml", 'host = ".*"', 'host = "elsewhere"')

    result = compare(str(passed.path), other)

    assert result.exit_code == 0, result.output
    assert "warning: the runs also differ in: host" in result.stdout


def test_a_smaller_saving_is_a_regression_and_exit_code_1(passed: Shown) -> None:
    slower = _slower(passed, "slower.toml", by_ms=200)

    worse = compare(str(passed.path), slower)
    better = compare(slower, str(passed.path))
    document = compare(str(passed.path), slower, "--json")

    assert worse.exit_code == 1, worse.output
    assert worse.stdout.startswith("The saving: REGRESSED")
    assert better.exit_code == 0
    assert better.stdout.startswith("The saving: IMPROVED")
    assert document.exit_code == 1
    assert json.loads(document.stdout)["verdict"]["change"] == "REGRESSED"
