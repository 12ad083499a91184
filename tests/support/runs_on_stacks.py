"""Runs of several stacks and strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.support.printed import rendered
from tests.support.records import CONDITIONS, bench_run, compare_run, sample, whole_call
from vestbench.model.request import Outcome, Role, Sample
from vestbench.model.run import Run

STACKS = ("httpx", "httpx2", "reqwest")


def flat(run: Run) -> str:
    return " ".join(rendered(run, 200).split())


def one(
    strategy: str, number: int, place: int, *, label: str = "", tls: str = "TLSv1.3"
) -> Sample:
    """Return the request of an arm over a route of 30 ms."""
    opens = strategy in ("unpooled", "resumed")
    trips = 2 if tls == "TLSv1.2" and strategy == "unpooled" else 1
    crypto = 1.0 if strategy == "resumed" else 2.0
    return sample(
        number,
        place,
        arm=label or strategy,
        reused=not opens,
        role=Role.COLD if opens else Role.SUBSEQUENT,
        resumed=strategy == "resumed",
        tls=30.0 * trips + crypto,
        tls_version=tls,
        http_version="HTTP/2" if strategy == "http2" else "HTTP/1.1",
        wait=35.0 + number / 100,
        start=100.0 * number + place,
    )


def rounds(
    ways: Sequence[str], count: int = 12, *, tls: str = "TLSv1.3"
) -> list[Outcome]:
    return [
        one(way, number, place, tls=tls)
        for number in range(count)
        for place, way in enumerate(ways)
    ]


def compared(
    control: str, candidate: str, *, tls: str = "TLSv1.3", phases: bool = True
) -> Run:
    outcomes = rounds((control, candidate), tls=tls)
    if not phases:
        outcomes = [whole_call(o) for o in outcomes if isinstance(o, Sample)]
    return compare_run(
        outcomes,
        arms={control: control, candidate: candidate},
        control=control,
        conditions=None if phases else REQWEST,
    )


REQWEST: Mapping[str, object] = {
    "stack": "reqwest",
    "versions": {"vestbench": "0.1.0", "reqwest": "0.13.5", "python": "3.11.7"},
    "tls_context_ms": None,
    "default_context_ms": None,
    "first_handshake_ms": 56.7,
}


def on_all_stacks(ways: Sequence[str] = ("pooled", "unpooled")) -> Run:
    outcomes: list[Outcome] = []
    arms = []
    for number in range(12):
        place = 0
        for stack in STACKS:
            for way in ways:
                found = one(way, number, place, label=f"{stack}/{way}")
                outcomes.append(whole_call(found) if stack == "reqwest" else found)
                place += 1
    for stack in STACKS:
        for way in ways:
            arms.append(
                {
                    "label": f"{stack}/{way}",
                    "strategy": way,
                    "stack": stack,
                    "against": f"{stack}/unpooled",
                }
            )
    return compare_run(
        outcomes,
        control="httpx/unpooled",
        plan={"arms": arms},
        conditions={
            "stack": ", ".join(STACKS),
            "versions": {
                **CONDITIONS["versions"],
                "httpx2": "2.16.2",
                "reqwest": "0.13.5",
                "rustls": "0.23.45",
            },
            "tls_context_ms": None,
            "default_context_ms": None,
            "clients": {
                "httpx": {"tls_context_ms": 2.0, "default_context_ms": 30.0},
                "httpx2": {"tls_context_ms": 2.5},
                "reqwest": {"first_handshake_ms": 56.7},
            },
            "unhonoured": {"httpx": {"max_idle": "closes what it should keep"}},
        },
        conclusion={
            "client_build_ms": [0.2, 0.3, 9.0] * 4,
            "client_build_stacks": [*STACKS] * 4,
        },
    )


def bursts(opened: int, *, size: int = 8, kept: int = 2, sessions: int = 20) -> Run:
    outcomes = []
    for session in range(sessions):
        for burst in range(3):
            for place in range(size):
                cold = burst == 0 or place < opened
                outcomes.append(
                    sample(
                        session,
                        burst * size + place,
                        role=Role.SUBSEQUENT if burst else Role.COLD,
                        reused=not cold,
                        connection=1000 * session + 10 * burst + place,
                    )
                )
    return bench_run(
        outcomes,
        plan={"concurrency": size, "kept_idle": kept},
        conditions={**REQWEST, "concurrency": size},
    )


RUNS = {
    "resumed": compared("unpooled", "resumed"),
    "resumed-1.2": compared("unpooled", "resumed", tls="TLSv1.2"),
    "against-resumed": compared("resumed", "pooled"),
    "http2": compared("unpooled", "http2"),
    "whole-call": compared("unpooled", "pooled", phases=False),
    "bench-whole-call": bench_run(
        [
            whole_call(found)
            for number in range(20)
            for found in (
                sample(number),
                *(sample(number, place, reused=True) for place in (1, 2)),
            )
        ],
        conditions=REQWEST,
    ),
    "all": on_all_stacks(),
    "all-ways": on_all_stacks(("pooled", "unpooled", "resumed")),
    "bursts": bursts(6),
}
