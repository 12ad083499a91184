"""Two stored runs against each other: what is compared, and what is not concluded."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tests.support.records import (
    CONDITIONS,
    bench_run,
    compare_run,
    failure,
    sample,
    sessions,
)
from tests.support.reference_data import generated_rounds, savings
from vestbench.history.stored import FEWEST, StoredComparison, compare_stored
from vestbench.history.stored_sheet import stored_report
from vestbench.model.request import Outcome, Sample
from vestbench.model.run import Run
from vestbench.model.verdict import Change
from vestbench.report.machine import plain_document
from vestbench.stats.shift import compare_with_baseline

PROPERTY = settings(deadline=None, derandomize=True)

POOLED = 400.0  # ms, of the candidate; large, for savings may be negative


def saving_run(
    saved: Sequence[float], *, rtt: float | None = 1.0, **changes: Any
) -> Run:
    """Return a comparison with these savings in ms, over a route of `rtt` ms."""
    outcomes: list[Outcome] = []
    for number, saving in enumerate(saved):
        one = sample(
            number,
            0,
            arm="unpooled",
            latency=POOLED + saving,
            connect=rtt,
            syn_rtt=rtt,
        )
        other = sample(number, 1, arm="pooled", reused=True, latency=POOLED)
        outcomes += [one, other]
    return compare_run(outcomes, **changes)


def compared(then: Run, now: Run, confidence: float = 0.95) -> StoredComparison:
    return compare_stored(then, now, confidence=confidence)


def change_of(found: StoredComparison) -> Change | None:
    return None if found.verdict is None else found.verdict.change


def shown(found: StoredComparison, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(
        stored_report(found, "results/then.toml", "results/now.toml")
    )
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def spread(centre: float, count: int = 20) -> list[float]:
    """Return savings around a median, no two alike."""
    return [centre + (n - (count - 1) / 2) / 10 for n in range(count)]


# --- the reference data --------------------------------------------------------------


@pytest.mark.parametrize(
    ("rounds", "estimate", "low", "high", "rank"),
    [(20, -16.0, -25, -10, 128), (60, -15.5, -20, -11, 1427)],
)
def test_the_reference_shift_is_found(
    rounds: int, estimate: float, low: float, high: float, rank: int
) -> None:
    then = saving_run(savings(generated_rounds(1, 60, rounds)), rtt=1.0)
    now = saving_run(savings(generated_rounds(6, 48, rounds)), rtt=1.0)

    found = compared(then, now)

    assert found.verdict is not None
    shift = found.verdict.shift
    assert (shift.estimate, shift.low, shift.high) == pytest.approx(
        (estimate, low, high)
    )
    assert shift.rank == rank
    assert found.verdict.change is Change.REGRESSED


def test_the_shift_is_in_round_trips() -> None:
    saved = savings(generated_rounds(1, 60, 20)), savings(generated_rounds(6, 48, 20))

    found = compared(saving_run(saved[0], rtt=20.0), saving_run(saved[1], rtt=20.0))

    assert found.unit == "round trips"
    assert found.verdict is not None
    assert found.verdict.shift.estimate == pytest.approx(-16.0 / 20)
    assert found.then is not None
    assert found.then.median_saving == pytest.approx(61 / 20)
    assert found.then.median_saving_ms == 61
    assert found.then.rtt_ms == 20.0


@PROPERTY
@given(
    then=st.lists(st.integers(-50, 200), min_size=FEWEST, max_size=30),
    now=st.lists(st.integers(-50, 200), min_size=FEWEST, max_size=30),
)
def test_two_runs_are_compared_by_the_savings_of_their_rounds(
    then: list[int], now: list[int]
) -> None:
    found = compared(saving_run(then, rtt=1.0), saving_run(now, rtt=1.0))

    plain = compare_with_baseline([float(v) for v in then], [float(v) for v in now])
    assert found.verdict == plain


# --- the verdict ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (60.0, Change.NO_CHANGE_SHOWN),
        (56.0, Change.NO_CHANGE_SHOWN),  # 4 ms of 60 is within the margin
        (50.0, Change.REGRESSED),
        (64.0, Change.NO_CHANGE_SHOWN),
        (70.0, Change.IMPROVED),
        (0.0, Change.REGRESSED),
        (-60.0, Change.REGRESSED),
    ],
)
def test_a_change_has_to_clear_a_tenth_of_the_saving(
    now: float, change: Change
) -> None:
    found = compared(
        saving_run(spread(60.0), rtt=30.0), saving_run(spread(now), rtt=30.0)
    )

    assert change_of(found) is change
    assert found.verdict is not None
    assert found.verdict.margin == pytest.approx(0.1 * 60 / 30)


def test_the_margin_of_a_negative_saving_is_positive() -> None:
    found = compared(saving_run(spread(-60.0)), saving_run(spread(-60.0)))

    assert found.verdict is not None
    assert found.verdict.margin == pytest.approx(6.0)
    assert change_of(found) is Change.NO_CHANGE_SHOWN


def test_a_longer_route_alone_is_no_improvement() -> None:
    near, far = saving_run(spread(60.0), rtt=30.0), saving_run(spread(120.0), rtt=60.0)

    assert change_of(compared(near, far)) is Change.NO_CHANGE_SHOWN
    assert change_of(compared(far, near)) is Change.NO_CHANGE_SHOWN


def test_without_a_round_trip_savings_are_compared_in_ms() -> None:
    known = saving_run(spread(60.0), rtt=30.0)
    unknown = saving_run(spread(60.0), rtt=None)

    found = compared(known, unknown)

    assert found.unit == "ms"
    assert found.then is not None
    assert found.now is not None
    assert found.then.median_saving == found.then.median_saving_ms == 60.0
    assert (found.then.rtt_ms, found.now.rtt_ms) == (30.0, None)
    assert change_of(found) is Change.NO_CHANGE_SHOWN


@pytest.mark.parametrize("count", [0, 1, FEWEST - 1])
def test_too_few_savings_give_no_verdict(count: int) -> None:
    many, few = saving_run(spread(60.0)), saving_run(spread(60.0, count))

    for found in (compared(many, few), compared(few, many)):
        assert found.verdict is None
        assert "Too few savings to compare: at least 6 on either side." in shown(found)


def test_six_savings_are_enough() -> None:
    found = compared(saving_run(spread(60.0, 6)), saving_run(spread(30.0, 6)))

    assert change_of(found) is Change.REGRESSED


def test_a_higher_confidence_asks_for_more() -> None:
    then, now = saving_run(spread(60.0, 6)), saving_run(spread(53.5, 6))

    ends = []
    for confidence in (0.90, 0.95, 0.99):
        verdict = compared(then, now, confidence).verdict
        assert verdict is not None
        ends.append(verdict.shift.high)

    assert ends == sorted(ends)
    assert ends[0] < ends[-1]


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
    stream = io.StringIO()

    Console(file=stream, width=width).print(
        stored_report(found, "results/" + "a" * 90 + ".toml", "now.toml")
    )

    text = stream.getvalue()
    assert max(map(cell_len, text.splitlines())) <= width
    assert "…" not in text
    assert flat(text).count("a route") == 0
    assert "one of the runs knows no round trip" in flat(text)


def test_hostile_file_names_are_shown_harmlessly() -> None:
    found = compared(saving_run(spread(60.0)), saving_run(spread(60.0)))
    stream = io.StringIO()

    Console(file=stream, width=120).print(
        stored_report(found, "[red]a[/]\x1b[2J.toml", "[/b]\n.toml")
    )

    text = stream.getvalue()
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
