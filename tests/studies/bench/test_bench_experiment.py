"""The bench experiment: which request is sent when, and which plans it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bench_experiment import PROPERTY, bench_plan, run
from tests.support.records import failure, sample
from tests.support.stacks import FakeStack, in_turn, ok, spec
from vestbench.errors import UsageError
from vestbench.model.request import Failure, FailureKind, Outcome, Role, Sample, Slot
from vestbench.model.strategy import POOLED, STRATEGIES, UNPOOLED, Strategy
from vestbench.running.ports import Pacer
from vestbench.studies.bench.experiment import BURN_IN, run_bench, sessions_for


def server_error(slot: Slot) -> Outcome:
    return failure(
        slot.session, slot.index, kind=FailureKind.STATUS, role=slot.role, status=500
    )


# --- order and roles -----------------------------------------------------------------


def test_each_session_opens_sends_one_by_one_and_closes() -> None:
    stack = FakeStack()

    run(bench_plan(5, 2), stack)

    assert stack.calls == [
        "open 0",
        "send 0 ticker burn-in",
        "send 0 ticker burn-in",
        "close 0",
        "open 1",
        "send 1 ticker burn-in",
        "send 1 ticker burn-in",
        "close 1",
        "open 2",
        "send 2 ticker cold",
        "send 2 ticker subsequent",
        "send 2 ticker subsequent",
        "close 2",
        "open 3",
        "send 3 ticker cold",
        "send 3 ticker subsequent",
        "close 3",
    ]


def test_burn_in_is_sent_but_not_recorded() -> None:
    stack = FakeStack()

    end, recorded = run(bench_plan(10, 5), stack)

    burn_in = [slot for slot in stack.slots if slot.role is Role.BURN_IN]
    assert len(burn_in) == BURN_IN == 4
    assert {slot.session for slot in burn_in} == {-1}
    assert stack.slots[:4] == burn_in
    assert len(recorded) == 10
    assert len(end.build_ns) == 5


def test_outcomes_are_recorded_as_they_come() -> None:
    stack = FakeStack()

    _, recorded = run(bench_plan(7, 3), stack)

    assert [outcome.slot for outcome in recorded] == stack.slots[BURN_IN:]
    assert [(o.slot.session, o.slot.index) for o in recorded] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
    ]


def test_concurrent_requests_are_sent_in_bursts() -> None:
    stack = FakeStack()

    run(bench_plan(17, 2, concurrency=4), stack)

    assert stack.calls[8:] == [
        "open 2",
        "burst 2 4 ticker cold",
        "burst 2 4 ticker subsequent",
        "send 2 ticker subsequent",
        "close 2",
        "open 3",
        "burst 3 4 ticker cold",
        "burst 3 4 ticker subsequent",
        "close 3",
    ]


def test_without_a_pool_every_request_is_meant_to_be_cold() -> None:
    stack = FakeStack(lambda slot: sample(slot=slot))

    _, recorded = run(bench_plan(6, 2, strategy=UNPOOLED), stack)

    assert {outcome.slot.role for outcome in recorded} == {Role.COLD}
    assert {plan.strategy for plan in stack.plans} == {UNPOOLED}


def test_failures_are_recorded_and_the_run_goes_on() -> None:
    stack = FakeStack(in_turn([ok] * BURN_IN + [server_error] * 3))

    end, recorded = run(bench_plan(6, 2), stack)

    assert [type(outcome) for outcome in recorded] == [Failure] * 3 + [Sample] * 3
    assert end.stopped == ""


def test_every_request_is_built_anew() -> None:
    built = []

    def make() -> Any:
        built.append(spec())
        return built[-1]

    run_bench(bench_plan(9, 3), FakeStack(), make, pacer=Pacer(), record=lambda _: None)

    assert len(built) == 9 + BURN_IN


def test_notes_of_the_stack_are_kept_once() -> None:
    end, _ = run(bench_plan(8, 4), FakeStack(notes=("no keep-alive", "no limit")))

    assert end.notes == ("no keep-alive", "no limit")


def test_build_times_are_those_of_measured_sessions() -> None:
    end, _ = run(bench_plan(6, 3), FakeStack())

    assert end.build_ns == (1002, 1003, 1004)


@PROPERTY
@given(
    st.integers(1, 60),
    st.integers(1, 8),
    st.integers(0, 200),
    st.sampled_from(list(STRATEGIES.values())),
)
def test_requests_are_spread_as_evenly_as_possible(
    sessions: int, concurrency: int, extra: int, strategy: Strategy
) -> None:
    least = sessions * (1 if strategy is UNPOOLED else 2 * concurrency)
    plan = bench_plan(
        least + extra, sessions, concurrency=concurrency, strategy=strategy
    )

    bursts = list(plan.bursts())

    sizes = [sum(burst) for burst in bursts]
    assert len(bursts) == sessions
    assert sum(sizes) == plan.requests
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    for burst in bursts:
        assert all(size == concurrency for size in burst[:-1])
        assert 1 <= burst[-1] <= concurrency
        if strategy is POOLED:
            assert burst[0] == concurrency  # the cold ones are all at once
            assert len(burst) > 1


# --- the plan ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "sessions", "concurrency", "strategy", "message"),
    [
        (0, 1, 1, POOLED, "--requests and --sessions must be at least 1"),
        (2, 0, 1, POOLED, "--requests and --sessions must be at least 1"),
        (
            39,
            20,
            1,
            POOLED,
            "--requests 39 is too few for --sessions 20: at least 40, "
            "a cold and a subsequent one for each session",
        ),
        (
            23,
            3,
            4,
            POOLED,
            "--requests 23 is too few for --sessions 3: at least 24, a cold and a "
            "subsequent one for each session and each of 4 concurrent requests",
        ),
        (
            19,
            20,
            8,
            UNPOOLED,
            "--requests 19 is too few for --sessions 20: at least 20, "
            "one for each session",
        ),
    ],
    ids=["no-request", "no-session", "pooled", "concurrent", "unpooled"],
)
def test_a_plan_that_can_show_nothing_is_refused(
    requests: int, sessions: int, concurrency: int, strategy: Strategy, message: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        bench_plan(requests, sessions, concurrency=concurrency, strategy=strategy)

    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("requests", "sessions", "concurrency", "strategy"),
    [
        (40, 20, 1, POOLED),
        (24, 3, 4, POOLED),
        (20, 20, 8, UNPOOLED),
    ],
)
def test_the_least_that_is_named_is_enough(
    requests: int, sessions: int, concurrency: int, strategy: Strategy
) -> None:
    plan = bench_plan(requests, sessions, concurrency=concurrency, strategy=strategy)

    assert plan.requests == requests


@pytest.mark.parametrize(
    ("requests", "concurrency", "strategy", "sessions"),
    [
        (100, 1, POOLED, 20),
        (1000, 1, POOLED, 20),
        (40, 1, POOLED, 20),
        (39, 1, POOLED, 19),
        (100, 4, POOLED, 12),
        (2, 1, POOLED, 1),
        (1, 1, POOLED, 1),  # refused by the plan, in its own words
        (100, 1, UNPOOLED, 20),
        (5, 4, UNPOOLED, 5),
    ],
)
def test_twenty_sessions_or_as_many_as_the_requests_allow(
    requests: int, concurrency: int, strategy: Strategy, sessions: int
) -> None:
    assert sessions_for(requests, concurrency, strategy) == sessions
