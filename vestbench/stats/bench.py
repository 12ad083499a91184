"""What a bench run says: cold against subsequent, the saving, and why it is what it is.

Everything here is derived from a `Run` and can be derived again from a stored one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil, inf, isfinite
from statistics import median

from vestbench.models import NS_PER_MS, Role, Run, Strategy
from vestbench.stats.diagnostics import (
    Plateau,
    SynRetransmission,
    plateau,
    syn_retransmissions,
)
from vestbench.stats.evidence import (
    MIN_ROUNDS,
    Bounds,
    Decision,
    MedianSummary,
    SavingSummary,
    close_margin,
    session_bounds,
    summarise,
)
from vestbench.stats.groups import (
    MAX_NOT_REUSED,
    Acceptance,
    Closure,
    Group,
    Why,
    closure_of,
    disturbed_samples,
    group_of,
    median_of_bounds,
    round_trip_ms,
    side_of,
    too_short,
)

_FAILURE_SHARE = 0.05  # of subsequent requests, above which no PASS is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """How often connections were opened and reused, by proof."""

    sessions: int
    connections: int  # opened by measured requests that got a response
    expected: int  # requests that should have reused one
    reused: int  # those of them that did


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSummary:
    """All that the tables of a bench run show."""

    cold: Group
    subsequent: Group
    reuse: Reuse
    failures: tuple[tuple[str, int], ...]  # kind and count
    saving: SavingSummary | None  # ms; None when no session has both sorts
    percent: MedianSummary | None  # of the cold request
    round_trips: MedianSummary | None
    closure: Closure | None
    rtt_ms: float | None
    acceptance: Acceptance | None  # None when nothing was pooled
    why: Why
    plateau: Plateau | None
    syn_retransmissions: tuple[SynRetransmission, ...]
    retransmits: int
    resumed: int
    disturbed: int


def summarise_bench(run: Run) -> BenchSummary:
    """Derive the summary of a bench run."""
    confidence = float(run.plan["confidence"])
    target = float(run.plan["min_saving_ms"])
    cold, subsequent = (
        group_of(
            name,
            [sample for sample in run.samples if sample.reused is reused],
            [failure for failure in run.failures if side_of(failure) is reused],
            confidence,
        )
        for name, reused in (("cold", False), ("subsequent", True))
    )
    reuse = _reuse(run)
    rtt = round_trip_ms(run)
    votes = _session_votes(run)
    saving = percent = trips = None
    if votes:
        margin = close_margin(target)
        saving = summarise(
            [vote for _, vote in votes],
            target=target,
            confidence=confidence,
            close=margin,
        )
        percent = median_of_bounds(
            [_percent(first, vote) for first, vote in votes], confidence
        )
        if rtt:
            in_trips = [Bounds(lo=v.lo / rtt, hi=v.hi / rtt) for _, v in votes]
            trips = median_of_bounds(in_trips, confidence)
    versions = {s.tls_version for s in run.samples if not s.reused}
    closure = closure_of(cold, subsequent, saving, rtt, versions)
    acceptance, why = _accept(run, reuse, saving, closure, target)
    waits = [s.wait_ns / NS_PER_MS for s in run.samples if s.reused]
    connects = [
        s.connect_ns / NS_PER_MS for s in run.samples if s.connect_ns is not None
    ]
    kinds = Counter(str(failure.kind) for failure in run.failures)
    return BenchSummary(
        cold=cold,
        subsequent=subsequent,
        reuse=reuse,
        failures=tuple(sorted(kinds.items())),
        saving=saving,
        percent=percent,
        round_trips=trips,
        closure=closure,
        rtt_ms=rtt,
        acceptance=acceptance,
        why=why,
        plateau=plateau(waits, floor_ms=cold.typical("wait")),
        syn_retransmissions=syn_retransmissions(connects, rtt_ms=rtt or 0.0),
        retransmits=sum(sample.retransmits or 0 for sample in run.samples),
        resumed=sum(s.resumed and not s.reused for s in run.samples),
        disturbed=disturbed_samples(run),
    )


def _reuse(run: Run) -> Reuse:
    outcomes = run.outcomes
    expected = sum(outcome.slot.role is Role.SUBSEQUENT for outcome in outcomes)
    reused = sum(
        outcome.slot.role is Role.SUBSEQUENT and bool(outcome.reused)
        for outcome in outcomes
    )
    return Reuse(
        sessions=len({outcome.slot.session for outcome in outcomes}),
        connections=len({s.connection for s in run.samples}),
        expected=expected,
        reused=reused,
    )


def _session_votes(run: Run) -> list[tuple[float, Bounds]]:
    """Return, for each session, its cold latency and its saving as an interval."""
    cold: dict[int, list[tuple[float, bool]]] = {}
    later: dict[int, list[tuple[float, bool]]] = {}
    for sample in run.samples:
        place = sample.slot.session
        value = (sample.latency_ns / NS_PER_MS, True)
        if sample.reused:
            later.setdefault(place, []).append(value)
        elif sample.slot.role is Role.COLD:
            cold.setdefault(place, []).append(value)
    for failure in run.failures:
        side = later if side_of(failure) else cold
        value = (failure.elapsed_ns / NS_PER_MS, False)
        side.setdefault(failure.slot.session, []).append(value)
    votes = []
    for place in sorted(cold):
        # Concurrent cold requests of a session count as one: their median.
        first = median(value for value, _ in cold[place])
        ok = all(done for _, done in cold[place])
        bounds = session_bounds(first, ok, later.get(place, ()))
        if bounds is not None:
            votes.append((first, bounds))
    return votes


def _percent(first: float, vote: Bounds) -> Bounds:
    """Turn a session's saving into percent of its cold request."""
    if first <= 0:
        return Bounds(lo=-inf, hi=100.0)
    low = 100 * vote.lo / first
    return Bounds(lo=low, hi=100 * vote.hi / first if isfinite(vote.hi) else 100.0)


def _accept(
    run: Run,
    reuse: Reuse,
    saving: SavingSummary | None,
    closure: Closure | None,
    target: float,
) -> tuple[Acceptance | None, Why]:
    if run.plan["strategy"] == Strategy.UNPOOLED or not reuse.expected:
        return None, Why.NONE
    if reuse.reused < (1 - MAX_NOT_REUSED) * reuse.expected:
        return Acceptance.INVALID, Why.NOT_REUSED
    if saving is None:
        return Acceptance.INVALID, Why.NO_COLD
    if saving.rounds < MIN_ROUNDS:
        return Acceptance.INCONCLUSIVE, Why.FEW
    if saving.decision is Decision.FAIL:
        short = too_short(closure, target)
        return Acceptance.FAIL, Why.TOO_SHORT if short else Why.NONE
    if saving.decision is Decision.CLOSE:
        return Acceptance.INCONCLUSIVE, Why.CLOSE
    if saving.decision is Decision.UNDECIDED:
        return Acceptance.INCONCLUSIVE, Why.NOISY
    failed = Counter(side_of(failure) for failure in run.failures)
    allowed = max(1, ceil(_FAILURE_SHARE * reuse.expected))
    if failed[True] > max(allowed, failed[False]):
        return Acceptance.INCONCLUSIVE, Why.UNRELIABLE
    return Acceptance.PASS, Why.NONE
