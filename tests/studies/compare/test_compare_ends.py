"""The comparison: what ends a run, its pace, and the names of its arms."""

from __future__ import annotations

import random

import pytest

from tests.support.comparisons import ALL, MEASURED, TWO, Recorder, plan, ran, refused
from tests.support.records import compare_plan, failure, sample
from tests.support.stacks import Clock, Script, ok
from vestbench.errors import UsageError
from vestbench.model.request import FailureKind, Outcome, Role, Slot
from vestbench.model.strategy import POOLED, UNPOOLED, WARMED, Strategy
from vestbench.running.ports import Pacer
from vestbench.studies.compare.plan import Arm
from vestbench.studies.compare.question import control_of, name_arms


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
        "the venue limits the rate and asked to wait 30 s (429 with Retry-After); "
        "wait, then send fewer or more slowly (--rate)"
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

    assert end.stopped.startswith("none of the first 5 requests got through (")
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
    assert [arm.way for arm in arms] == [POOLED, UNPOOLED, POOLED, POOLED]


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
        "--control 'warmed' is none of the strategies: pooled, unpooled"
    )


@pytest.mark.parametrize(
    ("arms", "why"),
    [
        ((), "plan.arms: expected a list of length >= 2"),
        ((Arm(label="pooled", strategy="pooled"),), "length >= 2"),
        (
            (Arm(label="a", strategy="pooled"), Arm(label="a", strategy="unpooled")),
            "two strategies have the same label",
        ),
    ],
)
def test_a_plan_needs_two_different_arms(arms: tuple[Arm, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        compare_plan(arms)


def test_what_the_fake_stack_answers_is_what_a_pool_would() -> None:
    slot = Slot(session=0, index=0, role=Role.SUBSEQUENT, arm="pooled")

    assert ok(slot) == sample(slot=slot, reused=True)
