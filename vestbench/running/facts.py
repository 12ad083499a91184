"""How links, stacks and the machine are stored with a run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vestbench.model.client import StackFacts
from vestbench.model.request import NS_PER_MS
from vestbench.model.run import Client, Exchange, Link, LinkEnd, Pool
from vestbench.model.simulated import LinkReport, LinkSpec
from vestbench.running.destination import Destination
from vestbench.running.job import Job, Measurement, now_ms
from vestbench.stacks.registry import find_stack

if TYPE_CHECKING:
    from vestbench.simulator.venue import SimulatedVenue


def link_facts(link: LinkSpec) -> dict[str, float]:
    """Return what an emulated link is like, without its seed and its engine."""
    names = ("rtt_ms", "jitter_ms", "loss", "drift_ms_per_s")
    return {name: getattr(link, name) for name in names}


def client_facts(stack: StackFacts) -> Client:
    """Return what a stack costs before its first request, as it is stored."""
    return Client(
        tls_context_ms=_ms(stack.tls_context_ns),
        default_context_ms=_ms(stack.default_context_ns),
        first_handshake_ms=_ms(stack.first_handshake_ns),
    )


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS


def stack_facts(stacks: Sequence[StackFacts]) -> dict[str, Any]:
    """Return which stacks send, as fields of the conditions."""
    facts: dict[str, Any] = {
        "stack": ", ".join(each.stack for each in stacks),
        "versions": {k: v for each in stacks for k, v in each.versions.items()},
    }
    if len(stacks) == 1:
        return {**facts, **client_facts(stacks[0]).stored()}
    return {
        **facts,
        "clients": {each.stack: client_facts(each) for each in stacks},
        "unhonoured": {
            each.stack: dict(find_stack(each.stack).unhonoured) for each in stacks
        },
    }


def conditions_of(
    job: Job,
    destination: Destination,
    measurement: Measurement,
    facts: Sequence[StackFacts],
    sim: SimulatedVenue | None,
) -> dict[str, Any]:
    """Return what is known before the first request, as fields of the conditions."""
    venue, endpoint = measurement.venue, measurement.endpoint
    spec = venue.request(endpoint, now_ms=now_ms())
    link = destination.link
    found: dict[str, Any] = {
        "venue": venue.name,
        "simulated": sim is not None,
        "endpoint": endpoint.name,
        "method": spec.method,
        "url": venue.shown(spec.url),
        **job.facts,
        "pool": Pool.like(destination.pool),
        "of_project": dict(destination.of_project),
        **stack_facts(facts),
        **machine_facts(),
    }
    if endpoint.signed:
        on_path = destination.access.on_path
        found["signing"] = "on the path" if on_path else "before the clock"
    if sim is not None:
        found["exchange"] = Exchange.like(destination.exchange)
    if sim is not None and link is not None:
        found["link"] = Link.like(
            link,
            engine=sim.engine,
            refusals=tuple(
                f"{refusal.engine}: {refusal.step}: {refusal.code}"
                for refusal in sim.refusals
            ),
        )
    return found


def machine_facts() -> dict[str, Any]:
    """Return what this machine is, as fields of the conditions."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else -1.0
    return {
        "host": platform.node(),
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 0,
        "load": load,
    }


def link_end(report: LinkReport, origin_ns: int) -> LinkEnd:
    """Return the link's own account as it is stored: times from the run's origin."""
    events = report.late_events
    return LinkEnd.like(
        report,
        kernel_rtt_before_ms=tuple(report.kernel_rtt_before_ms),
        kernel_rtt_after_ms=tuple(report.kernel_rtt_after_ms),
        late_at_ms=tuple(round((at - origin_ns) / NS_PER_MS, 3) for at, _ in events),
        late_by_ms=tuple(round(late / NS_PER_MS, 3) for _, late in events),
    )
