"""The pace of requests: pauses, and the hard limit of a rate."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bench_experiment import PROPERTY, bench_plan, run
from tests.support.stacks import Clock, FakeStack
from vestbench.running.ports import Pacer
from vestbench.studies.bench.experiment import BURN_IN


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
