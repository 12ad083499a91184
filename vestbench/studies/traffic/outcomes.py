"""Requests of a program as samples and failures, as the program saw them.

A request that its connection was opened for begins with the SYN; its client time is the
program's own. One whose connection had been opened ahead counts as a subsequent one.
"""

from __future__ import annotations

from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
)
from vestbench.model.traffic import Connection, Request, Traffic

# What a program computes, or is held back, between a handshake and its request at most:
# beyond it the connection was there before the request was.
_AHEAD_NS = 1_000_000_000
_HTTP = {"h2": "HTTP/2", "http/1.1": "HTTP/1.1"}


def outcomes_of(traffic: Traffic) -> tuple[Outcome, ...]:
    """Return all requests of a program, in the order in which they began."""
    connections = {each.serial: each for each in traffic.connections}
    found: list[Outcome] = []
    served: dict[int, int] = {}
    for request in traffic.requests:
        connection = connections.get(request.connection)
        if connection is None:
            continue  # there was no room to keep it
        served[connection.serial] = use = served.get(connection.serial, 0) + 1
        reused = use > 1 or is_ahead(connection, request)
        found.append(_outcome(request, connection, use, reused=reused))
    return tuple(sorted(found, key=lambda outcome: outcome.start_ns))


def is_ahead(connection: Connection, request: Request) -> bool:
    """Say whether a connection was open before its first request was wanted."""
    usable = connection.usable_ns
    if usable is None:
        usable = connection.ready_ns
    return usable is not None and request.start_ns - usable > _AHEAD_NS


def _outcome(
    request: Request, connection: Connection, use: int, *, reused: bool
) -> Outcome:
    slot = Slot(
        session=connection.serial,
        index=use - 1,
        role=Role.SUBSEQUENT if reused else Role.COLD,
        arm=connection.host,
    )
    start = request.start_ns if reused else connection.opened_ns
    end = request.end_ns
    if end is None or request.status is None:
        return Failure(
            slot=slot,
            start_ns=max(0, start),
            elapsed_ns=max(0, (connection.closed_ns or request.arrived_ns) - start),
            kind=FailureKind.PROTOCOL,
            detail="it was not answered",
            reused=reused,
        )
    known = request.first_ns is not None and request.sent_ns is not None
    tls = f"TLSv{connection.tls}" if connection.tls else ""
    return Sample(
        slot=slot,
        start_ns=max(0, start),
        latency_ns=max(0, end - start),
        dns_ns=None,
        connect_ns=None if reused or not known else connection.connect_ns,
        tls_ns=None if reused or not known else connection.tls_ns,
        send_ns=request.send_ns if known else None,
        wait_ns=request.wait_ns if known else None,
        receive_ns=request.receive_ns if known else None,
        status=request.status,
        reused=reused,
        connection=connection.serial,
        use=use,
        local_port=connection.client_port,
        resumed=connection.resumed,
        http_version=_HTTP.get(connection.speech, connection.speech),
        tls_version=tls,
        cipher=connection.cipher,
        remote=f"{connection.address}:{connection.port}",
        rtt_us=None,
        syn_rtt_us=None,
        retransmits=None,
        body_bytes=request.down_bytes,
        extra=_extra(request),
    )


def _extra(request: Request) -> dict[str, int] | None:
    """Return what only requests have that a WebSocket has told of."""
    if request.event_ns is None:
        return None
    return {"event_ns": max(0, request.event_ns - request.start_ns)}
