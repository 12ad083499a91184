"""The comparison: what a round is made of, and what is discarded before."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.support.comparisons import ALL, MEASURED, Recorder, plan, ran, refused
from tests.support.stacks import ok
from vestbench.model.client import PoolSettings
from vestbench.model.request import Outcome, Role, Slot
from vestbench.model.strategy import (
    HTTP2,
    POOLED,
    RESUMED,
    UNPOOLED,
    WARMED,
    Strategy,
)


def test_a_round_is_a_fresh_primed_pool_and_one_request_of_each_arm() -> None:
    recorder = ran(plan(max_rounds=2, seed=10))

    first, second = recorder.orders()
    assert first == ("pooled", "unpooled")
    assert second == ("unpooled", "pooled")
    assert recorder.stack.calls == [
        "open 0",
        "burst 0 1 ticker primer",
        "open 1",
        "send 0 ticker subsequent",
        "send 1 ticker cold",
        "close 1",
        "close 0",
        "open 2",
        "burst 2 1 ticker primer",
        "open 3",
        "send 3 ticker cold",
        "send 2 ticker subsequent",
        "close 3",
        "close 2",
    ]


def test_no_client_is_used_in_two_rounds() -> None:
    recorder = ran(plan(ALL, max_rounds=9))

    assert len(recorder.stack.plans) == 9 * 3
    assert recorder.open_when_judged == [0] * 9


def test_primers_and_warm_ups_are_not_recorded_but_counted() -> None:
    recorder = Recorder(plan(ALL, max_rounds=5, warm_connections=3))

    end = recorder.run()

    assert {outcome.slot.role for outcome in recorder.recorded} == set(MEASURED)
    assert len(recorder.recorded) == 5 * 3
    assert end.unmeasured == 5 * (1 + 3)


def test_outcomes_are_recorded_in_the_order_they_were_sent() -> None:
    recorder = ran(plan(ALL, max_rounds=20))

    sent = [slot for slot in recorder.stack.slots if slot.role in MEASURED]
    assert [outcome.slot for outcome in recorder.recorded] == sent
    assert [slot.index for slot in sent] == [0, 1, 2] * 20
    assert [slot.session for slot in sent] == [n for n in range(20) for _ in range(3)]


def test_only_the_unpooled_arm_is_meant_to_be_cold() -> None:
    recorder = ran(plan(ALL, max_rounds=4))

    roles = {outcome.slot.arm: outcome.slot.role for outcome in recorder.recorded}
    assert roles == {
        "unpooled": Role.COLD,
        "pooled": Role.SUBSEQUENT,
        "warmed": Role.SUBSEQUENT,
    }


def test_each_arm_gets_the_pool_it_is_called_after() -> None:
    pool = PoolSettings(max_idle=5)

    recorder = ran(plan(ALL, max_rounds=1, pool=pool, warm_connections=4))

    strategies = [p.strategy for p in recorder.stack.plans]
    assert strategies == [WARMED, POOLED, UNPOOLED]
    assert [p.concurrency for p in recorder.stack.plans] == [4, 1, 1]
    assert all(p.pool is pool for p in recorder.stack.plans)


def test_a_warmed_client_is_warmed_up_left_idle_and_then_measured() -> None:
    recorder = ran(
        plan((WARMED, UNPOOLED), max_rounds=1, seed=6, warm_connections=2, idle_s=2.5)
    )

    assert recorder.stack.calls == [
        "open 0",
        "burst 0 2 time warm-up",
        "idle 2.5",
        "open 1",
        "send 0 ticker subsequent",
        "send 1 ticker cold",
        "close 1",
        "close 0",
    ]


@pytest.mark.parametrize("order", list(permutations(ALL)))
def test_the_longest_preparation_comes_first(order: tuple[Strategy, ...]) -> None:
    recorder = ran(plan(order, max_rounds=1))

    prepared = [c for c in recorder.stack.calls if c.startswith(("burst", "idle"))]
    assert prepared == ["burst 0 2 time warm-up", "idle 1", "burst 1 1 ticker primer"]


def test_slots_carry_round_place_role_and_arm() -> None:
    recorder = ran(plan((WARMED, POOLED), max_rounds=1, seed=3, first_round=0))

    slots = recorder.stack.slots
    assert slots[:3] == [
        Slot(session=0, index=0, role=Role.WARM_UP, arm="warmed"),
        Slot(session=0, index=1, role=Role.WARM_UP, arm="warmed"),
        Slot(session=0, index=0, role=Role.PRIMER, arm="pooled"),
    ]
    assert {slot.arm for slot in slots[3:]} == {"warmed", "pooled"}


def test_each_way_of_connecting_is_prepared_before_those_that_take_less_long() -> None:
    recorder = ran(plan((UNPOOLED, POOLED, HTTP2, RESUMED, WARMED), max_rounds=1))

    prepared = [slot.arm for slot in recorder.stack.slots if slot.role not in MEASURED]
    assert prepared == ["warmed", "warmed", "resumed", "http2", "pooled"]


def test_a_resumed_connection_is_a_cold_one() -> None:
    recorder = ran(plan((RESUMED, UNPOOLED), max_rounds=2))

    assert {outcome.slot.role for outcome in recorder.recorded} == {Role.COLD}


@pytest.mark.parametrize("asked", [True, False])
def test_http2_is_offered_by_every_arm_where_it_is_asked_for(*, asked: bool) -> None:
    recorder = ran(plan((POOLED, HTTP2, UNPOOLED), max_rounds=1, http2=asked))

    offered = {p.strategy.name: p.http2 for p in recorder.stack.plans}
    assert offered == {"pooled": asked, "http2": True, "unpooled": asked}


def test_after_a_refusal_nothing_more_is_prepared_or_opened() -> None:
    def script(slot: Slot) -> Outcome | BaseException:
        return refused(slot) if slot.role is Role.WARM_UP else ok(slot)

    recorder = ran(plan((WARMED, POOLED, UNPOOLED), max_rounds=9), script)

    assert {slot.role for slot in recorder.stack.slots} == {Role.WARM_UP}
    assert "idle 1" not in recorder.stack.calls
    assert len(recorder.stack.plans) == 3  # of the first round
