"""The start of a bot: what is logged, what is sent, and in which order."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.support.records import failure, sample
from tests.support.stacks import FakeStack, Script, in_turn, ok, spec
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import FailureKind, Outcome, RequestSpec, Role, Slot
from vestbench.running.clients import Clients
from vestbench.running.ports import Pacer, RunEnd
from vestbench.studies.starts.experiment import (
    Starter,
    StartSchedule,
    Step,
    log_configuration,
    warm_up,
)
from vestbench.studies.starts.plan import NOT_WARMED, WARMED

TITLE = "Vest HTTP"
CONFIGURED = (
    "[INIT] Vest HTTP client configured: "
    "pool_max_idle=2, pool_idle_timeout=60s, tcp_keepalive=30s"
)
WARMED_UP = "[INIT] Vest HTTP connection pool warmed up (latency=12ms)"


def plan(rounds: int = 3, connections: int = 2, seed: int = 5) -> StartSchedule:
    session = SessionPlan(pool=PoolSettings(), concurrency=connections)
    return StartSchedule(
        session=session,
        rounds=rounds,
        seed=seed,
        title=TITLE,
    )


def run(
    a_plan: StartSchedule,
    stack: FakeStack,
    make: Callable[[str], RequestSpec] = spec,
    recorded: list[Outcome] | None = None,
) -> tuple[RunEnd, list[Outcome]]:
    recorded = [] if recorded is None else recorded
    starter = Starter(
        schedule=a_plan,
        clients=Clients(stack),
        make_warm_up=lambda: make("account"),
        begin=lambda: [Step(make=lambda: make("ticker"))],
        pacer=Pacer(),
        record=recorded.append,
    )
    return starter.run(), recorded


def warm(script: Script, connections: int = 1) -> list[Outcome]:
    session = FakeStack(script).open(plan().session)
    slots = [Slot(session=0, index=i, role=Role.WARM_UP) for i in range(connections)]
    return warm_up(session, lambda: spec("account"), slots, title=TITLE)


def lines(log: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in log.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="vestbench")
    return caplog


# --- what is logged ------------------------------------------------------------------


def test_the_configuration_is_logged_as_the_bot_logs_it(
    log: pytest.LogCaptureFixture,
) -> None:
    log_configuration(PoolSettings(), TITLE)

    assert lines(log) == [("INFO", CONFIGURED)]


def test_the_configuration_that_is_logged_is_the_one_in_force(
    log: pytest.LogCaptureFixture,
) -> None:
    pool = PoolSettings(max_idle=7, idle_timeout_s=1.5, tcp_keepalive_s=0)
    log_configuration(pool, TITLE)

    assert lines(log) == [
        (
            "INFO",
            "[INIT] Vest HTTP client configured: "
            "pool_max_idle=7, pool_idle_timeout=1.5s, tcp_keepalive=0s",
        )
    ]


@pytest.mark.parametrize("status", [200, 401])
def test_a_warm_up_is_logged_as_the_bot_logs_it(
    log: pytest.LogCaptureFixture, status: int
) -> None:
    warm(lambda slot: sample(slot=slot, latency=12.3, status=status))

    assert lines(log) == [("INFO", WARMED_UP)]


def test_the_slowest_connection_is_the_latency_of_a_warm_up(
    log: pytest.LogCaptureFixture,
) -> None:
    latencies = iter([3.0, 11.6])
    warm(lambda slot: sample(slot=slot, latency=next(latencies)), connections=2)

    assert lines(log) == [("INFO", WARMED_UP)]


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (FailureKind.CONNECT, "connection refused"),
        (FailureKind.DNS, "no such host"),
        (FailureKind.TLS, "certificate not trusted"),
        (FailureKind.TIMEOUT, "no answer within 10 s"),
    ],
)
def test_a_failed_warm_up_is_a_warning_and_not_an_error(
    log: pytest.LogCaptureFixture, kind: FailureKind, detail: str
) -> None:
    outcomes = warm(lambda _: failure(kind=kind, detail=detail))

    assert lines(log) == [
        ("WARNING", f"HTTP warm-up failed (non-fatal): {kind}: {detail}")
    ]
    assert len(outcomes) == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [(FailureKind.STATUS, 503), (FailureKind.RATE_LIMITED, 429)],
)
def test_another_status_is_a_warning(
    log: pytest.LogCaptureFixture, kind: FailureKind, status: int
) -> None:
    warm(lambda _: failure(kind=kind, status=status, detail=f"status {status}"))

    assert lines(log) == [
        ("WARNING", f"HTTP warm-up returned status {status} (non-fatal)")
    ]


def test_half_a_warm_up_is_logged_as_both(log: pytest.LogCaptureFixture) -> None:
    script = in_turn(
        [
            lambda _: failure(kind=FailureKind.RESET, detail="reset by peer"),
            lambda slot: sample(slot=slot, latency=12.0),
        ]
    )
    warm(script, connections=2)

    assert lines(log) == [
        ("WARNING", "HTTP warm-up failed (non-fatal): reset: reset by peer"),
        ("INFO", WARMED_UP),
    ]


def test_a_percent_sign_in_a_message_is_only_a_percent_sign(
    log: pytest.LogCaptureFixture,
) -> None:
    warm(lambda _: failure(kind=FailureKind.PROTOCOL, detail="100 %s %d"))

    assert lines(log)[0][1].endswith("protocol: 100 %s %d")


def test_a_run_logs_one_start_and_keeps_the_others_quiet(
    log: pytest.LogCaptureFixture,
) -> None:
    run(plan(rounds=3), FakeStack(lambda slot: sample(slot=slot, latency=12.0)))

    assert lines(log) == [
        ("INFO", CONFIGURED),
        ("INFO", WARMED_UP),
        *[("DEBUG", WARMED_UP)] * 3,
    ]


# --- what is sent --------------------------------------------------------------------


def test_a_warm_up_sends_its_requests_at_the_same_moment() -> None:
    stack = FakeStack()
    session = stack.open(plan().session)
    slots = [Slot(session=0, index=i, role=Role.WARM_UP) for i in range(3)]

    warm_up(session, lambda: spec("account"), slots, title=TITLE)

    assert stack.calls == ["open 0", "burst 0 3 account warm-up"]


def test_each_round_is_a_warmed_start_and_one_that_is_not() -> None:
    stack = FakeStack()

    run(plan(rounds=1), stack)

    starts = {
        WARMED: ["burst {} 2 account warm-up", "send {} ticker subsequent"],
        NOT_WARMED: ["send {} ticker cold"],
    }
    measured = [slot.arm for slot in stack.slots if slot.role is not Role.WARM_UP]
    expected = []
    for number, arm in enumerate(measured):
        calls = [call.format(number) for call in starts[arm]]
        expected += [f"open {number}", *calls, f"close {number}"]
    assert stack.calls == expected
    assert sorted(measured[2:]) == [NOT_WARMED, WARMED]


def test_one_start_of_each_sort_is_sent_first_and_not_recorded() -> None:
    stack = FakeStack()

    end, recorded = run(plan(rounds=4, connections=3), stack)

    discarded = [slot for slot in stack.slots if slot.session == -1]
    assert stack.slots[: len(discarded)] == discarded
    assert [slot.arm for slot in discarded] == [NOT_WARMED] + [WARMED] * 4
    assert [outcome.slot for outcome in recorded] == stack.slots[len(discarded) :]
    assert len(end.build_ns) == 8  # of the starts that count


@pytest.mark.parametrize("connections", [1, 2, 5])
def test_a_warmed_start_sends_as_many_requests_as_connections_and_one(
    connections: int,
) -> None:
    _, recorded = run(plan(rounds=2, connections=connections), FakeStack())

    for session in range(2):
        by_arm = {
            arm: [
                (o.slot.index, o.slot.role)
                for o in recorded
                if o.slot.session == session and o.slot.arm == arm
            ]
            for arm in (WARMED, NOT_WARMED)
        }
        assert by_arm[NOT_WARMED] == [(0, Role.COLD)]
        assert by_arm[WARMED] == [
            *((i, Role.WARM_UP) for i in range(connections)),
            (connections, Role.SUBSEQUENT),
        ]


def orders(seed: int, rounds: int = 40) -> list[str]:
    _, recorded = run(plan(rounds=rounds, seed=seed), FakeStack())
    first: dict[int, str] = {}
    for outcome in recorded:
        first.setdefault(outcome.slot.session, outcome.slot.arm)
    return [first[number] for number in range(rounds)]


def test_the_order_of_a_round_is_the_toss_of_a_seeded_coin() -> None:
    assert orders(5) == orders(5)
    assert orders(5) != orders(6)
    assert 10 <= orders(5).count(WARMED) <= 30


def test_warm_up_and_request_are_what_the_venue_makes_of_them() -> None:
    made: list[str] = []

    def make(name: str) -> RequestSpec:
        made.append(name)
        return spec(name)

    run(plan(rounds=1), FakeStack(), make)

    assert (made.count("account"), made.count("ticker")) == (4, 4)


# --- what ends it --------------------------------------------------------------------


def told_to_wait(slot: Slot) -> Outcome:
    return failure(
        slot.session,
        slot.index,
        kind=FailureKind.RATE_LIMITED,
        role=slot.role,
        arm=slot.arm,
        status=429,
        retry_after_s=2.5,
    )


@pytest.mark.parametrize(
    ("place", "sent"), [(0, 1), (1, 3), (3, 4), (4, 5), (5, 7), (7, 8)]
)
def test_nothing_is_sent_after_a_retry_after(place: int, sent: int) -> None:
    # Seed 8 begins with a start that is not warmed, so the requests are: one, burst
    # of two, one (discarded); one, burst of two, one (round 0); ...
    assert orders(8)[0] == NOT_WARMED
    stack = FakeStack(in_turn([ok] * place + [told_to_wait]))

    end, recorded = run(plan(rounds=3, seed=8), stack)

    assert "asked to wait 2.5 s" in end.stopped
    assert len(stack.slots) == sent
    assert len(recorded) == max(0, sent - 4)
    assert stack.open_now == set()


def test_a_venue_that_never_answers_is_left_alone() -> None:
    stack = FakeStack(
        lambda slot: failure(slot.session, kind=FailureKind.CONNECT, role=slot.role)
    )

    end, recorded = run(plan(seed=8), stack)  # see above: one, two, one; one

    assert end.stopped.startswith("none of the first 5 requests got through (")
    assert len(stack.slots) == 5
    assert len(recorded) == 1


@pytest.mark.parametrize("place", [0, 1, 3, 5])
def test_clients_are_closed_when_an_exception_passes(place: int) -> None:
    script = in_turn([ok] * place + [lambda _: KeyboardInterrupt()])
    stack = FakeStack(script)

    with pytest.raises(KeyboardInterrupt):
        run(plan(), stack)

    assert stack.open_now == set()


def test_what_a_warm_up_measured_before_an_interruption_is_kept() -> None:
    recorded: list[Outcome] = []

    def script(slot: Slot) -> Outcome | BaseException:
        if slot.session == 0 and slot.role is Role.SUBSEQUENT:
            return KeyboardInterrupt()
        return ok(slot)

    with pytest.raises(KeyboardInterrupt):
        run(plan(), FakeStack(script), recorded=recorded)

    warm_ups = [outcome for outcome in recorded if outcome.slot.role is Role.WARM_UP]
    assert len(warm_ups) == 2


def test_notes_of_the_stack_are_kept_once() -> None:
    end, _ = run(plan(), FakeStack(notes=("no keep-alive",)))

    assert end.notes == ("no keep-alive",)
