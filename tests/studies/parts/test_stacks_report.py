"""Stacks and strategies in reports: an arm is what it is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.printed import assert_whole, rendered
from tests.support.records import compare_run, store
from tests.support.runs_on_stacks import RUNS, flat, one, rounds
from tests.support.studies import compare_of
from vestbench.model.request import Sample
from vestbench.model.run import Run
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.registry import load_run

WAYS = ("pooled", "unpooled", "warmed", "resumed", "http2")


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("width", [80, 100, 200])
def test_no_line_is_longer_than_the_terminal(name: str, width: int) -> None:
    text = rendered(RUNS[name], width)

    assert_whole(text, width)


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_is_shown_identically(name: str, tmp_path: Path) -> None:
    run = RUNS[name]

    path = store(run, tmp_path / "run.toml")

    assert rendered(load_run(path)) == rendered(run)


# --- an arm is what it is called ---


@pytest.mark.parametrize("way", WAYS)
def test_a_request_as_its_arm_should_send_it_contradicts_nothing(way: str) -> None:
    assert not find_strategy(way).contradicted_by(one(way, 0, 0))


@pytest.mark.parametrize(
    ("way", "change"),
    [
        ("pooled", {"reused": False}),
        ("warmed", {"reused": False}),
        ("unpooled", {"reused": True}),
        ("unpooled", {"resumed": True}),
        ("resumed", {"resumed": False}),
        ("resumed", {"reused": True}),
        ("http2", {"reused": False}),
        ("http2", {"http_version": "HTTP/1.1"}),
    ],
)
def test_a_request_that_was_something_else_contradicts_its_arm(
    way: str, change: dict[str, object]
) -> None:
    found = replace(one(way, 0, 0), **change)  # type: ignore[arg-type]
    assert find_strategy(way).contradicted_by(found)


def changed(way: str, **change: object) -> Run:
    """Return a comparison whose arm `way` was something else throughout."""
    other = "unpooled" if way != "unpooled" else "pooled"
    outcomes = [
        replace(o, **change) if isinstance(o, Sample) and o.slot.arm == way else o  # type: ignore[arg-type]
        for o in rounds((way, other))
    ]
    return compare_run(outcomes, arms={way: way, other: other}, control=other)


@pytest.mark.parametrize(
    ("way", "change", "reason"),
    [
        (
            "resumed",
            {"resumed": False},
            "resumed a TLS session in only 0 of 12 requests, so it was not resumed; "
            "the server may issue no tickets",
        ),
        (
            "resumed",
            {"reused": True},
            "resumed reused a connection in 12 of 12 requests, so it was not resumed",
        ),
        (
            "unpooled",
            {"resumed": True},
            "unpooled resumed a TLS session in 12 of 12 requests, so its handshakes "
            "were not full",
        ),
        (
            "http2",
            {"http_version": "HTTP/1.1"},
            "http2 did not speak HTTP/2 in all of 12 requests: the server does not "
            "offer it",
        ),
        (
            "http2",
            {"reused": False},
            "http2 reused its connection in only 0 of 12 requests, so it was not http2",
        ),
    ],
)
def test_an_arm_that_is_not_what_it_is_called_makes_the_run_invalid(
    way: str, change: dict[str, object], reason: str
) -> None:
    run = changed(way, **change)

    (pair,) = summarise_compare(compare_of(run)).pairs

    assert pair.acceptance is Verdict.INVALID
    assert pair.why is Reason.NOT_REUSED
    assert reason in flat(run)
