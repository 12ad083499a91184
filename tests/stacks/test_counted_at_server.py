"""Connections and requests, counted by the exchange and compared with arithmetic."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil

import pytest

from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Failure, Outcome, Role, Sample, Slot
from vestbench.model.simulated import ExchangeCounters, ExchangeSpec
from vestbench.model.strategy import POOLED, UNPOOLED, Strategy
from vestbench.running.ports import Pacer
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.studies.bench.experiment import (
    BURN_IN,
    BURN_IN_SESSIONS,
    BenchSchedule,
    run_bench,
)
from vestbench.venues import Venue
from vestbench.venues.vest.public import vest


def _spec(**changes: object) -> ExchangeSpec:
    return ExchangeSpec(**{"processing_ms": 0.0, **changes})  # type: ignore[arg-type]


@contextmanager
def _exchange(
    spec: ExchangeSpec, behaviour: Behaviour | None = None
) -> Iterator[tuple[ExchangeProcess, HttpxStack, Venue]]:
    with ExchangeProcess(spec, behaviour=behaviour) as exchange:
        stack = HttpxStack(ca_pem=exchange.ca_pem)
        yield exchange, stack, vest("sim", exchange.base_url())


def _bench(
    spec: ExchangeSpec,
    *,
    requests: int = 30,
    sessions: int = 6,
    strategy: Strategy = POOLED,
    pool: PoolSettings | None = None,
    concurrency: int = 1,
) -> tuple[list[Outcome], ExchangeCounters]:
    plan = BenchSchedule(
        session=SessionPlan(
            pool=pool or PoolSettings(), strategy=strategy, concurrency=concurrency
        ),
        requests=requests,
        sessions=sessions,
    )
    outcomes: list[Outcome] = []
    with _exchange(spec) as (exchange, stack, venue):
        run_bench(
            plan,
            stack,
            lambda: venue.request(venue.endpoint(), now_ms=0),
            pacer=Pacer(),
            record=outcomes.append,
        )
        return outcomes, exchange.counters()


def _reused(outcomes: list[Outcome]) -> list[bool]:
    return [outcome.reused is True for outcome in outcomes]


def test_a_pooled_run_opens_one_connection_for_each_session() -> None:
    outcomes, counted = _bench(_spec(), requests=30, sessions=6)

    assert counted.connections == 6 + BURN_IN_SESSIONS
    assert counted.requests == 30 + BURN_IN
    assert sum(_reused(outcomes)) == 24
    assert len({o.connection for o in outcomes if isinstance(o, Sample)}) == 6


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_an_unpooled_run_opens_one_connection_for_each_request(tls: str) -> None:
    strategy = UNPOOLED
    outcomes, counted = _bench(_spec(tls=tls), requests=12, strategy=strategy)

    assert counted.connections == 12 + BURN_IN
    assert counted.handshakes == counted.connections
    assert not any(_reused(outcomes))
    assert counted.resumed == 0
    assert not any(o.resumed for o in outcomes if isinstance(o, Sample))


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7])
def test_a_server_that_limits_requests_costs_the_connections_it_says(
    limit: int,
) -> None:
    outcomes, counted = _bench(_spec(max_requests=limit), requests=30, sessions=3)

    expected = 3 * ceil(10 / limit)
    opened = [o for o in outcomes if not o.reused]
    assert counted.connections == expected + BURN_IN_SESSIONS * ceil(2 / limit)
    assert len(opened) == expected


def test_a_server_that_closes_after_each_answer_leaves_nothing_reused() -> None:
    with _exchange(_spec(), Behaviour(after_response="fin", announce=False)) as (
        exchange,
        stack,
        venue,
    ):
        session = stack.open(SessionPlan(pool=PoolSettings()))
        for index in range(5):
            slot = Slot(session=0, index=index, role=Role.SUBSEQUENT)
            outcome = session.send(venue.request(venue.endpoint(), now_ms=0), slot)

            assert isinstance(outcome, Sample)
            assert not outcome.reused
            assert outcome.connect_ns is not None
            while exchange.counters().open_connections:
                pass  # until its end of the connection has gone out
        session.close()

        assert exchange.counters().connections == 5


def test_a_client_that_keeps_nothing_idle_reuses_nothing() -> None:
    pool = PoolSettings(max_idle=0)
    outcomes, counted = _bench(_spec(), requests=12, sessions=3, pool=pool)

    assert not any(_reused(outcomes))
    assert counted.connections == 12 + BURN_IN


def test_a_pause_beyond_the_servers_idle_timeout_makes_the_next_request_cold() -> None:
    with _exchange(_spec(idle_timeout_s=0.1)) as (exchange, stack, venue):
        session = stack.open(SessionPlan(pool=PoolSettings()))
        reused = []
        for index in range(3):
            slot = Slot(session=0, index=index, role=Role.SUBSEQUENT)
            outcome = session.send(venue.request(venue.endpoint(), now_ms=0), slot)
            reused.append(outcome.reused)
            while exchange.counters().open_connections:
                pass  # until the exchange has closed it
        session.close()

        assert reused == [False, False, False]
        assert exchange.counters().connections == 3
        assert exchange.counters().closes["idle"] == 3


def test_the_first_request_of_a_session_opens_and_the_later_ones_do_not() -> None:
    outcomes, _ = _bench(_spec(), requests=12, sessions=3)

    for outcome in outcomes:
        assert isinstance(outcome, Sample)
        if outcome.slot.index == 0:
            assert outcome.connect_ns is not None
            assert outcome.connect_ns > 0
            assert outcome.tls_ns is not None
            assert outcome.tls_ns > 0
            assert outcome.use == 1
        else:
            assert outcome.connect_ns is None
            assert outcome.tls_ns is None
            assert outcome.use == outcome.slot.index + 1


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_concurrent_requests_open_a_connection_each_and_then_reuse_them(
    width: int,
) -> None:
    outcomes, counted = _bench(
        _spec(processing_ms=50.0),  # long enough for all of a burst to overlap
        requests=5 * width * 2,
        sessions=2,
        concurrency=width,
    )

    assert not any(isinstance(outcome, Failure) for outcome in outcomes)
    assert counted.connections == 2 * width + BURN_IN_SESSIONS
    assert sum(_reused(outcomes)) == 4 * width * 2


def test_the_exchange_and_the_client_agree_on_use_counts() -> None:
    outcomes, counted = _bench(_spec(max_requests=4), requests=20, sessions=2)

    ours: dict[int, int] = {}
    for outcome in outcomes:
        assert isinstance(outcome, Sample)
        ours[outcome.connection] = ours.get(outcome.connection, 0) + 1
    theirs = sorted(counted.requests_per_connection)
    burn_in = [2] * BURN_IN_SESSIONS
    assert sorted([*ours.values(), *burn_in]) == theirs
