"""Records for tests, with sensible defaults. Milliseconds in, nanoseconds out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vestbench.model.request import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
)
from vestbench.model.run import Conclusion, Conditions, Run, RunOf
from vestbench.model.strategy import POOLED, Strategy
from vestbench.results.checking import validated
from vestbench.results.writing import RunWriter
from vestbench.studies.bench.plan import BenchPlan, BenchRun
from vestbench.studies.compare.plan import Arm, ComparePlan, CompareRun
from vestbench.studies.starts.plan import WarmUpPlan, WarmUpRun

STARTED = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)


def ns(ms: float | None) -> int | None:
    """Return whole nanoseconds, or None for a phase that did not happen."""
    return None if ms is None else round(ms * NS_PER_MS)


def known(ns: int | None) -> int:
    """Return a phase that must be there."""
    assert ns is not None
    return ns


def sample(
    session: int = 0,
    index: int = 0,
    *,
    reused: bool = False,
    role: Role | None = None,
    arm: str = "",
    start: float = 0.0,
    latency: float | None = None,
    dns: float | None = None,
    connect: float | None = 30.0,
    tls: float | None = 31.5,
    send: float = 0.1,
    wait: float = 35.0,
    receive: float = 0.2,
    client: float = 0.5,
    connection: int | None = None,
    rtt: float | None = 30.0,
    syn_rtt: float | None = 30.0,
    **fields: Any,
) -> Sample:
    """Return a sample, by default one that opened its connection over a 30 ms route.

    With `reused`, nothing was opened. Without `latency`, it is the sum of the phases
    and `client`; with it, the client's own time is what is left. All times in ms.
    """
    opening = (None, None, None) if reused else (dns, connect, tls)
    if role is None:
        role = Role.SUBSEQUENT if reused else Role.COLD
    phases = sum(ns(ms) or 0 for ms in (*opening, send, wait, receive))
    defaults: dict[str, Any] = {
        "slot": Slot(session=session, index=index, role=role, arm=arm),
        "start_ns": known(ns(start)),
        "latency_ns": phases + known(ns(client)) if latency is None else ns(latency),
        "dns_ns": ns(opening[0]),
        "connect_ns": ns(opening[1]),
        "tls_ns": ns(opening[2]),
        "send_ns": known(ns(send)),
        "wait_ns": known(ns(wait)),
        "receive_ns": known(ns(receive)),
        "status": 200,
        "reused": reused,
        "connection": session if connection is None else connection,
        "use": index + 1 if reused else 1,
        "local_port": 40000 + (session if connection is None else connection),
        "resumed": False,
        "http_version": "HTTP/1.1",
        "tls_version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "remote": "10.99.0.2:8443",
        "rtt_us": None if rtt is None else round(rtt * 1000),
        "syn_rtt_us": None if syn_rtt is None else round(syn_rtt * 1000),
        "retransmits": 0,
        "body_bytes": 512,
    }
    return Sample(**{**defaults, **fields})


def whole_call(found: Sample) -> Sample:
    """Return `found` as a stack gives it that shows no phases."""
    return replace(
        found,
        cipher="",
        dns_ns=None,
        connect_ns=None,
        tls_ns=None,
        send_ns=None,
        wait_ns=None,
        receive_ns=None,
    )


def failure(
    session: int = 0,
    index: int = 0,
    *,
    kind: FailureKind = FailureKind.TIMEOUT,
    role: Role = Role.COLD,
    arm: str = "",
    start: float = 0.0,
    elapsed: float = 10_000.0,
    detail: str = "no answer within 10 s",
    status: int | None = None,
    reused: bool | None = None,
    retry_after_s: float | None = None,
) -> Failure:
    """Return a failure, by default a cold request that timed out. Times in ms."""
    return Failure(
        slot=Slot(session=session, index=index, role=role, arm=arm),
        start_ns=known(ns(start)),
        elapsed_ns=known(ns(elapsed)),
        kind=kind,
        detail=detail,
        status=status,
        reused=reused,
        retry_after_s=retry_after_s,
    )


def sessions(
    cold: Iterable[float], subsequent: float = 36.0, *, later: int = 4
) -> list[Sample]:
    """Return a session for each latency in `cold`, the others all `subsequent` ms."""
    found = []
    for number, latency in enumerate(cold):
        found.append(sample(number, latency=latency))
        found += [
            sample(number, place, reused=True, latency=subsequent)
            for place in range(1, later + 1)
        ]
    return found


PLAN: Mapping[str, Any] = {
    "requests": 100,
    "sessions": 20,
    "concurrency": 1,
    "strategy": "pooled",
    "burn_in": 4,
    "interval_s": 0.0,
    "max_rate": 0.0,
    "min_saving_ms": 50.0,
    "confidence": 0.95,
    "seed": 7,
}

CONDITIONS: Mapping[str, Any] = {
    "venue": "sim",
    "simulated": True,
    "endpoint": "ticker",
    "method": "GET",
    "url": "https://10.99.0.2:8443/v2/ticker/latest?symbols=BTC-PERP",
    "stack": "httpx",
    "strategy": "pooled",
    "concurrency": 1,
    "pool": {
        "max_idle": 2,
        "idle_timeout_s": 60.0,
        "tcp_keepalive_s": 30.0,
        "connect_timeout_s": 10.0,
        "request_timeout_s": 10.0,
    },
    "versions": {
        "vestbench": "0.1.0",
        "httpx": "0.28.1",
        "httpcore": "1.0.9",
        "python": "3.11.7",
        "openssl": "OpenSSL 3.0.19 27 Jan 2026",
    },
    "tls_context_ms": 12.3,
    "default_context_ms": 34.5,
    "host": "bench",
    "kernel": "Linux 6.18.44",
    "machine": "x86_64",
    "cpus": 4,
    "load": 0.25,
    "exchange": {
        "tls": "1.3",
        "processing_ms": 5.0,
        "idle_timeout_s": 75.0,
        "max_requests": 0,
    },
    "link": {
        "engine": "packet",
        "rtt_ms": 30.0,
        "jitter_ms": 0.0,
        "loss": 0.0,
        "seed": 7,
        "drift_ms_per_s": 0.0,
        "refusals": [],
    },
}

CONCLUSION: Mapping[str, Any] = {
    "interrupted": False,
    "stopped": "",
    "client_build_ms": [0.2, 0.25, 0.3],
    "notes": [],
    "server": {"connections": 22, "requests": 104},
    "link": {
        "kernel_rtt_before_ms": [30.05, 30.1, 30.02],
        "kernel_rtt_after_ms": [30.11, 30.08, 30.09],
        "compensation_us": 12.0,
        "packets": 1234,
        "dropped": 0,
        "overflow": 0,
        "congestion_control": "cubic",
        "mtu": 1500,
        "disturbed": "",
        "late_at_ms": [],
        "late_by_ms": [],
        "late_us": [12.0, 34.0, 56.0, 78.0],
    },
    "duration_s": 9.876,
}


def _merged(
    base: Mapping[str, Any], changes: Mapping[str, Any] | None
) -> dict[str, Any]:
    merged = {**base, **(changes or {})}
    return {key: value for key, value in merged.items() if value is not None}


def conditions_of(*changes: Mapping[str, Any] | None) -> Conditions:
    """Return the conditions of a run on the simulated exchange, changed."""
    found: Mapping[str, Any] = CONDITIONS
    for each in changes:
        found = _merged(found, each)
    return validated(found, Conditions, "conditions")


def conclusion_of(*changes: Mapping[str, Any] | None) -> Conclusion:
    """Return the conclusion of a run on the simulated exchange, changed."""
    found: Mapping[str, Any] = CONCLUSION
    for each in changes:
        found = _merged(found, each)
    return validated({"interrupted": False, **found}, Conclusion, "conclusion")


def bench_run(
    outcomes: Iterable[Outcome] = (),
    *,
    strategy: Strategy = POOLED,
    plan: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    conclusion: Mapping[str, Any] | None = None,
) -> BenchRun:
    """Return a bench run of `outcomes` against the simulated exchange.

    The mappings change single keys of the defaults; None takes one away.
    """
    found = list(outcomes)
    name = strategy.name
    return RunOf(
        command="bench",
        label=name,
        started=STARTED,
        plan=validated(_merged({**PLAN, "strategy": name}, plan), BenchPlan, "plan"),
        conditions=conditions_of({"strategy": name}, conditions),
        samples=tuple(o for o in found if isinstance(o, Sample)),
        failures=tuple(o for o in found if isinstance(o, Failure)),
        conclusion=conclusion_of(conclusion),
    )


# What a run against an exchange on the internet does not have.
REAL: Mapping[str, Any] = {
    "venue": "vest",
    "simulated": False,
    "url": "https://server-prod.hz.vestmarkets.com/v2/ticker/latest?symbols=BTC-PERP",
    "exchange": None,
    "link": None,
}
REAL_END: Mapping[str, Any] = {"server": None, "link": None}


def real_run(outcomes: Iterable[Outcome] = (), **changes: Any) -> BenchRun:
    """Return a bench run of `outcomes` against a venue on the internet."""
    return bench_run(outcomes, conditions=REAL, conclusion=REAL_END, **changes)


def warm_up_run(
    outcomes: Iterable[Outcome] = (),
    *,
    conclusion: Mapping[str, Any] | None = None,
) -> WarmUpRun:
    """Return a warm-up run of `outcomes` against the simulated exchange."""
    found = list(outcomes)
    plan = {
        "rounds": 20,
        "connections": 2,
        "strategy": "warmed",
        "interval_s": 0.0,
        "max_rate": 0.0,
        "min_saving_ms": 50.0,
        "confidence": 0.95,
        "seed": 7,
    }
    return RunOf(
        command="warmup",
        label="warmed",
        started=STARTED,
        plan=validated(plan, WarmUpPlan, "plan"),
        conditions=conditions_of({"strategy": "warmed against not warmed"}),
        samples=tuple(o for o in found if isinstance(o, Sample)),
        failures=tuple(o for o in found if isinstance(o, Failure)),
        conclusion=conclusion_of(conclusion),
    )


COMPARE_PLAN: Mapping[str, Any] = {
    "question": "all",
    "vote": "round",
    "idle_s": 1.0,
    "warm_connections": 2,
    "interval_s": 0.0,
    "max_rate": 0.0,
    "confidence": 0.95,
    "min_rounds": 12,
    "max_rounds": 200,
    "min_duration_s": 0.0,
    "min_saving_ms": 50.0,
    "seed": 7,
}


def compare_plan(arms: Iterable[Arm], **changes: Any) -> ComparePlan:
    """Return the plan of a comparison of `arms` against the unpooled one."""
    table = [{"label": arm.label, "strategy": arm.strategy} for arm in arms]
    plan = {**COMPARE_PLAN, "arms": table, "control": "unpooled", **changes}
    return validated(plan, ComparePlan, "plan")


def compare_run(
    outcomes: Iterable[Outcome] = (),
    *,
    arms: Mapping[str, str] | None = None,
    control: str = "unpooled",
    plan: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    conclusion: Mapping[str, Any] | None = None,
) -> CompareRun:
    """Return a comparison of `arms`, labels and strategies, by these outcomes.

    Without `arms`, of pooled against unpooled.
    """
    found = list(outcomes)
    named = arms or {"pooled": "pooled", "unpooled": "unpooled"}
    table = [{"label": label, "strategy": kind} for label, kind in named.items()]
    against = " against ".join(named)
    return RunOf(
        command="compare",
        label="-".join(named),
        started=STARTED,
        plan=validated(
            _merged({**COMPARE_PLAN, "arms": table, "control": control}, plan),
            ComparePlan,
            "plan",
        ),
        conditions=conditions_of({"strategy": against}, conditions),
        samples=tuple(o for o in found if isinstance(o, Sample)),
        failures=tuple(o for o in found if isinstance(o, Failure)),
        conclusion=conclusion_of({"first_look": 1}, conclusion),
    )


def store(run: Run, path: Path, summary: Mapping[str, Any] | None = None) -> Path:
    """Write a run as a command does, its requests in the order of the run."""
    writer = RunWriter(
        path, command=run.command, label=run.label, plan=run.plan, started=run.started
    )
    writer.conditions(run.conditions)
    for outcome in run.outcomes:
        writer.add(outcome)
    return writer.finish(run.conclusion, summary or {})
