"""Bench and warm-up runs whose reports are known to the letter."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.support.records import (
    CONCLUSION,
    CONDITIONS,
    bench_run,
    failure,
    real_run,
    sample,
    warm_up_run,
)
from vestbench.model.lost import Lost
from vestbench.model.request import FailureKind, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.model.strategy import UNPOOLED
from vestbench.studies.starts.plan import NOT_WARMED, WARMED


def pooled(rounds: int = 20, later: int = 4, *, seed: int = 1) -> list[Sample]:
    """Return sessions over a 30 ms route, a little different from one another."""
    rng = random.Random(seed)
    outcomes: list[Sample] = []
    clock = 0.0
    for session in range(rounds):
        for index in range(later + 1):
            one = sample(
                session,
                index,
                reused=index > 0,
                start=clock,
                connect=30.05 + round(rng.uniform(0, 0.3), 3),
                tls=31.4 + round(rng.uniform(0, 0.5), 3),
                send=0.04 + round(rng.uniform(0, 0.02), 3),
                wait=35.1 + round(rng.uniform(0, 0.6), 3),
                receive=0.05 + round(rng.uniform(0, 0.05), 3),
                client=0.4 + round(rng.uniform(0, 0.1), 3),
                rtt=30.1,
                syn_rtt=30.08,
            )
            outcomes.append(one)
            clock += one.latency_ns / 1e6
    return outcomes


def simulated_run() -> Run:
    return bench_run(pooled())


def real_venue_run() -> Run:
    remote = "203.0.113.9:443"
    outcomes: list[Outcome] = [
        replace(
            one,
            remote=remote,
            dns_ns=None if one.reused else 1_500_000,
            latency_ns=one.latency_ns + (0 if one.reused else 1_500_000),
        )
        for one in pooled(16, 5, seed=2)
    ]
    return real_run(outcomes)


def failing_run() -> Run:
    outcomes: list[Outcome] = [*pooled()]
    for place in (7, 12, 33):
        slot = outcomes[place].slot
        outcomes[place] = failure(
            slot.session, slot.index, role=Role.SUBSEQUENT, reused=True
        )
    slot = outcomes[50].slot
    outcomes[50] = failure(
        slot.session,
        slot.index,
        kind=FailureKind.CONNECT,
        elapsed=0.3,
        detail="connection refused",
    )
    return bench_run(outcomes)


def unpooled_run() -> Run:
    outcomes = [
        sample(n % 20, n // 20, role=Role.COLD, connection=n) for n in range(40)
    ]
    return bench_run(outcomes, strategy=UNPOOLED, plan={"requests": 40})


def interrupted_run() -> Run:
    return bench_run(
        pooled(3), conclusion={"interrupted": True, "server": None, "link": None}
    )


def empty_run() -> Run:
    return bench_run(
        [failure(n, detail="connection refused") for n in range(2)],
        conclusion={"stopped": "none of the first 5 requests got through"},
    )


def nothing_run() -> Run:
    return bench_run(
        conditions=dict.fromkeys(CONDITIONS), conclusion=dict.fromkeys(CONCLUSION)
    )


def relayed_run() -> Run:
    outcomes: list[Outcome] = [
        replace(
            one,
            connect_ns=None if one.reused else 300_000,
            tls_ns=None
            if one.reused
            else (one.tls_ns or 0) + (one.connect_ns or 0) - 300_000,
            rtt_us=50,
            syn_rtt_us=45,
        )
        for one in pooled()
    ]
    link = {
        **CONDITIONS["link"],
        "engine": "relay",
        "refusals": ["packet: unshare: not-permitted", "tun: open: not-permitted"],
    }
    return bench_run(outcomes, conditions={"link": link})


def not_reused_run() -> Run:
    outcomes = [
        replace(
            sample(
                s, i, role=Role.SUBSEQUENT if i else Role.COLD, connection=5 * s + i
            ),
            extra={"lost": Lost.POOL_FULL, "lost_after": 1} if i else None,
        )
        for s in range(20)
        for i in range(5)
    ]
    return bench_run(
        outcomes, conditions={"pool": {**CONDITIONS["pool"], "max_idle": 0}}
    )


def short_route_run() -> Run:
    outcomes = [
        sample(s, i, reused=i > 0, connect=2.0, tls=3.1, wait=7.0, rtt=2.0, syn_rtt=2.0)
        for s in range(20)
        for i in range(5)
    ]
    return bench_run(
        outcomes, conditions={"link": {**CONDITIONS["link"], "rtt_ms": 2.0}}
    )


def warmed_run() -> Run:
    rng = random.Random(3)
    outcomes: list[Outcome] = []
    for session in range(20):
        for place in range(2):
            outcomes.append(
                sample(
                    session,
                    place,
                    role=Role.WARM_UP,
                    arm=WARMED,
                    connection=3 * session + place,
                    client=0.5 + round(rng.uniform(0, 0.2), 3),
                )
            )
        outcomes.append(
            sample(
                session,
                2,
                reused=True,
                arm=WARMED,
                connection=3 * session,
                wait=35.0 + round(rng.uniform(0, 0.4), 3),
            )
        )
        outcomes.append(
            sample(
                session,
                0,
                arm=NOT_WARMED,
                connection=3 * session + 2,
                wait=35.0 + round(rng.uniform(0, 0.4), 3),
            )
        )
    return warm_up_run(outcomes)


RUNS: dict[str, Callable[[], Run]] = {
    "bench": simulated_run,
    "bench-real": real_venue_run,
    "bench-failing": failing_run,
    "bench-unpooled": unpooled_run,
    "bench-interrupted": interrupted_run,
    "bench-empty": empty_run,
    "bench-nothing": nothing_run,
    "bench-relayed": relayed_run,
    "bench-not-reused": not_reused_run,
    "bench-short-route": short_route_run,
    "warmup": warmed_run,
}
