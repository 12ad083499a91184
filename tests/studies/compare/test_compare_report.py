"""What a comparison looks like: exact texts, and nothing that misleads."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from rich.cells import cell_len

from tests.support.compare_runs import RUNS, failing, passing_run, rounds
from tests.support.paths import DATA
from tests.support.printed import assert_whole, rendered, written
from tests.support.records import compare_run, store
from tests.support.studies import compare_of
from vestbench.errors import InvalidRunError
from vestbench.model.request import FailureKind, Sample
from vestbench.model.run import Run
from vestbench.studies.document import document, summary_of
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief, show_run

# --- exact texts ---------------------------------------------------------------------


SNAPSHOTS = [
    *(("compare", width) for width in (80, 120)),
    ("compare-invalid", 80),
    ("compare-inconclusive", 80),
    *(("compare-three", width) for width in (80, 120)),
    ("compare-failing", 80),
    ("compare-relayed", 120),
    ("compare-short-route", 80),
    ("compare-same", 80),
    ("compare-interrupted", 80),
    ("compare-empty", 80),
    ("compare-long", 120),
]


@pytest.mark.parametrize(("name", "width"), SNAPSHOTS)
def test_a_known_comparison_is_shown_exactly_so(name: str, width: int) -> None:
    expected = (DATA / f"{name}-{width}.txt").read_text(encoding="utf-8")

    assert rendered(RUNS[name](), width) == expected


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_line_is_longer_than_the_terminal_and_none_is_cropped(
    name: str, width: int
) -> None:
    text = rendered(RUNS[name](), width)

    assert_whole(text, width)


def test_the_widest_comparison_fits_into_eighty_columns() -> None:
    labels = ("unpooled", "unpooled-2", "pooled")
    outcomes = rounds(
        labels, count=1000, jitter=9e4, extra={"pooled": 500.0}, rtt=400.0
    )
    arms = {"unpooled": "unpooled", "unpooled-2": "unpooled", "pooled": "pooled"}
    run = compare_run(
        outcomes,
        arms=arms,
        plan={"min_rounds": 1000, "max_rounds": 1000, "confidence": 0.99},
    )

    text = rendered(run, 80)

    assert "…" not in text
    assert max(map(cell_len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_comparison_is_shown_identically(name: str, tmp_path: Path) -> None:
    run = RUNS[name]()
    path = store(run, tmp_path / "run.toml", summary_of(run))

    assert rendered(load_run(path)) == rendered(run)


@pytest.mark.parametrize("name", RUNS)
def test_a_brief_is_the_head_of_the_report(name: str) -> None:
    run = RUNS[name]()

    brief = written(show_brief(run)).strip()

    assert rendered(run).startswith(brief + "\n\n")


# --- for machines --------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_the_json_document_has_no_number_that_json_lacks(name: str) -> None:
    run = RUNS[name]()

    text = json.dumps(document(run, "results/run.toml"), allow_nan=False)

    found = json.loads(text)
    assert found["command"] == "compare"
    assert found["summary"]["acceptance"]
    assert len(found["summary"]["pairs"]) == len(compare_of(run).plan.arms) - 1


@pytest.mark.parametrize("name", RUNS)
def test_the_summary_can_be_written_as_toml(name: str) -> None:
    found = summary_of(RUNS[name]())

    text = tomli_w.dumps(found)

    assert tomllib.loads(text).keys() == found.keys()


def test_the_json_document_holds_the_verdict() -> None:
    found = document(passing_run(), "")["summary"]

    pair = found["pairs"][0]
    assert (found["acceptance"], pair["acceptance"]) == ("PASS", "PASS")
    assert pair["saving"]["median_lo"] == pytest.approx(61.7, abs=0.1)
    assert pair["confidence"] == 0.95
    assert found["control"] == "unpooled"


# --- hostile texts -------------------------------------------------------------------


HOSTILE = [
    "[bold]pooled[/bold]",
    "[/nothing]",
    "\x1b[2J\x1b]0;title\x07",
    "two\nlines\rback",
    "‮backwards",
    "測試",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_labels_are_shown_harmlessly(text: str) -> None:
    run = compare_run(
        [
            replace(o, slot=replace(o.slot, arm=text))
            if isinstance(o, Sample) and o.slot.arm == "pooled"
            else o
            for o in rounds()
        ],
        arms={text: "pooled", "unpooled": "unpooled"},
    )

    shown = written(show_run(run), 100, colour=False)

    assert "PASS" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\r" not in shown
    assert "‮" not in shown
    assert max(map(cell_len, shown.splitlines())) <= 100
    if text.isascii() and text.isprintable():
        assert shown.startswith(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_controls_notes_and_reasons_are_shown_harmlessly(text: str) -> None:
    run = compare_run(
        [
            replace(o, slot=replace(o.slot, arm=text), reused=True)
            if isinstance(o, Sample) and o.slot.arm == "unpooled"
            else o
            for o in rounds()
        ],
        arms={"pooled": "pooled", text: "unpooled"},
        control=text,
        conclusion={"notes": [text], "stopped": text},
    )

    shown = written(show_run(run), 100)

    assert "INVALID" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\r" not in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_failures_are_shown_harmlessly(text: str) -> None:
    run = failing(compare_run(rounds()), {(1, "pooled"): FailureKind.RESET})
    run = replace(
        run,
        failures=tuple(
            replace(f, detail=text, slot=replace(f.slot, arm=text))
            for f in run.failures
        ),
    )

    shown = written(show_run(run), 100)

    assert "\x1b" not in shown
    assert "reset" in shown


def test_colours_are_only_for_terminals() -> None:
    assert "\x1b[" in written(show_run(passing_run()), colour=True)
    assert "\x1b" not in rendered(passing_run())


def store_changed(
    run: Run, path: Path, section: str, changes: Mapping[str, Any]
) -> Path:
    """Write a run with some keys of a section changed; None takes one away."""
    document = tomllib.loads(store(run, path).read_text(encoding="utf-8"))
    kept = {**document[section], **changes}
    document[section] = {key: value for key, value in kept.items() if value is not None}
    path.write_text(tomli_w.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms": None}, "plan.arms: it is missing"),
        ({"control": "nobody"}, "plan: its control is none of its strategies"),
        ({"confidence": "a lot"}, "plan.confidence: expected a number, got text"),
        ({"confidence": 0.5}, "plan.confidence: expected 0.9, 0.95 or 0.99, got 0.5"),
        ({"max_rounds": 3}, "plan.max_rounds: expected an integer >= 12"),
        ({"min_saving_ms": None}, "plan: exactly one of min_saving_ms, "),
        ({"question": None}, "plan.question: it is missing"),
        ({"question": "some"}, "plan.question: invalid enum value 'some'"),
        ({"teleported": True}, "plan.teleported: it is unknown"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_with_its_path(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = store_changed(compare_run(rounds()), tmp_path / "run.toml", "plan", change)

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value).startswith(f"{path} is damaged: {said}")
