"""Comparisons whose reports are known to the letter."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.support.records import CONCLUSION, CONDITIONS, compare_run, failure, sample
from vestbench.model.request import FailureKind, Outcome, Role, Sample
from vestbench.model.run import Run


def flat(text: str) -> str:
    return " ".join(text.split())


STRATEGIES = {"unpooled": "unpooled", "pooled": "pooled", "warmed": "warmed"}


def rounds(
    labels: Sequence[str] = ("pooled", "unpooled"),
    count: int = 12,
    *,
    seed: int = 1,
    rtt: float = 30.0,
    jitter: float = 0.6,
    extra: Mapping[str, float] | None = None,
    spread: float | None = None,
) -> list[Outcome]:
    """Return rounds over a route; `extra` ms are added to an arm's wait."""
    rng = random.Random(seed)
    outcomes: list[Outcome] = []
    clock = 0.0
    for number in range(count):
        for place, label in enumerate(rng.sample(list(labels), len(labels))):
            late = round(rng.uniform(0, jitter), 3) + (extra or {}).get(label, 0.0)
            one = sample(
                number,
                place,
                arm=label,
                reused=not label.startswith("unpooled"),
                connection=10 * number + place,
                start=clock,
                connect=rtt + round(rng.uniform(0.05, 0.35), 3),
                tls=rtt + round(rng.uniform(1.4, 1.9), 3),
                send=0.04 + round(rng.uniform(0, 0.02), 3),
                wait=rtt + 5.1 + late,
                receive=0.05 + round(rng.uniform(0, 0.05), 3),
                client=0.4 + round(rng.uniform(0, 0.1), 3),
                rtt=rtt,
                syn_rtt=rtt + 0.08,
            )
            outcomes.append(one)
            clock += one.latency_ns / 1e6 + 160
    return outcomes


def passing_run() -> Run:
    return compare_run(rounds())


def long_run() -> Run:
    return compare_run(rounds(count=150, jitter=60.0, seed=5), plan={"min_rounds": 150})


def failing(run: Run, which: Mapping[tuple[int, str], FailureKind]) -> Run:
    """Let requests of some rounds and arms fail."""
    lost = []
    kept = []
    for one in run.samples:
        kind = which.get((one.slot.session, one.slot.arm))
        if kind is None:
            kept.append(one)
            continue
        details = {
            FailureKind.TIMEOUT: (10_000.0, "no answer within 10 s"),
            FailureKind.RESET: (5.0, "connection reset by peer"),
            FailureKind.CONNECT: (0.3, "connection refused"),
        }
        elapsed, detail = details.get(kind, (5.0, str(kind)))
        lost.append(
            failure(
                one.slot.session,
                one.slot.index,
                kind=kind,
                role=one.slot.role,
                arm=one.slot.arm,
                elapsed=elapsed,
                detail=detail,
                start=one.start_ns / 1e6,
            )
        )
    return replace(run, samples=tuple(kept), failures=tuple(lost))


def failing_run() -> Run:
    reset, timeout = FailureKind.RESET, FailureKind.TIMEOUT
    return failing(
        compare_run(rounds(count=30), plan={"max_rounds": 30}),
        {
            (2, "pooled"): reset,
            (5, "pooled"): timeout,
            (9, "pooled"): reset,
            (11, "pooled"): FailureKind.CONNECT,
            (14, "pooled"): reset,
            (17, "unpooled"): timeout,
        },
    )


def control_down_run() -> Run:
    every = {(n, "unpooled"): FailureKind.TIMEOUT for n in range(12)}
    return failing(compare_run(rounds()), every)


def invalid_run() -> Run:
    outcomes = [
        replace(
            o,
            reused=False,
            connect_ns=30_100_000,
            tls_ns=31_600_000,
            latency_ns=o.latency_ns + 61_700_000,
        )
        if isinstance(o, Sample) and o.slot.arm == "pooled"
        else o
        for o in rounds()
    ]
    return compare_run(outcomes)


def reusing_run() -> Run:
    outcomes = [
        replace(o, reused=True, connect_ns=None, tls_ns=None)
        if isinstance(o, Sample) and o.slot.arm == "unpooled"
        else o
        for o in rounds()
    ]
    return compare_run(outcomes)


def inconclusive_run() -> Run:
    return compare_run(
        rounds(count=40, jitter=40.0, seed=4),
        plan={"max_rounds": 40, "min_saving_ms": 58.0},
    )


def close_run() -> Run:
    return compare_run(
        rounds(count=20), plan={"min_saving_ms": 61.9, "max_rounds": 200}
    )


def three_arms_run() -> Run:
    outcomes = rounds(
        ("unpooled", "pooled", "warmed"), extra={"warmed": 20.0}, count=14
    )
    return compare_run(outcomes, arms=STRATEGIES)


def any_run() -> Run:
    outcomes = rounds(
        ("unpooled", "pooled", "warmed"), extra={"warmed": 11.8}, jitter=3.0
    )
    return compare_run(
        outcomes, arms=STRATEGIES, plan={"question": "any", "close": 0.0}
    )


def relayed_run() -> Run:
    outcomes = [
        replace(
            o,
            connect_ns=None if o.reused else 300_000,
            tls_ns=None
            if o.reused
            else (o.tls_ns or 0) + (o.connect_ns or 0) - 300_000,
            rtt_us=50,
            syn_rtt_us=45,
        )
        for o in rounds()
        if isinstance(o, Sample)
    ]
    link = {
        **CONDITIONS["link"],
        "engine": "relay",
        "refusals": ["packet: unshare: not-permitted", "tun: open: not-permitted"],
    }
    return compare_run(outcomes, conditions={"link": link})


def short_route_run() -> Run:
    return compare_run(rounds(rtt=10.0))


def same_run() -> Run:
    return compare_run(
        rounds(("pooled", "pooled-2")),
        arms={"pooled": "pooled", "pooled-2": "pooled"},
        control="pooled-2",
    )


def backwards_run() -> Run:
    return compare_run(rounds(), control="pooled")


def interrupted_run() -> Run:
    return compare_run(
        rounds(count=5)[:-1],
        conclusion={"interrupted": True, "server": None, "link": None},
    )


def one_round_run() -> Run:
    return compare_run(
        rounds(count=1), conclusion={"interrupted": True, "server": None, "link": None}
    )


def stopped_run() -> Run:
    return compare_run(
        rounds(count=20, jitter=40.0, seed=4),
        plan={"min_saving_ms": 58.0},
        conclusion={"stopped": "the venue limits the rate (3 times 429)"},
    )


def too_early_run() -> Run:
    return compare_run(
        rounds(), plan={"min_duration_s": 60.0}, conclusion={"first_look": 1_000_000}
    )


def empty_run() -> Run:
    outcomes = [
        failure(
            n, place, arm=arm, role=Role.COLD, kind=FailureKind.CONNECT, elapsed=0.3
        )
        for n in range(2)
        for place, arm in enumerate(("pooled", "unpooled"))
    ]
    return compare_run(
        outcomes, conclusion={"stopped": "none of the first 5 requests got through"}
    )


def nothing_run() -> Run:
    return compare_run(
        conditions=dict.fromkeys(CONDITIONS), conclusion=dict.fromkeys(CONCLUSION)
    )


def percent_run() -> Run:
    return compare_run(
        rounds(count=24, seed=9),
        plan={"min_saving_ms": None, "min_saving_percent": 30.0, "vote": "round"}
        | {"min_rounds": 12, "confidence": 0.99},
    )


RUNS: dict[str, Callable[[], Run]] = {
    "compare": passing_run,
    "compare-long": long_run,
    "compare-failing": failing_run,
    "compare-control-down": control_down_run,
    "compare-invalid": invalid_run,
    "compare-reusing": reusing_run,
    "compare-inconclusive": inconclusive_run,
    "compare-close": close_run,
    "compare-three": three_arms_run,
    "compare-any": any_run,
    "compare-relayed": relayed_run,
    "compare-short-route": short_route_run,
    "compare-same": same_run,
    "compare-backwards": backwards_run,
    "compare-interrupted": interrupted_run,
    "compare-one-round": one_round_run,
    "compare-stopped": stopped_run,
    "compare-too-early": too_early_run,
    "compare-empty": empty_run,
    "compare-nothing": nothing_run,
}
