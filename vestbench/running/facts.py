"""How settings, links and exchanges are stored among the conditions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from vestbench.model.client import PoolSettings, StackFacts
from vestbench.model.request import NS_PER_MS
from vestbench.model.run import Client, Exchange, Pool, TlsVersion
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.stacks.registry import find_stack


def pool_facts(pool: PoolSettings) -> Pool:
    """Return pool settings as they are stored."""
    return Pool(**asdict(pool))


def link_facts(link: LinkSpec) -> dict[str, float]:
    """Return what an emulated link is like, without its seed and its engine."""
    return {
        "rtt_ms": link.rtt_ms,
        "jitter_ms": link.jitter_ms,
        "loss": link.loss,
        "drift_ms_per_s": link.drift_ms_per_s,
    }


def exchange_facts(exchange: ExchangeSpec) -> Exchange:
    """Return what the simulated exchange is like as it is stored."""
    return Exchange(
        tls=cast(TlsVersion, exchange.tls),
        processing_ms=exchange.processing_ms,
        idle_timeout_s=exchange.idle_timeout_s,
        max_requests=exchange.max_requests,
        http2=exchange.http2,
        tickets=exchange.tickets,
        order_processing_ms=exchange.order_processing_ms,
    )


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
