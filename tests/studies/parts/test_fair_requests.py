"""A saving is taken apart by requests that were what their side is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.compare_runs import rounds
from tests.support.explained import (
    benched,
    compared,
    longer,
    opening,
    said,
    started,
    warmed,
)
from tests.support.printed import rendered
from tests.support.records import (
    CONDITIONS,
    compare_run,
    failure,
)
from tests.support.starts import connect_run
from tests.support.starts import rounds as starts
from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.model.verdict import Verdict
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.parts.breakdown import phase_rows
from vestbench.studies.starts.plan import WARMED
from vestbench.studies.starts.summary import summarise_connect, summarise_warm_up

# --- requests that were not what their arm is called ---


def test_a_tolerated_exception_is_in_no_phase_of_the_breakdown() -> None:
    def once_opened(one: Sample) -> Sample:
        if one.slot.arm != "pooled" or one.slot.session != 5:
            return one
        return replace(longer(longer(one, "connect", 30.0), "tls", 31.5), reused=False)

    run = compared(once_opened)

    pair = summarise_compare(run).pairs[0]

    assert pair.acceptance is Verdict.PASS
    assert pair.breakdown is not None
    assert pair.breakdown.opening == pytest.approx(61.8, abs=0.3)
    assert pair.breakdown.rest == pytest.approx(0.0, abs=0.3)
    assert "without 1 round in which" in rendered(run)
    assert "mostly" not in said(run)


def test_a_phase_that_few_connections_had_is_typically_absent() -> None:
    def looked_up(one: Sample) -> Sample:
        rare = not one.reused and one.slot.session % 4 == 0
        return longer(one, "dns", 100.0) if rare else one

    breakdown = summarise_compare(compared(looked_up)).pairs[0].breakdown

    assert breakdown is not None
    assert breakdown.dns == 0.0
    assert breakdown.expected == pytest.approx(60.16)


# --- a relay that was asked for ---


def test_a_relay_that_was_asked_for_is_said_to_be_so() -> None:
    link = {**CONDITIONS["link"], "engine": "relay", "refusals": []}

    found = said(compare_run(rounds(), conditions={"link": link}))

    assert "as asked, the delay is made by a relay" in found
    assert "no packet link on this machine" not in found
    assert "()" not in found
    assert "doctor" not in found


# --- warm-ups ---


def test_a_warm_up_is_taken_apart_like_a_comparison() -> None:
    found = summarise_warm_up(warmed())

    assert found.breakdown is not None
    assert found.breakdown.opening == pytest.approx(61.5)
    assert found.breakdown.expected == pytest.approx(60.0)
    assert found.breakdown.rest == pytest.approx(0.0)


def test_a_step_that_was_tried_again_is_in_no_phase() -> None:
    outcomes: list[Outcome] = []
    for one in starts(12, 97.0, 36.0):
        first = isinstance(one, Sample) and one.slot.index == 1
        if isinstance(one, Sample) and first and one.reused and one.slot.session < 7:
            slot = one.slot
            outcomes.append(
                failure(slot.session, 1, arm=WARMED, role=slot.role, reused=True)
            )
            one = replace(longer(one, "wait", 900.0), start_ns=1200 * NS_PER_MS)
        outcomes.append(one)

    step = summarise_connect(connect_run(outcomes)).steps[0]

    assert step.tries == 7
    assert step.breakdown is not None
    assert step.breakdown.wait == pytest.approx(0.0)
    assert step.breakdown.opening == pytest.approx(61.5)


def test_a_step_that_did_not_reuse_the_connection_of_its_warm_up_is_in_no_phase() -> (
    None
):
    def late(one: Sample) -> Sample:
        if one.slot.arm != WARMED or one.slot.index != 1:
            return one
        return replace(longer(one, "wait", 41.0), reused=one.slot.session > 2)

    step = summarise_connect(started(late)).steps[0]

    assert step.plateau is not None
    assert step.plateau.count == 9  # of 12


def test_a_picture_of_the_phases_reaches_to_the_median_latency() -> None:
    def in_turn(one: Sample) -> Sample:
        phase = ("wait", "receive", "client")[one.slot.session % 3]
        return opening(phase, 9.0)(one)

    summary = summarise_bench(benched(in_turn))
    (cold, kept) = phase_rows((summary.cold, summary.subsequent), merged=False)

    assert cold[1][-1][0] == "in no phase"
    assert sum(part for _, part in cold[1]) == summary.cold.typical("latency")
    assert kept[1][-1][0] == "client"
