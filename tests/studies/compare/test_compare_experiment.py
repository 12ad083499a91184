"""The comparison: what a round is made of, in which order, and what ends a run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.records import failure, sample
from tests.support.stacks import Clock, FakeStack, Script, ok, spec
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings
from vestbench.model.request import FailureKind, Outcome, Role, Slot
from vestbench.model.strategy import POOLED, UNPOOLED, WARMED, Strategy
from vestbench.running.ports import Pacer, RunEnd
from vestbench.studies.compare.experiment import (
    SETUP_ROUNDS,
    Arm,
    CompareSchedule,
    Comparison,
    control_of,
    name_arms,
)

PROPERTY = settings(deadline=None, derandomize=True)

TWO = (POOLED, UNPOOLED)
ALL = (UNPOOLED, POOLED, WARMED)
MEASURED = (Role.COLD, Role.SUBSEQUENT)


def plan(strategies: Sequence[Strategy] = TWO, **fields: object) -> CompareSchedule:
    defaults: dict[str, object] = {"max_rounds": 12, "seed": 7, "pool": PoolSettings()}
    return CompareSchedule(
        arms=name_arms(strategies),
        **{**defaults, **fields},  # type: ignore[arg-type]
    )


class Recorder:
    """Carries out a comparison on a fake stack and keeps what it did."""

    def __init__(
        self,
        plan: CompareSchedule,
        script: Script = ok,
        *,
        pacer: Pacer | None = None,
        notes: tuple[str, ...] = (),
        ends_at: int | None = None,
    ) -> None:
        self.clock = Clock()
        self.stack = FakeStack(script, notes)
        self.recorded: list[Outcome] = []
        self.judged: list[tuple[int, Mapping[str, Outcome]]] = []
        self.open_when_judged: list[int] = []
        self._ends_at = ends_at
        self.comparison = Comparison(
            plan,
            self.stack,
            spec,
            lambda: spec("time"),
            pacer=pacer or Pacer(sleep=no_sleep),
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        self.stack.calls.append(f"idle {seconds:g}")
        self.clock.sleep(seconds)

    def _judge(self, number: int, outcomes: Mapping[str, Outcome]) -> bool:
        self.judged.append((number, outcomes))
        self.open_when_judged.append(len(self.stack.open_now))
        return number == self._ends_at

    def run(self) -> RunEnd:
        return self.comparison.run(self.recorded.append, self._judge)

    def orders(self) -> list[tuple[str, ...]]:
        """Return the labels of each round in the order they were sent."""
        found: dict[int, list[str]] = {}
        for slot in self.stack.slots:
            if slot.role in MEASURED and slot.session >= 0:
                found.setdefault(slot.session, []).append(slot.arm)
        return [tuple(found[number]) for number in sorted(found)]


def ran(plan: CompareSchedule, script: Script = ok, **options: object) -> Recorder:
    recorder = Recorder(plan, script, **options)  # type: ignore[arg-type]
    recorder.run()
    return recorder


def no_sleep(seconds: float) -> None:
    pytest.fail(f"slept {seconds} s without an interval")


def refused(slot: Slot) -> Outcome:
    return failure(
        slot.session,
        slot.index,
        kind=FailureKind.RATE_LIMITED,
        role=slot.role,
        arm=slot.arm,
        status=429,
        retry_after_s=30.0,
    )


def unanswered(slot: Slot) -> Outcome:
    return failure(
        slot.session,
        slot.index,
        kind=FailureKind.CONNECT,
        role=slot.role,
        arm=slot.arm,
    )


def at(number: int, place: int, answer: Script) -> Script:
    """Answer like `answer` at one place of one round, and well everywhere else."""

    def script(slot: Slot) -> Outcome | BaseException:
        here = slot.session == number and slot.role in MEASURED and slot.index == place
        return answer(slot) if here else ok(slot)

    return script


# --- what a round is made of ---------------------------------------------------------


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


# --- the order -----------------------------------------------------------------------


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


# --- the discarded rounds ------------------------------------------------------------


def test_three_discarded_rounds_are_sent_and_neither_recorded_nor_judged() -> None:
    recorder = Recorder(plan(max_rounds=2))

    outcomes = recorder.comparison.set_up()
    assert not recorder.recorded
    assert len(recorder.stack.plans) == 2 * SETUP_ROUNDS == 6
    assert not recorder.stack.open_now
    end = recorder.run()

    assert len(outcomes) == 6
    assert {outcome.slot.session for outcome in outcomes} == {-1}
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


def test_settings_that_the_stack_cannot_honour_are_noted_once() -> None:
    recorder = Recorder(plan(), notes=("no keep-alive probes here",))
    recorder.comparison.set_up()

    assert list(recorder.run().notes) == ["no keep-alive probes here"]


# --- what ends a run -----------------------------------------------------------------


@pytest.mark.parametrize("last", [0, 3, 11])
def test_the_judge_ends_the_run(last: int) -> None:
    recorder = Recorder(plan(), ends_at=last)

    end = recorder.run()

    assert len(recorder.judged) == last + 1
    assert len(recorder.recorded) == 2 * (last + 1)
    assert end.stopped == ""


def test_the_plan_ends_the_run_otherwise() -> None:
    recorder = ran(plan(max_rounds=17))

    assert len(recorder.judged) == 17


def test_the_judge_sees_a_round_by_label() -> None:
    recorder = ran(plan(ALL, max_rounds=3))

    for number, outcomes in recorder.judged:
        assert set(outcomes) == {"unpooled", "pooled", "warmed"}
        for label, outcome in outcomes.items():
            assert outcome.slot.arm == label
            assert outcome.slot.session == number


@pytest.mark.parametrize("place", [0, 1])
def test_a_venue_that_asks_to_wait_is_left_alone(place: int) -> None:
    recorder = Recorder(plan(), at(4, place, refused))

    end = recorder.run()

    assert end.stopped == (
        "the venue limits the rate and asked to wait 30 s (429 with Retry-After)"
    )
    # What it refused is kept; a round of which the rest was not sent is not judged.
    assert len(recorder.recorded) == 4 * 2 + place + 1
    assert len(recorder.judged) == 4 + place
    assert not recorder.stack.open_now


def test_a_refused_primer_ends_the_run_before_anything_of_its_round() -> None:
    def script(slot: Slot) -> Outcome:
        return (
            refused(slot)
            if slot.role is Role.PRIMER and slot.session == 2
            else ok(slot)
        )

    recorder = Recorder(plan(), script)
    end = recorder.run()

    assert "Retry-After" in end.stopped
    assert len(recorder.recorded) == 4
    assert [slot.session for slot in recorder.stack.slots if slot.role in MEASURED] == [
        0,
        0,
        1,
        1,
    ]
    assert not recorder.stack.open_now


def test_a_refused_warm_up_is_not_followed_by_an_idle_time() -> None:
    recorder = Recorder(plan((WARMED, POOLED)), refused)

    recorder.run()

    assert recorder.stack.calls[:2] == ["open 0", "burst 0 2 time warm-up"]
    assert not [call for call in recorder.stack.calls if call.startswith("send")]
    assert not [call for call in recorder.stack.calls if call.startswith("idle")]


def test_a_venue_that_never_answers_is_given_up() -> None:
    recorder = Recorder(plan(), unanswered)

    end = recorder.run()

    assert end.stopped == "none of the first 5 requests got through"
    assert len(recorder.stack.slots) == 5
    assert len(recorder.judged) == 1


def test_failures_are_judged_like_any_outcome() -> None:
    recorder = ran(plan(max_rounds=20), at(5, 1, unanswered))

    assert len(recorder.judged) == 20
    assert sum(isinstance(o, type(unanswered(o.slot))) for o in recorder.recorded) == 1


@pytest.mark.parametrize(
    "role", [Role.WARM_UP, Role.PRIMER, Role.SUBSEQUENT, Role.COLD], ids=str
)
@pytest.mark.parametrize("number", [0, 3])
def test_every_client_is_closed_when_the_run_is_interrupted(
    role: Role, number: int
) -> None:
    def script(slot: Slot) -> Outcome | BaseException:
        if slot.role is role and slot.session == number:
            return KeyboardInterrupt()
        return ok(slot)

    recorder = Recorder(plan(ALL), script)
    with pytest.raises(KeyboardInterrupt):
        recorder.run()

    assert recorder.stack.plans
    assert not recorder.stack.open_now
    assert len(recorder.judged) == number


def test_every_client_is_closed_when_recording_fails() -> None:
    recorder = Recorder(plan())

    def full(outcome: Outcome) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        recorder.comparison.run(full, lambda number, outcomes: False)

    assert not recorder.stack.open_now


# --- pacing --------------------------------------------------------------------------


def test_requests_are_spaced_by_the_interval() -> None:
    clock = Clock()
    pacer = Pacer(interval_s=2.0, rng=random.Random(5), clock=clock, sleep=clock.sleep)

    ran(plan(max_rounds=50), pacer=pacer)

    # A primer and two measured requests a round.
    assert len(clock.slept) == 150
    assert all(1.0 <= pause <= 3.0 for pause in clock.slept)
    assert 1.8 < sum(clock.slept) / 150 < 2.2


def test_a_warm_up_counts_as_many_requests_for_the_rate() -> None:
    clock = Clock()
    pacer = Pacer(max_rate=10.0, clock=clock, sleep=clock.sleep)

    ran(plan((WARMED, UNPOOLED), max_rounds=10, warm_connections=3), pacer=pacer)

    # Five requests a round at ten a second; the last needs no pause behind it.
    assert clock.now_ns == pytest.approx((10 * 5 - 1) * 1e8, rel=1e-6)


def test_without_an_interval_nothing_waits() -> None:
    recorder = ran(plan(TWO, max_rounds=12))  # its pacer fails the test if it sleeps

    assert recorder.clock.slept == []


# --- names ---------------------------------------------------------------------------


def test_a_strategy_named_twice_gets_a_number() -> None:
    arms = name_arms([POOLED, UNPOOLED, POOLED, POOLED])

    assert [arm.label for arm in arms] == ["pooled", "unpooled", "pooled-2", "pooled-3"]
    assert [arm.strategy for arm in arms] == [POOLED, UNPOOLED, POOLED, POOLED]


def test_two_arms_of_one_strategy_have_clients_of_their_own() -> None:
    recorder = ran(plan((POOLED, POOLED), max_rounds=3))

    assert len(recorder.stack.plans) == 6
    assert {o.slot.arm for o in recorder.recorded} == {"pooled", "pooled-2"}
    assert all(o.slot.role is Role.SUBSEQUENT for o in recorder.recorded)


@pytest.mark.parametrize(
    ("strategies", "named", "expected"),
    [
        ((POOLED, UNPOOLED), "", "unpooled"),
        ((UNPOOLED, POOLED), "", "unpooled"),
        ((POOLED, WARMED), "", "warmed"),
        ((POOLED, POOLED), "", "pooled-2"),
        ((POOLED, UNPOOLED), "pooled", "pooled"),
        ((UNPOOLED, POOLED, WARMED), "warmed", "warmed"),
        ((POOLED, POOLED), "pooled", "pooled"),
        ((UNPOOLED, UNPOOLED), "", "unpooled"),
    ],
)
def test_the_control_is_the_one_named_else_unpooled_else_the_last(
    strategies: tuple[Strategy, ...], named: str, expected: str
) -> None:
    assert control_of(name_arms(strategies), named) == expected


def test_a_control_that_is_none_of_the_arms_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        control_of(name_arms(TWO), "warmed")

    assert str(caught.value) == (
        "--control 'warmed' is none of the arms: pooled, unpooled"
    )


@pytest.mark.parametrize(
    "arms",
    [
        (),
        (Arm(label="pooled", strategy=POOLED),),
        (Arm(label="a", strategy=POOLED), Arm(label="a", strategy=UNPOOLED)),
    ],
)
def test_a_plan_needs_two_different_arms(arms: tuple[Arm, ...]) -> None:
    with pytest.raises(UsageError, match="two or more different arms"):
        CompareSchedule(arms=arms, pool=PoolSettings(), max_rounds=12, seed=1)


def test_what_the_fake_stack_answers_is_what_a_pool_would() -> None:
    slot = Slot(session=0, index=0, role=Role.SUBSEQUENT, arm="pooled")

    assert ok(slot) == sample(slot=slot, reused=True)
