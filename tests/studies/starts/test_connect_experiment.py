"""The start of a bot, step by step: what is sent, logged and recorded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.records import failure, sample
from tests.support.stacks import Clock, FakeStack, Script, ok, spec
from vestbench.errors import VenueError
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
    Subscription,
)
from vestbench.running.clients import Clients
from vestbench.running.ports import Pacer, RunEnd
from vestbench.studies.starts.experiment import Starter, StartSchedule, Step

NAMES = ("register", "listen-key", "account", "cancel")


class Start:
    """Steps without a venue, and what was done with them."""

    def __init__(self) -> None:
        self.begun = 0
        self.taken: list[bytes] = []
        self.refuse = b""  # an answer that cannot be used

    def begin(self) -> Sequence[Step]:
        self.begun += 1
        return [
            Step(
                make=lambda name=name: spec(name),  # type: ignore[misc]
                log=f"Vest {name}",
                take=self.take,
                tries=3 if name == "register" else 1,
            )
            for name in NAMES
        ]

    def take(self, body: bytes) -> None:
        if body and body == self.refuse:
            raise VenueError("the answer cannot be used")
        self.taken.append(body)


def run(
    stack: FakeStack, *, rounds: int = 2, start: Start | None = None
) -> tuple[RunEnd, list[Outcome], Clock]:
    recorded: list[Outcome] = []
    clock = Clock()
    starter = Starter(
        schedule=StartSchedule(
            session=SessionPlan(pool=PoolSettings()),
            rounds=rounds,
            seed=5,
            title="Vest HTTP",
            numbered_alike=True,
        ),
        clients=Clients(stack),
        make_warm_up=lambda: spec("warm"),
        begin=(start or Start()).begin,
        pacer=Pacer(clock=clock, sleep=clock.sleep),
        record=recorded.append,
        sleep=clock.sleep,
    )
    return starter.run(), recorded, clock


def at(place: int, arm: str, answer: Outcome) -> Script:
    """Answer one step of the measured starts of one arm so, and all others well."""

    def script(slot: Slot) -> Outcome:
        here = (slot.index, slot.arm) == (place, arm) and slot.session >= 0
        return replace(answer, slot=slot) if here else ok(slot)

    return script


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="vestbench")
    return caplog


def test_a_start_warms_up_registers_and_goes_on_to_the_order_path() -> None:
    stack = FakeStack()

    run(stack, rounds=1)

    starts = "\n".join(stack.calls).split("open ")[1:]
    assert len(starts) == 4  # one of each sort is discarded
    cold, warmed = starts[:2]
    sent = [line.split()[2] for line in cold.splitlines() if line.startswith("send")]
    assert sent == list(NAMES)
    assert warmed.splitlines()[1] == "burst 1 1 warm warm-up"
    again = [line.split()[2] for line in warmed.splitlines()[2:-1]]
    assert again == list(NAMES)


def test_only_the_first_step_without_a_warm_up_should_open_its_connection() -> None:
    stack = FakeStack()
    run(stack, rounds=1)

    roles = {(slot.arm, slot.index): slot.role for slot in stack.slots}

    assert roles.pop(("warmed", 0)) is Role.WARM_UP
    assert roles.pop(("not warmed", 1)) is Role.COLD
    assert set(roles.values()) == {Role.SUBSEQUENT}
    assert len(roles) == 7


WANTED = Subscription(query="", words=("hello",), greeting="", event="")


class Listening(Start):
    """A start with a WebSocket, and an order that leads to an event."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[bytes] = []

    def begin(self) -> Sequence[Step]:
        first, *_ = super().begin()
        opening = Step(make=lambda: spec("websocket"), wanted=lambda: WANTED)
        ordering = Step(make=lambda: spec("order"), take=self.take, hear=self.hear)
        return [first, opening, ordering]

    def hear(self, body: bytes, event: bytes) -> None:
        if self.refuse:
            raise VenueError("the event is of another order")
        self.events.append(event)


def test_a_websocket_opens_its_own_connection_whatever_was_warmed_up() -> None:
    stack, start = FakeStack(), Listening()

    run(stack, rounds=1, start=start)

    assert stack.wanted == [WANTED] * 4
    roles = {(s.arm, s.index): s.role for s in stack.slots}
    assert {roles[arm, 2] for arm in ("warmed", "not warmed")} == {Role.COLD}
    assert {roles[arm, 3] for arm in ("warmed", "not warmed")} == {Role.SUBSEQUENT}
    assert start.events == [b"event of order"] * 4


def test_an_event_of_something_else_is_a_failure() -> None:
    start = Listening()
    start.refuse = b"any"

    _, recorded, _ = run(FakeStack(), rounds=1, start=start)

    failures = [o for o in recorded if isinstance(o, Failure)]
    assert {(o.slot.index, o.kind) for o in failures} == {(3, FailureKind.PROTOCOL)}
    assert {o.detail for o in failures} == {"the event is of another order"}


def test_the_discarded_starts_are_not_recorded() -> None:
    stack = FakeStack()

    end, recorded, _ = run(stack, rounds=3)

    assert len(recorded) == 3 * (2 * 4 + 1)
    assert {outcome.slot.session for outcome in recorded} == {0, 1, 2}
    assert len(end.build_ns) == 6
    assert stack.open_now == set()


def test_the_order_of_the_arms_is_a_coin_flip_of_the_seed() -> None:
    stack, again = FakeStack(), FakeStack()
    run(stack, rounds=12)
    run(again, rounds=12)

    firsts = [s.arm for s in stack.slots if s.index <= 1 and s.session >= 0]

    assert stack.calls == again.calls
    assert set(firsts) == {"warmed", "not warmed"}


def test_each_start_begins_anew() -> None:
    start = Start()

    run(FakeStack(), rounds=2, start=start)

    assert start.begun == 6
    assert len(start.taken) == 6 * 4


def test_a_registration_is_tried_three_times_with_backoff() -> None:
    stack = FakeStack(at(1, "warmed", failure()))

    _, recorded, clock = run(stack, rounds=1)

    tries = [o for o in recorded if (o.slot.arm, o.slot.index) == ("warmed", 1)]
    assert len(tries) == 3
    assert clock.slept == [0.5, 1.0]


def test_a_start_ends_at_the_step_that_fails() -> None:
    stack = FakeStack(at(3, "warmed", failure(kind=FailureKind.STATUS, status=401)))

    _, recorded, _ = run(stack, rounds=1)

    places = {
        arm: [o.slot.index for o in recorded if o.slot.arm == arm]
        for arm in ("warmed", "not warmed")
    }
    assert places == {"warmed": [0, 1, 2, 3], "not warmed": [1, 2, 3, 4]}
    assert stack.open_now == set()


def test_a_warm_up_that_fails_is_not_fatal(log: pytest.LogCaptureFixture) -> None:
    stack = FakeStack(at(0, "warmed", failure(detail="no answer")))

    _, recorded, _ = run(stack, rounds=1)

    assert sum(o.slot.arm == "warmed" for o in recorded) == 5
    assert "HTTP warm-up failed (non-fatal): timeout: no answer" in log.messages


def test_an_answer_that_cannot_be_used_is_a_failure() -> None:
    stack, start = FakeStack(), Start()
    stack.bodies = {"listen-key": b"no"}
    start.refuse = b"no"

    _, recorded, _ = run(stack, rounds=1, start=start)

    failures = [o for o in recorded if isinstance(o, Failure)]
    assert {o.slot.index for o in failures} == {2}
    assert {o.kind for o in failures} == {FailureKind.PROTOCOL}
    assert {o.detail for o in failures} == {"the answer cannot be used"}
    assert all(isinstance(o, Sample | Failure) for o in recorded)


def test_a_venue_that_asks_for_peace_gets_it() -> None:
    limited = failure(kind=FailureKind.RATE_LIMITED, status=429, retry_after_s=3.0)
    stack = FakeStack(at(1, "not warmed", limited))

    end, recorded, _ = run(stack, rounds=9)

    assert "429" in end.stopped
    assert isinstance(recorded[-1], Failure)
    assert len(recorded) < 9


def test_one_start_is_logged_as_the_bot_logs_it(
    log: pytest.LogCaptureFixture,
) -> None:
    run(FakeStack(lambda slot: sample(slot=slot, latency=12.0)), rounds=2)

    lines = [r.getMessage() for r in log.records if r.levelname == "INFO"]

    assert lines == [
        "[INIT] Vest HTTP client configured: "
        "pool_max_idle=2, pool_idle_timeout=60s, tcp_keepalive=30s",
        "[INIT] Vest HTTP connection pool warmed up (latency=12ms)",
        "[INIT] Vest register (latency=12ms)",
        "[INIT] Vest listen-key (latency=12ms)",
        "[INIT] Vest account (latency=12ms)",
        "[INIT] Vest cancel (latency=12ms)",
    ]


def test_a_step_that_fails_is_a_warning(log: pytest.LogCaptureFixture) -> None:
    refused = failure(kind=FailureKind.STATUS, detail="HTTP 401, code 1002")
    run(FakeStack(at(4, "warmed", refused)), rounds=1)

    lines = [r.getMessage() for r in log.records if r.levelname == "WARNING"]

    assert lines == ["[INIT] Vest cancel failed: status: HTTP 401, code 1002"]
