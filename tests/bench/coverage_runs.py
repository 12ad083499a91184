"""Comparisons over a link whose truth is known, one after the other."""

from __future__ import annotations

import math
import random
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from statistics import median

from rich.console import Console
from rich.progress import track

from tests.bench.peers_turns import Raw
from tests.support.records import compare_plan
from vestbench.model.client import PoolSettings
from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.model.simulated import ExchangeSpec, LinkReport, LinkSpec
from vestbench.model.strategy import POOLED, UNPOOLED
from vestbench.running.ports import Pacer
from vestbench.simulator.venue import SimulatedVenue
from vestbench.stats.quantiles import share_interval
from vestbench.studies.compare.experiment import Comparison
from vestbench.studies.compare.question import name_arms
from vestbench.studies.compare.rounds import Judgement, Round
from vestbench.venues.vest.public import vest
from vestbench.workers.remote import RemoteStack

RTTS_MS = (5.0, 15.0, 30.0)
SHORT_RTT_MS = 1.0  # of the control
ROUND_TRIPS = 2  # of a handshake: TCP, TLS 1.3
MIN_ROUNDS, MAX_ROUNDS = 12, 20
CONFIDENCE = 0.95
TARGET_SHARE = 0.8  # of what the round trips alone cost
TOLERANCE_MS = 0.5  # of the kernel's round trip; the link's own bar for a whole run
MOST_LATE_EVENTS = 5000  # that a link notes
TURNS = 4  # of the bare socket, after each comparison
BAR_PERCENT = 95.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One comparison."""

    cycle: int
    verdict: str
    rounds: int
    failures: int
    median_ms: float
    low_ms: float
    high_ms: float
    kernel_rtt_ms: float  # median over the handshakes of its unpooled requests
    disturbed: bool
    late: int  # measured requests that met a packet over 0.2 ms late; -1 unknown


@dataclass(slots=True)
class Route:
    """A venue, the process that sends to it, and what was found there."""

    rtt_ms: float  # 0 for the control
    sim: SimulatedVenue
    stack: RemoteStack
    bare: Raw
    trials: list[Trial] = field(default_factory=list)
    spans: list[list[tuple[int, int]]] = field(default_factory=list)  # of requests
    savings_ms: list[float] = field(default_factory=list)  # one a round
    bare_ms: list[float] = field(default_factory=list)  # of the bare socket, one a turn
    report: LinkReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many of some runs held the truth."""

    runs: int
    held: int
    percent: float | None
    low_percent: float  # Clopper and Pearson, 95 %
    high_percent: float

    @property
    def met(self) -> bool:
        """Say whether the bar is within what the runs can tell."""
        return self.high_percent >= BAR_PERCENT


def coverage(held: Sequence[bool]) -> Coverage:
    """Return the share of runs that held the truth, with its exact interval."""
    n, k = len(held), sum(held)
    low, high = share_interval(k, n) if n else (0.0, 1.0)
    return Coverage(
        runs=n,
        held=k,
        percent=100 * k / n if n else None,
        low_percent=100 * low,
        high_percent=100 * high,
    )


def compare_once(route: Route, *, cycle: int, seed: int, first: bool) -> Trial:
    """Carry out one comparison, as the command does, and judge it as the command does.

    Args:
        route: Where.
        cycle: Its number.
        seed: Of the orders.
        first: Whether to send the discarded rounds, which fill caches.
    """
    arms = name_arms([POOLED, UNPOOLED])
    plan = compare_plan(arms, confidence=CONFIDENCE, max_rounds=MAX_ROUNDS)
    # The control passes at once, so it takes the fewest rounds there can be.
    target = TARGET_SHARE * ROUND_TRIPS * (route.rtt_ms or 1e-3)
    judgement = Judgement(plan, target, percent=False)
    venue = vest("sim", route.sim.base_url())
    comparison = Comparison(
        plan.changed(seed=seed),
        PoolSettings(),
        range(MAX_ROUNDS),
        route.stack,
        lambda: venue.request(venue.endpoint(), now_ms=0),
        lambda: venue.request(venue.warm_up, now_ms=0),
        pacer=Pacer(),
    )
    outcomes: list[Outcome] = []
    savings: list[float] = []

    def judge(number: int, found: Mapping[str, Outcome]) -> bool:
        control, candidate = found["unpooled"], found["pooled"]
        if isinstance(control, Sample) and isinstance(candidate, Sample):
            savings.append((control.latency_ns - candidate.latency_ns) / NS_PER_MS)
        return judgement.add(Round(number=number, outcomes=found))

    if first:
        comparison.set_up()
    comparison.run(outcomes.append, judge)
    samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    origin = route.stack.facts.origin_ns
    route.spans.append(
        [(origin + s.start_ns, origin + s.start_ns + s.latency_ns) for s in samples]
    )
    route.savings_ms += savings
    verdict = judgement.verdicts["pooled"].state
    interval = verdict.saving.interval
    trips = [s.syn_rtt_us / 1e3 for s in samples if not s.reused and s.syn_rtt_us]
    rtt = median(trips) if trips else math.nan
    return Trial(
        cycle=cycle,
        verdict=str(verdict.verdict),
        rounds=verdict.rounds,
        failures=len(outcomes) - len(samples),
        median_ms=verdict.saving.median_lo,
        low_ms=interval.low if interval else -math.inf,
        high_ms=interval.high if interval else math.inf,
        kernel_rtt_ms=rtt,
        disturbed=not abs(rtt - route.rtt_ms) <= TOLERANCE_MS,
        late=-1,
    )


def measure(runs: int, seed: int, console: Console) -> list[Route]:
    """Carry out all comparisons, those of a cycle in an order drawn by lot."""
    rng = random.Random(seed)
    routes: list[Route] = []
    with ExitStack() as cleanup:
        for rtt in (SHORT_RTT_MS, *RTTS_MS, 0.0):
            link = LinkSpec(rtt_ms=rtt, seed=seed) if rtt else None
            sim = cleanup.enter_context(SimulatedVenue(ExchangeSpec(), link))
            if sim.engine == "relay":
                sys.exit(f"no packet link on this machine: {sim.refusals}")
            spawn = sim.spawn if sim.has_link else None
            stack = cleanup.enter_context(RemoteStack(spawn, ca_pem=sim.ca_pem))
            venue = vest("sim", sim.base_url())
            bare = Raw(spawn, sim.ca_pem, venue.request(venue.endpoint(), now_ms=0))
            cleanup.callback(bare.close)
            bare.turn()  # fills caches
            routes.append(Route(rtt, sim, stack, bare))
        for cycle in track(range(runs), "cycles", console=console):
            for route in rng.sample(routes, len(routes)):
                trial = compare_once(
                    route,
                    cycle=cycle,
                    seed=rng.randrange(2**32),
                    first=not route.trials,
                )
                route.trials.append(trial)
                route.bare_ms += [bare_saving_ms(route.bare) for _ in range(TURNS)]
        for route in routes:
            route.stack.close()
            route.bare.close()
            route.report = route.sim.stop()
    for route in routes:
        if route.report is not None:
            route.trials = [
                replace(trial, late=late_requests(spans, route.report))
                for trial, spans in zip(route.trials, route.spans, strict=True)
            ]
    return routes


def bare_saving_ms(bare: Raw) -> float:
    """Return what a bare socket saves by keeping its connection open."""
    turn = bare.turn()
    return turn.cold["total"] - turn.reused["total"]


def late_requests(spans: Sequence[tuple[int, int]], report: LinkReport) -> int:
    """Count the requests that met a late packet; -1 where the list had ended."""
    moments = sorted(at for at, _ in report.late_events)
    if len(moments) >= MOST_LATE_EVENTS and spans[-1][1] > moments[-1]:
        return -1
    return sum(
        bisect_left(moments, begin) < bisect_right(moments, end) for begin, end in spans
    )
