"""What a pool would have done with the same requests: the five settings, replayed.

One idle connection serves one request; where none is idle, one is opened, however many
others are busy. After an answer a connection is idle, unless so many are that the pool
keeps no more, or the server has closed it and would have closed the pool's.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_S
from vestbench.model.traffic import Connection, Request, Traffic

# Reasons of a server to close that a pool's connection would have met at another time,
# or never: what they depend on is replayed itself.
_REPLAYED = {"", "idle", "max_requests", "asked", "stop"}


class Rules(Record, frozen=True, kw_only=True):
    """How long and how often a connection can be used again."""

    max_idle: int = 2  # kept per host
    idle_s: float = 60.0  # the pool's idle timeout
    server_idle_s: float = inf
    server_uses: int = 0  # requests after which the server closes it; 0 is never

    @property
    def kept_ns(self) -> float:
        """How long an idle connection can be used again."""
        return min(self.idle_s, self.server_idle_s) * NS_PER_S


class Use(NamedTuple):
    """A connection in use by one request."""

    begin_ns: int
    end_ns: int
    serial: int
    opens: bool  # the program opened the connection for it
    keeps: bool  # it can be used again afterwards, as far as the server is concerned


def uses_of(traffic: Traffic) -> list[Use]:
    """Return what each request of a program was to its connection, in their order."""
    found: list[Use] = []
    requests = traffic.requests_of()
    ends = [each.ended_ns for each in traffic.programs]
    for connection in traffic.connections:
        end_ns = ends[connection.run] if connection.run < len(ends) else 0
        sent = requests[connection.serial]
        for place, request in enumerate(sent):
            last = place == len(sent) - 1
            found.append(
                Use(
                    request.start_ns if place else connection.opened_ns,
                    _end(request, connection, end_ns),
                    connection.serial,
                    not place,
                    _keeps(request, connection, last=last),
                )
            )
    return sorted(found)


def _end(request: Request, connection: Connection, program_end: int) -> int:
    end = None if request.upgraded else request.end_ns
    for known in (end, connection.closed_ns, program_end):
        if known is not None:
            return max(known, request.start_ns)
    return request.start_ns


def _keeps(request: Request, connection: Connection, *, last: bool) -> bool:
    if request.upgraded or request.end_ns is None:
        return False
    closed = connection.closed_by == "server" and connection.reason not in _REPLAYED
    return not (last and closed)


def saved_by_pool(traffic: Traffic, rules: Rules) -> set[int]:
    """Return the serials of connections that a pool would not have opened.

    Args:
        traffic: All that a program sent.
        rules: Of the pool, and of the server.
    """
    places: dict[tuple[int, str, int], list[Use]] = {}
    connections = {each.serial: each for each in traffic.connections}
    for use in uses_of(traffic):
        places.setdefault(connections[use.serial].place, []).append(use)
    found: set[int] = set()
    for uses in places.values():
        pool = _shared if _multiplexed(uses, connections) else _alone
        found |= pool(uses, rules)
    return found


def _multiplexed(uses: Iterable[Use], connections: Mapping[int, Connection]) -> bool:
    return all(connections[use.serial].multiplexed for use in uses)


def _alone(uses: Iterable[Use], rules: Rules) -> set[int]:
    """Replay requests of which each needs a connection of its own meanwhile."""
    saved: set[int] = set()
    busy: list[tuple[int, int]] = []  # when it will be idle, and its uses
    idle: list[tuple[int, int]] = []  # since when it is, and its uses
    for use in uses:
        while busy and busy[0][0] <= use.begin_ns:
            freed = heapq.heappop(busy)
            idle = [one for one in idle if freed[0] - one[0] <= rules.kept_ns]
            if len(idle) < rules.max_idle:
                idle.append(freed)
        idle = [one for one in idle if use.begin_ns - one[0] <= rules.kept_ns]
        served = 1
        if idle:
            served += idle.pop()[1]
            if use.opens:
                saved.add(use.serial)
        full = rules.server_uses and served >= rules.server_uses
        if use.keeps and not full:
            heapq.heappush(busy, (use.end_ns, served))
    return saved


def _shared(uses: Iterable[Use], rules: Rules) -> set[int]:
    """Replay requests that share one connection, as those of HTTP/2."""
    saved: set[int] = set()
    until, served = -inf, 0  # when the connection ends, and its uses
    for use in uses:
        full = rules.server_uses and served >= rules.server_uses
        if served and not full and use.begin_ns <= until:
            if use.opens:
                saved.add(use.serial)
        else:
            served, until = 0, -inf
        served += 1
        until = max(until, use.end_ns + rules.kept_ns) if use.keeps else use.end_ns
    return saved
