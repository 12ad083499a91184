"""The starts of a bot as numbers and as a table."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from tests.support.printed import written
from tests.support.records import failure, sample
from tests.support.starts import STEPS, connect_run, rounds, start
from tests.support.studies import connect_of
from vestbench.model.request import NS_PER_MS, FailureKind, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.studies.document import document
from vestbench.studies.shown import show_brief, show_run
from vestbench.studies.starts.summary import (
    ConnectSummary,
    StepSummary,
    contradiction_of,
    summarise_connect,
)


def shown(run: Run, *, brief: bool = False) -> str:
    return written((show_brief if brief else show_run)(run), 200)


def first(summary: ConnectSummary) -> StepSummary:
    return summary.steps[0]


def test_the_saving_of_a_step_is_the_median_of_its_rounds() -> None:
    summary = summarise_connect(connect_run(rounds(13)))

    step = first(summary)
    assert step.name == "register"
    assert step.saving is not None
    assert step.saving.median_lo == step.saving.median_hi == 70.0  # 64 to 76
    assert step.saving.interval is not None
    assert (step.saving.interval.low, step.saving.interval.high) == (65.0, 75.0)
    assert step.rounds == 13
    assert step.opened == (13, 0)


def test_later_steps_save_nothing() -> None:
    summary = summarise_connect(connect_run(rounds(13)))

    for step in summary.steps[1:]:
        assert step.saving is not None
        assert step.saving.median_lo == 0.0
        assert step.opened == (0, 0)


def test_the_whole_start_is_the_sum_of_its_steps() -> None:
    summary = summarise_connect(connect_of(connect_run(rounds(3))))

    whole = summary.whole
    assert whole.not_warmed is not None
    assert whole.warmed is not None
    assert summary.with_warm_up is not None
    assert whole.not_warmed.p50.point == 103.0 + 3 * 37
    assert whole.warmed.p50.point == 38.0 + 3 * 37
    assert summary.with_warm_up.p50.point == 101.0 + 38.0 + 3 * 37
    assert summary.completed == (3, 3)


def test_a_step_that_was_tried_again_took_from_its_first_try_to_its_last() -> None:
    found = rounds(1)
    last = found[0]
    assert isinstance(last, Sample)
    found[0] = sample(0, 1, arm="not warmed", latency=100.0, start=1600.0)
    refused = failure(0, 1, arm="not warmed", start=1000.0, elapsed=90.0)

    summary = summarise_connect(connect_of(connect_run([*found, refused])))

    step = first(summary)
    assert step.not_warmed is not None
    assert step.not_warmed.p50.point == 700.0
    assert step.tries == 1


def test_a_start_that_ended_early_took_forever_and_keeps_its_round() -> None:
    found = rounds(12)
    kept = [
        o
        for o in found
        if (o.slot.session, o.slot.arm) != (0, "warmed") or o.slot.index < 3
    ]
    kept.append(failure(0, 3, arm="warmed", start=3000.0, elapsed=50.0, reused=True))

    summary = summarise_connect(connect_of(connect_run(kept)))

    assert summary.completed == (12, 11)
    assert summary.rounds == 11
    assert summary.whole.warmed is not None
    assert summary.whole.warmed.high == inf
    assert summary.whole.rounds == 12
    account = summary.steps[2]
    assert account.warmed is not None
    assert (account.warmed.n, account.warmed.high) == (12, inf)
    assert summary.steps[3].rounds == 11


def test_the_table_shows_what_the_warm_up_bought() -> None:
    text = shown(connect_run(rounds(13)))

    assert "register, 70.0 ms (95 % CI [65.0, 75.0], median of 13 rounds)" in text
    row = next(line for line in text.splitlines() if line.startswith(" register"))
    assert "70.0 [65.0, 75.0]" in row
    assert row.split()[-4:] == ["2.33", "13", ":", "0"]
    assert "26 of 26 starts got through to their last step" in text
    assert "before the clock: 7.00" in text


def test_no_saving_is_stated_from_one_round() -> None:
    text = shown(connect_run(rounds(1)), brief=True)

    assert "No saving can be stated from 1 round" in text


def test_a_run_without_a_pair_says_so() -> None:
    text = shown(connect_run(start(0, "warmed", 38.0)))

    assert "No saving can be stated: no round has both starts" in text


def test_failed_steps_are_in_the_table_of_failures() -> None:
    refused = failure(
        0,
        4,
        arm="warmed",
        kind=FailureKind.STATUS,
        detail="HTTP 400, code 1022 (invalid signature)",
        status=400,
        start=4000.0,
    )
    kept = [
        o
        for o in rounds(12)
        if (o.slot.session, o.slot.arm, o.slot.index) != (0, "warmed", 4)
    ]

    text = shown(connect_run([*kept, refused]))

    assert "code 1022 (invalid signature)" in text
    assert "23 of 24 starts got through" in text


def test_an_order_that_was_filled_is_said_before_all_else() -> None:
    orders = {"sent": 3, "what": "LIMIT FOK", "filled": 1, "states": {"FILLED": 1}}

    text = shown(connect_run(rounds(2), orders=orders), brief=True)

    assert "FILLED: 1 order had an effect on the market" in text


def test_the_document_holds_the_steps() -> None:
    found = document(connect_run(rounds(12)), "run.toml")["summary"]

    assert [step["name"] for step in found["steps"]] == STEPS
    assert found["steps"][0]["saving"]["median_lo"] == 69.5
    assert found["rounds"] == 12


def test_events_are_told_from_the_first_byte_of_their_request() -> None:
    def told(outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Sample) or outcome.slot.index != 4:
            return outcome
        return replace(outcome, extra={"event_ns": 40 * NS_PER_MS})

    run = connect_run([told(outcome) for outcome in rounds(4)])

    (events,) = summarise_connect(run).events
    assert (events.name, events.event.n) == ("cancel", 8)
    assert events.event.p50.point == 40.0
    phases = next(s for s in run.samples if s.slot.index == 4)
    exchanged = (phases.send_ns or 0) + (phases.wait_ns or 0) + (phases.receive_ns or 0)
    assert events.answered.p50.point == exchanged / NS_PER_MS
    assert "after its first byte, ms" in shown(run)


def test_without_an_event_there_is_no_table_of_them() -> None:
    assert "after its first byte" not in shown(connect_run(rounds(4)))


def test_a_step_that_opens_in_both_sorts_of_start_is_not_explained() -> None:
    def websocket(outcome: Outcome) -> Outcome:
        if outcome.slot.index != 2:
            return outcome
        slot = replace(outcome.slot, role=Role.COLD)
        return replace(outcome, slot=slot, reused=False)

    run = connect_run([websocket(outcome) for outcome in rounds(13)])

    summary = summarise_connect(run)
    assert summary.steps[1].opened == (13, 13)
    assert summary.steps[1].breakdown is None
    assert summary.steps[0].breakdown is not None
    assert contradiction_of(run) == ""  # nor does it speak against the pool
