"""Delays that a program adds by itself, named from the packets of its connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from statistics import median

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS
from vestbench.model.traffic import Connection, Request, Traffic

# An acknowledgement that comes so long after its packet could have come was delayed:
# Linux delays one by 40 ms at least, others by up to 200 ms.
_DELAYED_NS = 20 * NS_PER_MS


class DelayKind(StrEnum):
    """What delays a program."""

    NAGLE = "nagle"
    SPLIT = "split"
    DELAYED_ACK = "delayed-ack"
    RETRY = "hello-retry-request"
    ROUND_TRIPS = "handshake-round-trips"


SENTENCES = {
    DelayKind.NAGLE: (
        "the first request left only when the end of the TLS handshake was "
        "acknowledged, one round trip later: Nagle's algorithm is on. Set TCP_NODELAY "
        "(tcp_nodelay(true)); if that is set, the library ignores it"
    ),
    DelayKind.SPLIT: (
        "a request left in several writes, and the last one waited for the "
        "acknowledgement of the one before: Nagle's algorithm is on. Write each "
        "request at once, or set TCP_NODELAY"
    ),
    DelayKind.DELAYED_ACK: (
        "a request left in several writes, and the last one waited for a delayed "
        "acknowledgement of the one before. Write each request at once, or set "
        "TCP_NODELAY"
    ),
    DelayKind.RETRY: (
        "the TLS handshake took a round trip more (HelloRetryRequest): the program "
        "offers no key share of a group that the server takes. Offer X25519 or P-256"
    ),
    DelayKind.ROUND_TRIPS: (
        "the TLS handshake took more round trips than its version needs"
    ),
}


class Delay(Record, frozen=True, kw_only=True):
    """A delay that some requests or handshakes of a program had."""

    kind: DelayKind
    count: int
    median_ms: float | None  # of each; None where its length is not known


def delays_of(traffic: Traffic) -> tuple[Delay, ...]:
    """Return the delays that a program added to its requests and handshakes."""
    found: dict[DelayKind, list[int | None]] = {}
    requests = traffic.requests_of()
    for connection in traffic.connections:
        for kind, ns in _of(connection, requests[connection.serial]):
            found.setdefault(kind, []).append(ns)
    return tuple(
        Delay(kind=kind, count=len(found[kind]), median_ms=_median(found[kind]))
        for kind in DelayKind
        if kind in found
    )


def _of(
    connection: Connection, requests: Iterable[Request]
) -> Iterator[tuple[DelayKind, int | None]]:
    needed = 2 if connection.tls == "1.2" and not connection.resumed else 1
    if connection.retried:
        yield DelayKind.RETRY, connection.connect_ns
    elif connection.round_trips is not None and connection.round_trips > needed:
        yield DelayKind.ROUND_TRIPS, None
    for request in requests:
        if request.nagle_ns:
            yield DelayKind.NAGLE, request.nagle_ns
        if request.ack_ns:
            slow = request.ack_ns > (connection.connect_ns or 0) + _DELAYED_NS
            kind = DelayKind.DELAYED_ACK if slow else DelayKind.SPLIT
            yield kind, request.ack_ns


def _median(values: Iterable[int | None]) -> float | None:
    known = [ns / NS_PER_MS for ns in values if ns is not None]
    return median(known) if known else None
