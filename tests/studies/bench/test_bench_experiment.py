"""The bench experiment: which request is sent when, and when it stops."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.records import failure, sample
from tests.support.stacks import Clock, FakeStack, in_turn, ok, spec
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Failure, FailureKind, Outcome, Role, Sample, Slot
from vestbench.model.strategy import POOLED, STRATEGIES, UNPOOLED, Strategy
from vestbench.running.ports import Pacer, RunEnd, StopRule
from vestbench.studies.bench.experiment import (
    BURN_IN,
    BenchSchedule,
    run_bench,
    sessions_for,
)

PROPERTY = settings(deadline=None, derandomize=True)


def bench_plan(
    requests: int,
    sessions: int,
    *,
    concurrency: int = 1,
    strategy: Strategy = POOLED,
) -> BenchSchedule:
    session = SessionPlan(
        pool=PoolSettings(), strategy=strategy, concurrency=concurrency
    )
    return BenchSchedule(session=session, requests=requests, sessions=sessions)


def run(
    plan: BenchSchedule, stack: FakeStack, pacer: Pacer | None = None
) -> tuple[RunEnd, list[Outcome]]:
    recorded: list[Outcome] = []
    end = run_bench(
        plan,
        stack,
        spec,
        pacer=pacer or Pacer(sleep=no_sleep),
        record=recorded.append,
    )
    return end, recorded


def no_sleep(seconds: float) -> None:
    pytest.fail(f"slept {seconds} s without an interval")


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


# --- what ends a run -----------------------------------------------------------------


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
        "the venue limits the rate and asked to wait 30 s (429 with Retry-After)"
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


def test_three_refusals_in_a_row_end_the_run() -> None:
    script = [ok] * BURN_IN + [refused, refused, ok, refused, refused, refused]
    stack = FakeStack(in_turn(script))

    end, recorded = run(bench_plan(20, 2), stack)

    assert end.stopped == "the venue limits the rate (3 times 429)"
    assert len(recorded) == 6


def test_five_unanswered_requests_at_the_start_end_the_run() -> None:
    stack = FakeStack(unanswered)

    end, recorded = run(bench_plan(20, 2), stack)

    assert end.stopped == "none of the first 5 requests got through"
    assert len(recorded) == 5
    assert len(stack.slots) == 6  # the burn-in gives up after its first


def test_one_answer_makes_all_later_silence_part_of_the_measurement() -> None:
    stack = FakeStack(in_turn([unanswered] * 4 + [ok] + [unanswered] * 9))

    end, recorded = run(bench_plan(10, 2), stack)

    assert end.stopped == ""
    assert len(recorded) == 10


def test_a_refusal_by_status_is_an_answer() -> None:
    stop = StopRule()
    for _ in range(50):
        stop.notice(failure(kind=FailureKind.STATUS, status=503))

    assert not stop.over()


def test_a_time_to_wait_of_nothing_ends_the_run_as_well() -> None:
    stop = StopRule()
    stop.notice(failure(kind=FailureKind.RATE_LIMITED, status=429, retry_after_s=0.0))

    assert stop.over()


# --- pace ----------------------------------------------------------------------------


def test_without_interval_and_limit_nothing_waits() -> None:
    clock = Clock()
    pacer = Pacer(clock=clock, sleep=clock.sleep)
    for _ in range(100):
        pacer.wait()

    assert clock.slept == []


def test_pauses_are_between_half_and_one_and_a_half_intervals() -> None:
    clock = Clock()
    pacer = Pacer(interval_s=0.2, rng=random.Random(1), clock=clock, sleep=clock.sleep)
    for _ in range(1000):
        pacer.wait()

    assert all(0.1 <= pause <= 0.3 for pause in clock.slept)
    assert min(clock.slept) < 0.101
    assert max(clock.slept) > 0.299
    assert sum(clock.slept) / 1000 == pytest.approx(0.2, rel=0.02)


def test_the_same_seed_makes_the_same_pauses() -> None:
    def pauses(seed: int) -> list[float]:
        clock = Clock()
        pacer = Pacer(
            interval_s=1.0, rng=random.Random(seed), clock=clock, sleep=clock.sleep
        )
        for _ in range(5):
            pacer.wait()
        return clock.slept

    assert pauses(3) == pauses(3)
    assert pauses(3) != pauses(4)


@PROPERTY
@given(
    st.floats(0.1, 1000),
    st.floats(0, 0.5),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 10**9)), min_size=2),
    st.integers(0, 10**15),
)
def test_the_limit_is_hard_from_one_departure_to_the_next(
    rate: float, interval_s: float, bursts: list[tuple[int, int]], origin: int
) -> None:
    clock = Clock(origin)
    pacer = Pacer(
        interval_s=interval_s,
        max_rate=rate,
        rng=random.Random(1),
        clock=clock,
        sleep=clock.sleep,
    )
    departures = []
    for size, took_ns in bursts:
        pacer.wait(size)
        departures.append((clock.now_ns, size))
        clock.now_ns += took_ns

    for (before, size), (after, _) in pairwise(departures):
        assert after - before >= size * 1e9 / rate - 1  # the scripted sleep rounds


def test_ten_requests_a_second_are_a_tenth_of_a_second_apart() -> None:
    clock = Clock(5)
    pacer = Pacer(max_rate=10.0, clock=clock, sleep=clock.sleep)
    departures = []
    for took_ns in (30_000_000, 150_000_000, 0, 0):
        pacer.wait()
        departures.append(clock.now_ns)
        clock.now_ns += took_ns

    assert [b - a for a, b in pairwise(departures)] == [
        100_000_000,
        150_000_000,
        100_000_000,
    ]


def test_every_request_of_a_run_is_paced_burn_in_included() -> None:
    clock = Clock()
    stack = FakeStack()
    pacer = Pacer(max_rate=10.0, clock=clock, sleep=clock.sleep)

    run(bench_plan(10, 2), stack, pacer)

    assert len(clock.slept) == 10 + BURN_IN - 1
    assert clock.now_ns == pytest.approx(1.3e9)


def test_a_burst_counts_as_many_requests_as_it_has() -> None:
    clock = Clock()
    pacer = Pacer(max_rate=10.0, clock=clock, sleep=clock.sleep)

    run(bench_plan(8, 1, concurrency=4), FakeStack(), pacer)

    # Four alone, four at once, four at once: the last needs no room behind it.
    assert clock.now_ns == pytest.approx(0.8e9)
    assert Counter(round(pause, 3) for pause in clock.slept) == {0.1: 4, 0.4: 1}
