"""Asking before a measurement, judging answers, and watching orders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.records import failure, sample
from tests.support.servers import plan
from tests.support.stacks import Clock, FakeStack, Script, in_turn, ok, spec
from tests.support.toy_venue import ToyAccount, toy
from vestbench.errors import ExitCode, FilledOrderError, VenueError
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Role,
    Sample,
    Slot,
)
from vestbench.running.asking import JudgingStack, ask_all, tried
from vestbench.running.order_watch import OrderWatch
from vestbench.venues.secret import Secret

SLOT = Slot(session=3, index=1, role=Role.COLD)


def outcomes(*found: Outcome) -> Iterator[tuple[Outcome, bytes]]:
    return ((outcome, b"") for outcome in found)


# --- tries ---------------------------------------------------------------------------


def test_a_success_is_not_tried_again() -> None:
    clock, answers = Clock(), outcomes(sample(), sample())

    found = list(tried(lambda: next(answers), sleep=clock.sleep))

    assert len(found) == 1
    assert clock.slept == []


def test_a_failure_is_tried_three_times_with_a_pause_that_doubles() -> None:
    clock, answers = Clock(), outcomes(*[failure()] * 5)

    found = list(tried(lambda: next(answers), sleep=clock.sleep))

    assert len(found) == 3
    assert clock.slept == [0.5, 1.0]


def test_a_success_after_a_failure_ends_the_tries() -> None:
    clock, answers = Clock(), outcomes(failure(), sample(), sample())

    found = [outcome for outcome, _ in tried(lambda: next(answers), sleep=clock.sleep)]

    assert [type(outcome) for outcome in found] == [Failure, Sample]
    assert clock.slept == [0.5]


@pytest.mark.parametrize(
    "refusal",
    [
        failure(kind=FailureKind.RATE_LIMITED, status=429),
        failure(kind=FailureKind.STATUS, status=418, retry_after_s=300.0),
    ],
    ids=["429", "418-with-retry-after"],
)
def test_a_venue_that_limits_the_rate_is_not_asked_again(refusal: Failure) -> None:
    clock = Clock()
    answers = outcomes(refusal, sample())

    found = list(tried(lambda: next(answers), sleep=clock.sleep))

    assert len(found) == 1


# --- questions -----------------------------------------------------------------------


def test_questions_are_asked_in_order_and_their_answers_taken() -> None:
    stack, taken, waited = FakeStack(), list[bytes](), list[str]()
    stack.bodies = {"register": b"1", "ticker": b"2"}

    def questions() -> Iterator[tuple[RequestSpec, object]]:
        yield spec("register"), taken.append
        assert taken == [b"1"]  # before the next one is built
        yield spec("ticker"), taken.append

    ask_all(
        stack.open(plan()),
        questions(),  # type: ignore[arg-type]
        wait=lambda: waited.append("wait"),
    )

    assert taken == [b"1", b"2"]
    assert waited == ["wait", "wait"]
    assert stack.calls[1:] == ["send 0 register burn-in", "send 0 ticker burn-in"]


def test_a_question_that_fails_three_times_names_the_request_and_the_reason() -> None:
    stack = FakeStack(lambda _: failure(kind=FailureKind.STATUS, detail="HTTP 400"))
    session = stack.open(plan())

    with pytest.raises(VenueError) as refusal:
        ask_all(session, [(spec("register"), print)], sleep=Clock().sleep)

    assert str(refusal.value) == (
        "register: GET https://sim.test/register failed: status: HTTP 400"
    )
    assert refusal.value.exit_code == ExitCode.UNREACHABLE
    assert len(stack.slots) == 3


# --- judging -------------------------------------------------------------------------


def judge(spec: RequestSpec, outcome: Outcome, body: bytes) -> Outcome:
    """Take an answer that says no for a failure."""
    assert spec.endpoint
    if body == b"no":
        return failure(kind=FailureKind.STATUS, detail="no")
    return outcome


def test_a_sample_whose_answer_is_not_wanted_is_a_failure() -> None:
    stack = FakeStack()
    stack.bodies = {"cancel": b"no", "order": b"yes"}
    session = JudgingStack(stack, judge).open(plan())

    refused, taken = (session.send(spec(name), SLOT) for name in ("cancel", "order"))

    assert isinstance(refused, Failure)
    assert isinstance(taken, Sample)


def test_a_burst_of_one_is_judged_as_a_request() -> None:
    stack = FakeStack()
    stack.bodies = {"cancel": b"no"}
    session = JudgingStack(stack, judge).open(plan())

    (outcome,) = session.burst([spec("cancel")], [SLOT])

    assert isinstance(outcome, Failure)


def test_a_burst_of_several_is_sent_at_the_same_moment_as_ever() -> None:
    stack = FakeStack()
    session = JudgingStack(stack, judge).open(plan())

    session.burst([spec("account")] * 2, [SLOT, SLOT])
    session.close()

    assert stack.calls == ["open 0", "burst 0 2 account cold", "close 0"]


def test_what_comes_after_a_request_gets_its_judged_outcome() -> None:
    stack, seen = FakeStack(), list[tuple[str, Outcome]]()
    stack.bodies = {"order": b"no"}
    judging = JudgingStack(stack, judge, lambda s, o: seen.append((s.endpoint, o)))

    outcome = judging.open(plan()).send(spec("order"), SLOT)

    assert seen == [("order", outcome)]


# --- orders --------------------------------------------------------------------------


def watch(
    *states: tuple[str, ...] | None, script: Script = ok
) -> tuple[OrderWatch, FakeStack, Clock]:
    """Return a watch whose look-ups find these states, one after the other."""
    stack, clock, found = FakeStack(script), Clock(), iter(states)

    class Account(ToyAccount):
        filled_states = ("FILLED", "PARTIALLY_FILLED")
        open_states = ("NEW",)

        def order_states(self, body: bytes) -> tuple[str, ...] | None:
            return next(found)

    account = Account(toy("https://a.test"), Secret(""))
    watched = OrderWatch(stack.open(plan()), account, sleep=clock.sleep)
    return watched, stack, clock


@pytest.mark.parametrize("state", ["REJECTED", "CANCELLED"])
def test_an_order_that_ended_without_effect_is_counted(state: str) -> None:
    watched, stack, clock = watch((state,), (state,))

    watched.look(sample())
    watched.look(sample())

    assert watched.states == {state: 2}
    assert (len(stack.slots), clock.slept) == (2, [])


@pytest.mark.parametrize("state", ["FILLED", "PARTIALLY_FILLED"])
def test_a_fill_stops_everything(state: str) -> None:
    watched, _, _ = watch((state,))

    with pytest.raises(FilledOrderError, match="far from the market") as stop:
        watched.look(sample())

    assert stop.value.exit_code == ExitCode.FILLED
    assert watched.states == {state: 1}


def test_an_order_that_failed_is_looked_up_all_the_same() -> None:
    watched, _, _ = watch((), (), ("FILLED",))

    with pytest.raises(FilledOrderError):
        watched.look(failure())  # timed out: it may have been taken


def test_an_order_that_was_refused_and_is_not_listed_was_not_taken() -> None:
    watched, stack, _ = watch(())

    watched.look(failure(kind=FailureKind.STATUS, status=400))

    assert watched.states == {"refused": 1}
    assert len(stack.slots) == 1


def test_an_order_that_is_still_open_is_looked_at_again() -> None:
    watched, _, clock = watch(("NEW",), ("REJECTED",))

    watched.look(sample())

    assert watched.states == {"REJECTED": 1}
    assert clock.slept == [0.5]


def test_an_order_that_stays_open_stops_everything() -> None:
    watched, _, _ = watch(("NEW",), ("NEW",), ("NEW",))

    with pytest.raises(VenueError, match="still open"):
        watched.look(sample())

    assert watched.states == {"NEW": 1}


@pytest.mark.parametrize(
    "script",
    [ok, in_turn([lambda _: failure()] * 3)],
    ids=["answers-without-states", "no-answer"],
)
def test_an_order_whose_end_cannot_be_told_stops_everything(script: Script) -> None:
    watched, stack, clock = watch(None, None, None, script=script)

    with pytest.raises(VenueError, match="cannot be told"):
        watched.look(sample())

    assert (len(stack.slots), clock.slept) == (3, [0.5, 1.0])
    assert watched.states == {"unknown": 1}


def test_a_look_at_an_order_that_is_told_to_wait_is_the_last_one() -> None:
    told = failure(kind=FailureKind.STATUS, status=503, retry_after_s=60.0)
    watched, stack, clock = watch(script=lambda _: told)

    with pytest.raises(VenueError, match="cannot be told"):
        watched.look(sample())

    assert (len(stack.slots), clock.slept) == (1, [])
