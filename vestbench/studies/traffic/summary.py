"""What is derived from the traffic of a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.model.traffic import Request, Traffic
from vestbench.stats.metrics import Group, Metric, metric
from vestbench.studies.base import all_outcomes
from vestbench.studies.bench.study import sides_by_proof
from vestbench.studies.parts.groups import groups_of
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.traffic.causes import NEVER_USED, Opening, Why, openings_of
from vestbench.studies.traffic.delays import Delay, delays_of
from vestbench.studies.traffic.plan import TrafficRun
from vestbench.studies.traffic.pool import Rules

_GROUPS = ("cold", "subsequent")


class ReasonSummary(Record, frozen=True, kw_only=True):
    """How many connections were opened for one reason."""

    why: Why
    connections: int
    needless: int
    hosts: tuple[str, ...]


class HostSummary(Record, frozen=True, kw_only=True):
    """What a program sent to one host."""

    host: str
    requests: int
    reused: int  # requests that found their connection open
    connections: int
    needless: int
    never_used: int
    cold: Group
    subsequent: Group
    tls: tuple[str, ...]
    alpn: tuple[str, ...]
    resumed: int


class EventSummary(Record, frozen=True, kw_only=True):
    """Requests of one kind of which a WebSocket has told, from their first byte on."""

    path: str  # with its method
    answered: Metric
    event: Metric


class RunTotals(Record, frozen=True, kw_only=True):
    """One run of the program, in total."""

    requests: int
    reused: int
    connections: int
    needless: int
    opening_ms: float  # all connections that carried a request together


class TrafficSummary(Record, frozen=True, kw_only=True):
    """What a program sent, over which connections, and which of these it needed."""

    requests: int
    reused: int
    connections: int
    needless: int
    never_used: int  # opened ahead of need, and never used
    refused: int  # the program refused the certificate, or could not be understood
    needless_cost: Metric | None  # opening one; None where no packet tells
    needless_total_ms: float | None
    reasons: tuple[ReasonSummary, ...]  # the most frequent first
    hosts: tuple[HostSummary, ...]
    delays: tuple[Delay, ...]
    events: tuple[EventSummary, ...]
    cold: Group
    subsequent: Group
    runs: tuple[RunTotals, ...]

    @property
    def needed(self) -> int:
        """Connections that a pool would have opened as well."""
        return self.connections - self.needless - self.never_used - self.refused


def rules_of(run: TrafficRun) -> Rules:
    """Return the rules by which a pool would have kept connections in a run."""
    pool, exchange = run.conditions.pool, run.conditions.exchange
    rules = Rules()
    if pool is not None:
        rules = Rules(max_idle=pool.max_idle, idle_s=pool.idle_timeout_s)
    return Rules(
        max_idle=rules.max_idle,
        idle_s=rules.idle_s,
        server_idle_s=exchange.idle_timeout_s if exchange is not None else inf,
        server_uses=exchange.max_requests if exchange is not None else 0,
    )


@once_for_each_run
def openings_in(run: TrafficRun) -> tuple[Opening, ...]:
    """Return why each connection of a run was opened."""
    return openings_of(run.conclusion.traffic or Traffic(), rules_of(run))


@once_for_each_run
def summarise_traffic(run: TrafficRun) -> TrafficSummary:
    """Return all that is derived from the traffic in a run."""
    traffic = run.conclusion.traffic or Traffic()
    openings = openings_in(run)
    costs = costs_ms(each for each in openings if each.needless)
    confidence = run.plan.confidence
    cold, subsequent = sides_by_proof(run).groups(confidence)
    outcomes = tuple(all_outcomes(run))
    return TrafficSummary(
        requests=len(outcomes),
        reused=_reused(outcomes),
        connections=len(openings),
        needless=sum(each.needless for each in openings),
        never_used=sum(each.why is Why.AHEAD for each in openings),
        refused=sum(each.why is Why.REFUSED for each in openings),
        needless_cost=metric("opening", costs, confidence) if costs else None,
        needless_total_ms=sum(costs) if costs else None,
        reasons=_reasons(openings),
        hosts=tuple(_hosts(openings, outcomes, confidence)),
        delays=delays_of(traffic),
        events=tuple(_events(traffic.requests, confidence)),
        cold=cold,
        subsequent=subsequent,
        runs=tuple(_totals(openings, outcomes, len(traffic.programs))),
    )


def costs_ms(openings: Iterable[Opening]) -> list[float]:
    """Return what each opening took in ms, as far as that is known."""
    known = (each.cost_ns for each in openings)
    return [ns / NS_PER_MS for ns in known if ns is not None]


def _reused(outcomes: Iterable[Outcome]) -> int:
    return sum(bool(each.reused) for each in outcomes)


def _reasons(openings: Sequence[Opening]) -> tuple[ReasonSummary, ...]:
    counts = Counter(each.why for each in openings)
    return tuple(
        ReasonSummary(
            why=why,
            connections=count,
            needless=sum(each.needless for each in openings if each.why is why),
            hosts=tuple(
                dict.fromkeys(e.connection.host for e in openings if e.why is why)
            ),
        )
        for why, count in counts.most_common()
    )


def _hosts(
    openings: Sequence[Opening], outcomes: Sequence[Outcome], confidence: float
) -> Iterable[HostSummary]:
    by_host: dict[str, list[Opening]] = {}
    for each in openings:
        by_host.setdefault(each.connection.host, []).append(each)
    sent: dict[str, list[Outcome]] = {host: [] for host in by_host}
    for outcome in outcomes:
        sent.setdefault(outcome.slot.arm, []).append(outcome)
    for host, found in by_host.items():
        sides = ((_GROUPS[bool(each.reused)], each) for each in sent[host])
        cold, subsequent = groups_of(_GROUPS, sides, confidence)
        connections = [each.connection for each in found]
        yield HostSummary(
            host=host,
            requests=len(sent[host]),
            reused=_reused(sent[host]),
            connections=len(found),
            needless=sum(each.needless for each in found),
            never_used=sum(each.why in NEVER_USED for each in found),
            cold=cold,
            subsequent=subsequent,
            tls=tuple(dict.fromkeys(c.tls for c in connections if c.tls)),
            alpn=tuple(dict.fromkeys(c.alpn for c in connections if c.alpn)),
            resumed=sum(each.resumed for each in connections),
        )


def _events(requests: Iterable[Request], confidence: float) -> Iterable[EventSummary]:
    """Yield what is known of requests that led to an event, by method and path."""
    found: dict[str, list[tuple[float, float]]] = {}
    for each in requests:
        if each.event_ns is not None and each.end_ns is not None:
            both = each.end_ns - each.start_ns, each.event_ns - each.start_ns
            path = f"{each.method} {each.path.partition('?')[0]}"
            found.setdefault(path, []).append(
                (max(0, both[0]) / NS_PER_MS, max(0, both[1]) / NS_PER_MS)
            )
    for path, times in found.items():
        answered, events = zip(*times, strict=True)
        yield EventSummary(
            path=path,
            answered=metric("answered", answered, confidence),
            event=metric("event", events, confidence),
        )


def _totals(
    openings: Sequence[Opening], outcomes: Sequence[Outcome], runs: int
) -> Iterable[RunTotals]:
    run_of = {each.connection.serial: each.connection.run for each in openings}
    for number in range(runs):
        found = [each for each in openings if each.connection.run == number]
        sent = [each for each in outcomes if run_of[each.slot.session] == number]
        yield RunTotals(
            requests=len(sent),
            reused=_reused(sent),
            connections=len(found),
            needless=sum(each.needless for each in found),
            opening_ms=sum(costs_ms(found)),
        )


def cold_share(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many answered requests opened a connection, and how many there are."""
    answered = [each for each in outcomes if isinstance(each, Sample)]
    return sum(not each.reused for each in answered), len(answered)
