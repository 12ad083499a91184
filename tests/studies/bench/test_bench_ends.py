"""The bench experiment: when it stops, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.bench_experiment import bench_plan, run
from tests.support.records import failure
from tests.support.stacks import FakeStack, in_turn, ok, spec
from vestbench.model.request import Failure, FailureKind, Outcome, Sample, Slot
from vestbench.running.ports import Pacer
from vestbench.studies.bench.experiment import BURN_IN, run_bench


def unanswered(slot: Slot) -> Outcome:
    return failure(slot.session, slot.index, kind=FailureKind.CONNECT, role=slot.role)


def refused(slot: Slot) -> Outcome:
    return failure(
        slot.session,
        slot.index,
        kind=FailureKind.RATE_LIMITED,
        role=slot.role,
        status=429,
    )


def told_to_wait(slot: Slot) -> Outcome:
    return failure(
        slot.session,
        slot.index,
        kind=FailureKind.RATE_LIMITED,
        role=slot.role,
        status=429,
        retry_after_s=30.0,
    )


@pytest.mark.parametrize("place", [0, 3, 4, 6])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_sessions_are_closed_when_an_exception_passes(
    place: int, error: type[BaseException]
) -> None:
    script = [ok] * place + [lambda _: error()]
    stack = FakeStack(in_turn(script))

    with pytest.raises(error):
        run(bench_plan(10, 2), stack)

    assert stack.open_now == set()
    assert len(stack.slots) == place + 1


def test_what_was_recorded_before_an_interruption_is_kept() -> None:
    recorded: list[Outcome] = []
    script: list[Callable[[Slot], Any]] = [ok] * (BURN_IN + 3)
    script.append(lambda _: KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        run_bench(
            bench_plan(10, 2),
            FakeStack(in_turn(script)),
            spec,
            pacer=Pacer(),
            record=recorded.append,
        )

    assert len(recorded) == 3


@pytest.mark.parametrize("place", range(7))
def test_nothing_is_sent_after_a_retry_after(place: int) -> None:
    stack = FakeStack(in_turn([ok] * place + [told_to_wait]))

    end, recorded = run(bench_plan(10, 2), stack)

    assert end.stopped == (
        "the venue limits the rate and asked to wait 30 s (429 with Retry-After); "
        "wait, then send fewer or more slowly (--rate)"
    )
    assert len(stack.slots) == place + 1
    assert len(recorded) == max(0, place + 1 - BURN_IN)
    assert stack.open_now == set()
    assert stack.calls[-1].startswith("close")


def test_the_rest_of_a_burst_is_recorded_when_it_stops() -> None:
    stack = FakeStack(in_turn([ok] * BURN_IN + [told_to_wait, ok, ok]))

    end, recorded = run(bench_plan(12, 2, concurrency=3), stack)

    assert end.stopped
    assert [type(outcome) for outcome in recorded] == [Failure, Sample, Sample]
    assert len(stack.slots) == BURN_IN + 3


def test_of_a_burst_that_was_answered_in_part_nothing_is_called_the_first() -> None:
    stack = FakeStack(in_turn([ok] * BURN_IN + [unanswered] * 6 + [ok] * 10))

    end, recorded = run(bench_plan(16, 1, concurrency=8), stack)

    assert not end.stopped
    assert len(recorded) == 16


def test_a_burst_of_which_nothing_was_answered_ends_the_run() -> None:
    stack = FakeStack(in_turn([ok] * BURN_IN + [unanswered] * 16))

    end, _ = run(bench_plan(16, 1, concurrency=8), stack)

    assert end.stopped.startswith("none of the first 8 requests got through (connect")


def test_three_refusals_in_a_row_end_the_run() -> None:
    script = [ok] * BURN_IN + [refused, refused, ok, refused, refused, refused]
    stack = FakeStack(in_turn(script))

    end, recorded = run(bench_plan(20, 2), stack)

    assert end.stopped == (
        "the venue limits the rate (3 times 429); wait, then send more slowly (--rate)"
    )
    assert len(recorded) == 6


def test_five_unanswered_requests_at_the_start_end_the_run() -> None:
    stack = FakeStack(unanswered)

    end, recorded = run(bench_plan(20, 2), stack)

    assert end.stopped.startswith("none of the first 5 requests got through (")
    assert len(recorded) == 5
    assert len(stack.slots) == 6  # the burn-in gives up after its first


def test_one_answer_makes_all_later_silence_part_of_the_measurement() -> None:
    stack = FakeStack(in_turn([unanswered] * 4 + [ok] + [unanswered] * 9))

    end, recorded = run(bench_plan(10, 2), stack)

    assert end.stopped == ""
    assert len(recorded) == 10
