"""The comparison: the order of a round, and of pairs of rounds."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations
from math import sqrt

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.comparisons import ALL, TWO, plan, ran
from tests.support.records import failure
from tests.support.stacks import ok
from vestbench.model.request import Outcome, Slot
from vestbench.model.strategy import POOLED, Strategy

PROPERTY = settings(deadline=None, derandomize=True)


def test_the_order_of_two_arms_is_a_fair_coin() -> None:
    rounds = 2000
    orders = ran(plan(max_rounds=rounds)).orders()

    counts = Counter(orders)
    pairs = Counter(pairwise(orders))
    assert set(counts) == {("pooled", "unpooled"), ("unpooled", "pooled")}
    for count in counts.values():
        assert abs(count - rounds / 2) < 4 * sqrt(rounds) / 2
    # Independent: each of the four successions is as frequent as the others.
    assert len(pairs) == 4
    for count in pairs.values():
        assert abs(count - rounds / 4) < 4 * sqrt(rounds * 3 / 16)


def test_three_arms_are_put_into_each_order_alike() -> None:
    rounds = 3000
    counts = Counter(ran(plan(ALL, max_rounds=rounds)).orders())

    assert set(counts) == set(permutations(("unpooled", "pooled", "warmed")))
    for count in counts.values():
        assert abs(count - rounds / 6) < 4 * sqrt(rounds * 5 / 36)


@PROPERTY
@given(seed=st.integers(0, 2**32), paired=st.booleans())
def test_the_same_seed_gives_the_same_orders(seed: int, paired: bool) -> None:
    one = ran(plan(ALL, seed=seed, max_rounds=12, paired=paired)).orders()
    again = ran(plan(ALL, seed=seed, max_rounds=12, paired=paired)).orders()

    assert one == again


def test_other_seeds_and_resumed_runs_have_other_orders() -> None:
    orders = {
        tuple(ran(plan(seed=seed, first_round=first, max_rounds=first + 40)).orders())
        for seed in range(5)
        for first in (0, 40)
    }

    assert len(orders) == 10


def test_the_order_does_not_depend_on_what_was_answered() -> None:
    def failing(slot: Slot) -> Outcome:
        return (
            ok(slot)
            if slot.index or slot.session % 2
            else failure(slot.session, slot.index, role=slot.role, arm=slot.arm)
        )

    assert (
        ran(plan(max_rounds=30)).orders() == ran(plan(max_rounds=30), failing).orders()
    )


@PROPERTY
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 30),
    strategies=st.sampled_from([TWO, ALL, (POOLED, POOLED)]),
)
def test_pairs_have_opposite_orders(
    seed: int, count: int, strategies: tuple[Strategy, ...]
) -> None:
    orders = ran(plan(strategies, seed=seed, max_rounds=count, paired=True)).orders()

    assert len(orders) == count
    for first, second in zip(orders[::2], orders[1::2], strict=False):
        assert second == first[::-1]


def test_which_half_of_a_pair_comes_first_is_a_fair_coin() -> None:
    orders = ran(plan(max_rounds=2000, paired=True)).orders()

    counts = Counter(orders[::2])
    assert len(counts) == 2
    for count in counts.values():
        assert abs(count - 500) < 4 * sqrt(1000) / 2


@PROPERTY
@given(seed=st.integers(0, 10**6), done=st.integers(1, 15), more=st.integers(1, 15))
def test_pairs_stay_pairs_across_a_resume(seed: int, done: int, more: int) -> None:
    before = ran(plan(ALL, seed=seed, max_rounds=done, paired=True)).orders()
    half = before[-1] if done % 2 else ()

    after = ran(
        plan(
            ALL,
            seed=seed + 1,
            max_rounds=done + more,
            first_round=done,
            paired=True,
            half=half,
        )
    ).orders()

    orders = before + after
    assert len(orders) == done + more
    for first, second in zip(orders[::2], orders[1::2], strict=False):
        assert second == first[::-1]


def test_the_rounds_of_a_resumed_run_continue_to_be_counted() -> None:
    recorder = ran(plan(max_rounds=20, first_round=15))

    assert [number for number, _ in recorder.judged] == [15, 16, 17, 18, 19]
