"""The comparison: rounds that are discarded."""

from __future__ import annotations

from tests.support.comparisons import Recorder, dead, plan, ran, refused
from vestbench.studies.compare.experiment import SETUP_ROUNDS


def test_three_discarded_rounds_are_sent_and_neither_recorded_nor_judged() -> None:
    recorder = Recorder(plan(max_rounds=2))

    outcomes = recorder.comparison.set_up()
    assert not recorder.recorded
    assert len(recorder.stack.plans) == 2 * SETUP_ROUNDS == 6
    assert not recorder.stack.open_now
    end = recorder.run()

    assert len(outcomes) == 6
    assert {slot.session for slot in recorder.stack.slots[:9]} == {-1}
    assert [outcome.slot.session for outcome in recorder.recorded] == [0, 0, 1, 1]
    assert [number for number, _ in recorder.judged] == [0, 1]
    # Neither their clients nor their primers are counted.
    assert end.build_ns == (1006, 1007, 1008, 1009)
    assert end.unmeasured == 2


def test_discarded_rounds_do_not_use_up_coins() -> None:
    with_set_up = Recorder(plan(max_rounds=20))
    with_set_up.comparison.set_up()
    with_set_up.run()

    assert with_set_up.orders() == ran(plan(max_rounds=20)).orders()


def test_a_venue_that_refuses_the_discarded_rounds_is_asked_nothing_else() -> None:
    recorder = Recorder(plan(), refused)

    outcomes = recorder.comparison.set_up()
    sent = len(recorder.stack.slots)
    end = recorder.run()

    assert sent == len(recorder.stack.slots) == 1  # the primer of the first
    assert outcomes == []
    assert "429 with Retry-After" in end.stopped
    assert not recorder.judged


def test_what_nobody_answered_is_recorded_although_it_was_to_be_discarded() -> None:
    recorder = Recorder(plan(), dead)
    outcomes = recorder.comparison.set_up()

    end = recorder.run()

    assert recorder.recorded == outcomes
    places = [(outcome.slot.session, outcome.slot.arm) for outcome in outcomes]
    assert places == [(0, "pooled"), (0, "unpooled"), (1, "pooled")]
    assert "none of the first 5 requests got through" in end.stopped
    assert not recorder.judged


def test_nothing_that_was_to_be_discarded_is_added_to_a_run_that_goes_on() -> None:
    recorder = Recorder(plan(first_round=7, max_rounds=20), dead)
    recorder.comparison.set_up()

    recorder.run()

    assert recorder.recorded == []


def test_settings_that_the_stack_cannot_honour_are_noted_once() -> None:
    recorder = Recorder(plan(), notes=("no keep-alive probes here",))
    recorder.comparison.set_up()

    assert list(recorder.run().notes) == ["no keep-alive probes here"]
