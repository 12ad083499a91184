"""Which stored runs can be compared, and how that is shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.cells import cell_len

from tests.support.changes import change_of, compared, saving_run, shown, spread
from tests.support.printed import written
from tests.support.records import (
    CONDITIONS,
    bench_run,
    compare_run,
    failure,
    sample,
    sessions,
)
from vestbench.history.stored import stored_report
from vestbench.model.request import Sample
from vestbench.model.verdict import Change
from vestbench.report.machine import plain_document

# --- which runs ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [("venue", "vest"), ("endpoint", "account"), ("stack", "reqwest")],
)
def test_runs_of_different_things_are_named(key: str, value: str) -> None:
    found = compared(
        saving_run(spread(60.0)), saving_run(spread(60.0), conditions={key: value})
    )

    assert found.differing == (key,)
    assert f"the runs are of different things: {key} (--force)" in flat(shown(found))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_what_else_differs_is_only_notable() -> None:
    then = saving_run(spread(60.0))
    now = saving_run(spread(60.0), conditions={"host": "another"})
    older = replace(
        then, samples=tuple(replace(s, tls_version="TLSv1.2") for s in then.samples)
    )

    assert compared(then, now).notable == ("host",)
    assert compared(then, now).differing == ()
    assert compared(then, older).notable == ("TLS version",)
    assert "the runs also differ in: host" in flat(shown(compared(then, now)))


def test_alike_runs_have_nothing_to_be_noted() -> None:
    found = compared(saving_run(spread(60.0)), saving_run(spread(61.0)))

    assert (found.differing, found.notable) == ((), ())
    assert "warning" not in shown(found)


def test_the_order_in_which_arms_were_named_is_no_difference() -> None:
    then = saving_run(spread(60.0))
    now = saving_run(spread(60.0), arms={"unpooled": "unpooled", "pooled": "pooled"})

    assert then.conditions.strategy != now.conditions.strategy
    assert compared(then, now).notable == ()


def test_another_control_is_notable() -> None:
    then, now = saving_run(spread(60.0)), saving_run(spread(60.0), control="pooled")

    assert compared(then, now).notable == ("strategy",)


def test_of_several_candidates_the_first_is_compared() -> None:
    arms = {"unpooled": "unpooled", "warmed": "warmed", "pooled": "pooled"}
    outcomes = [
        outcome
        for number in range(8)
        for outcome in (
            sample(number, 0, arm="unpooled", latency=100.0),
            sample(number, 1, arm="warmed", reused=True, latency=45.0),
            sample(number, 2, arm="pooled", reused=True, latency=40.0),
        )
    ]

    found = compared(compare_run(outcomes, arms=arms), compare_run(outcomes, arms=arms))

    assert found.then is not None
    assert found.then.median_saving_ms == 55.0


def test_a_bench_run_has_a_saving_a_session() -> None:
    run = bench_run(sessions([97.0, 98.0, 99.0, 100.0, 101.0, 102.0, 103.0]))

    found = compared(run, run)

    assert found.then is not None
    assert found.then.n == 7
    assert found.then.median_saving_ms == 100.0 - 36.0
    assert found.then.median_saving == pytest.approx(64.0 / 30.0)
    assert change_of(found) is Change.NO_CHANGE_SHOWN


def test_a_bench_run_may_be_compared_with_a_comparison() -> None:
    bench = bench_run(sessions([96.0 + n / 10 for n in range(12)]))

    found = compared(bench, saving_run(spread(60.0), rtt=30.0))

    assert found.notable == ("command", "strategy")
    assert found.differing == ()
    assert change_of(found) is Change.NO_CHANGE_SHOWN


def test_the_order_of_the_arms_in_a_session_does_not_matter() -> None:
    outcomes = [
        outcome
        for number in range(6)
        for outcome in (
            sample(number, 0, reused=True, latency=30.0),
            sample(number, 1, latency=100.0 + number),
        )
    ]

    found = compared(bench_run(outcomes), bench_run(outcomes))

    assert found.then is not None
    assert found.then.median_saving_ms == 72.5


def test_rounds_with_a_failure_have_no_saving_and_are_pointed_out() -> None:
    whole = saving_run(spread(60.0))
    samples = list(whole.samples)
    lost = [s for s in samples if s.slot.arm == "pooled" and s.slot.session < 3]
    failing = replace(
        whole,
        samples=tuple(s for s in samples if s not in lost),
        failures=tuple(
            failure(s.slot.session, s.slot.index, arm="pooled") for s in lost
        ),
    )

    found = compared(whole, failing)

    assert found.then is not None
    assert found.now is not None
    assert (found.then.n, found.now.n) == (20, 17)
    assert (found.then.failures, found.now.failures) == (0, 3)
    assert "now: 3 requests failed; there is no saving of these" in flat(shown(found))


def test_a_run_without_any_saving_has_no_side() -> None:
    cold = bench_run([sample(n) for n in range(8)])

    found = compared(saving_run(spread(60.0)), cold)

    assert found.now is None
    assert found.verdict is None


# --- what is shown -------------------------------------------------------------------


def test_a_regression_is_shown_with_its_figures() -> None:
    found = compared(
        saving_run(spread(60.0), rtt=30.0), saving_run(spread(45.0), rtt=30.0)
    )

    text = shown(found)

    assert text.splitlines()[0] == (
        "The saving: REGRESSED  -0.50 round trips [-0.51, -0.49], margin 0.20"
    )
    assert "results/then.toml" in text
    assert "2026-03-01 10:15 UTC" in text
    row = next(
        line for line in text.splitlines() if "now " in line[:6] and "UTC" in line
    )
    assert row.split()[-4:] == ["20", "1.50", "45.0", "30.0"]
    assert "Savings are compared, never latencies" in text


@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_is_cropped(width: int) -> None:
    found = compared(
        saving_run([1234.5 + n for n in range(20)], rtt=None),
        saving_run(
            spread(1234.5),
            rtt=300.0,
            conditions={"venue": "x", "host": "y" * 70, "stack": "z"},
        ),
    )
    text = written(
        stored_report(found, "results/" + "a" * 90 + ".toml", "now.toml"), width
    )

    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert flat(text).count("a route") == 0
    assert "one of the runs knows no round trip" in flat(text)


def test_hostile_file_names_are_shown_harmlessly() -> None:
    found = compared(saving_run(spread(60.0)), saving_run(spread(60.0)))
    text = written(stored_report(found, "[red]a[/]\x1b[2J.toml", "[/b]\n.toml"))

    assert "\x1b" not in text
    assert "[red]a[/]�[2J.toml" in text
    assert "[/b]�.toml" in text


def test_the_document_for_machines_is_json() -> None:
    found = compared(saving_run(spread(60.0)), saving_run(spread(30.0)))

    text = json.dumps(plain_document(found), allow_nan=False)

    document = json.loads(text)
    assert document["verdict"]["change"] == "REGRESSED"
    assert document["unit"] == "round trips"
    assert document["then"]["n"] == 20


def test_the_conditions_used_here_are_those_of_a_run() -> None:
    assert {"venue", "endpoint", "stack", "host"} <= set(CONDITIONS)
    assert all(isinstance(s, Sample) for s in saving_run([1.0]).samples)
