"""How settings, links and exchanges are stored among the conditions of a run."""

from __future__ import annotations

from typing import Any

from vestbench.models import ExchangeSpec, LinkSpec, PoolSettings


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
