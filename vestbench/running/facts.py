"""How settings, links and exchanges are stored among the conditions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vestbench.model.client import PoolSettings, StackFacts
from vestbench.model.request import NS_PER_MS
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.stacks.registry import find_stack


def pool_facts(pool: PoolSettings) -> dict[str, Any]:
    """Return pool settings as they are stored."""
    return {
        "max_idle": pool.max_idle,
        "idle_timeout_s": pool.idle_timeout_s,
        "tcp_keepalive_s": pool.tcp_keepalive_s,
        "connect_timeout_s": pool.connect_timeout_s,
        "request_timeout_s": pool.request_timeout_s,
    }


def link_facts(link: LinkSpec) -> dict[str, Any]:
    """Return what an emulated link is like, without its seed and its engine."""
    return {
        "rtt_ms": link.rtt_ms,
        "jitter_ms": link.jitter_ms,
        "loss": link.loss,
        "drift_ms_per_s": link.drift_ms_per_s,
    }


def exchange_facts(exchange: ExchangeSpec) -> dict[str, Any]:
    """Return what the simulated exchange is like as it is stored.

    Without `http2` it speaks HTTP/1.1 only, without `tickets` sessions can be resumed:
    so it was when runs were stored that did not say.
    """
    facts = {
        "tls": exchange.tls,
        "processing_ms": exchange.processing_ms,
        "idle_timeout_s": exchange.idle_timeout_s,
        "max_requests": exchange.max_requests,
    }
    if exchange.http2:
        facts["http2"] = True
    if not exchange.tickets:
        facts["tickets"] = False
    if exchange.order_processing_ms is not None:
        facts["order_processing_ms"] = exchange.order_processing_ms
    return facts


def client_facts(stack: StackFacts) -> dict[str, Any]:
    """Return what a stack costs before its first request, as it is stored."""
    found = {
        "tls_context_ms": stack.tls_context_ns,
        "default_context_ms": stack.default_context_ns,
        "first_handshake_ms": stack.first_handshake_ns,
    }
    return {name: ns / NS_PER_MS for name, ns in found.items() if ns is not None}


def stack_facts(stacks: Sequence[StackFacts]) -> dict[str, Any]:
    """Return which stacks send, as it is stored."""
    facts: dict[str, Any] = {
        "stack": ", ".join(each.stack for each in stacks),
        "versions": {k: v for each in stacks for k, v in each.versions.items()},
    }
    if len(stacks) == 1:
        return {**facts, **client_facts(stacks[0])}
    return {
        **facts,
        "clients": {each.stack: client_facts(each) for each in stacks},
        "unhonoured": {
            each.stack: dict(find_stack(each.stack).unhonoured) for each in stacks
        },
    }
