"""What a warm-up run says: first requests after a warm-up, and without one."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from vestbench.model.request import NS_PER_MS, Outcome, Role, Sample
from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds
from vestbench.stats.decision import MedianSummary, SavingSummary, summarise
from vestbench.studies.parts.groups import Metric, median_of_bounds, metric
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.parts.route import round_trip_ms
from vestbench.studies.starts.plan import WarmUpRun


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUpSummary:
    """All that the table of a warm-up run shows."""

    warm_up: Metric | None  # the warm-up requests themselves
    warmed: Metric | None  # first request after a warm-up
    not_warmed: Metric | None  # first request of a client without one
    rounds: int
    warm_up_connections: int  # opened by warm-up requests
    warm_up_requests: int
    reused: int  # first requests after a warm-up that reused a connection of it
    saving: SavingSummary | None  # ms
    percent: MedianSummary | None  # of the first request without a warm-up
    round_trips: MedianSummary | None


@once_for_each_run
def summarise_warm_up(run: WarmUpRun) -> WarmUpSummary:
    """Derive the summary of a warm-up run."""
    confidence = run.plan.confidence
    outcomes = run.outcomes
    by_role = {
        role: [outcome for outcome in outcomes if outcome.slot.role is role]
        for role in (Role.WARM_UP, Role.SUBSEQUENT, Role.COLD)
    }
    opened = {
        s.connection
        for s in run.samples
        if s.slot.role is Role.WARM_UP and not s.reused
    }
    pairs = _pairs(by_role[Role.COLD], by_role[Role.SUBSEQUENT])
    bounds = round_savings(by_role[Role.COLD], by_role[Role.SUBSEQUENT])
    saving = percent = trips = None
    if bounds:
        target = run.plan.min_saving_ms
        saving = summarise(bounds, target=target, confidence=confidence)
        shares = [percent_bounds(*_timed(a), *_timed(b)) for a, b in pairs]
        percent = median_of_bounds(shares, confidence)
        rtt = round_trip_ms(run)
        if rtt:
            in_trips = [Bounds(lo=b.lo / rtt, hi=b.hi / rtt) for b in bounds]
            trips = median_of_bounds(in_trips, confidence)

    def spread(name: str, role: Role) -> Metric | None:
        values = [_latency_ms(outcome) for outcome in by_role[role]]
        return metric(name, values, confidence) if values else None

    return WarmUpSummary(
        warm_up=spread("warm-up", Role.WARM_UP),
        warmed=spread("warmed", Role.SUBSEQUENT),
        not_warmed=spread("not warmed", Role.COLD),
        rounds=len(bounds),
        warm_up_connections=len(opened),
        warm_up_requests=len(by_role[Role.WARM_UP]),
        reused=sum(bool(outcome.reused) for outcome in by_role[Role.SUBSEQUENT]),
        saving=saving,
        percent=percent,
        round_trips=trips,
    )


def _latency_ms(outcome: Outcome) -> float:
    return outcome.latency_ns / NS_PER_MS if isinstance(outcome, Sample) else inf


def _pairs(cold: list[Outcome], warmed: list[Outcome]) -> list[tuple[Outcome, Outcome]]:
    """Return the first requests of each round, without and after a warm-up."""
    without = {outcome.slot.session: outcome for outcome in cold}
    return [
        (without[outcome.slot.session], outcome)
        for outcome in warmed
        if outcome.slot.session in without
    ]


def round_savings(cold: list[Outcome], warmed: list[Outcome]) -> list[Bounds]:
    """Return, for each round with both starts, what the warm-up saved, in ms."""
    return [saving_bounds(*_timed(a), *_timed(b)) for a, b in _pairs(cold, warmed)]


def _timed(outcome: Outcome) -> tuple[float, bool]:
    if isinstance(outcome, Sample):
        return outcome.latency_ns / NS_PER_MS, True
    return outcome.elapsed_ns / NS_PER_MS, False
