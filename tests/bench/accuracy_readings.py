"""The same requests, timed by vestbench and by the kernel."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import track

from tests.support.records import known
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import NS_PER_MS, RequestSpec, Role, Sample, Slot
from vestbench.model.simulated import ExchangeSpec, LinkReport, LinkSpec
from vestbench.simulator.venue import SimulatedVenue
from vestbench.venues.vest.public import vest
from vestbench.workers.remote import RemoteSession, RemoteStack

BURST = 10  # one after the other, before the next place has its turn
BURN_IN = 10  # not counted, on each connection


@dataclass(frozen=True, slots=True)
class Destination:
    """Where requests are sent to."""

    rtt_ms: float  # of the emulated link; 0 is plain loopback
    processing_ms: float  # of the exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One request, as the product measured it and as the reference did."""

    measured_ms: float
    reference_ms: float
    before_ms: float | None = None  # of the difference, before the request left
    after_ms: float | None = None  # and after the answer had arrived
    # The same window of a neighbour that the reference did not look at.
    undisturbed_ms: float | None = None


@dataclass(slots=True)
class Route:
    """A place that is there, and what was read there."""

    place: Destination
    sim: SimulatedVenue
    stack: RemoteStack
    readings: list[Reading] = field(default_factory=list)
    unusable: int = 0  # requests that failed, opened a connection, or were not read
    report: LinkReport | None = None

    def request(self) -> RequestSpec:
        """Return the request that is measured."""
        venue = vest("sim", self.sim.base_url())
        return venue.request(venue.endpoint(), now_ms=0)


class Reference(Protocol):
    """Somebody else who times the requests that the product measures."""

    def read(self, rng: random.Random) -> Reading | None:
        """Send a request and read it both ways; None if it cannot be used."""

    def close(self) -> None:
        """Let go of the connections."""


def window_ms(sample: Sample) -> float:
    """Return what the product measured: first byte written to first byte read."""
    return (known(sample.send_ns) + known(sample.wait_ns)) / NS_PER_MS


class KernelReference:
    """The kernel's timestamps of the same requests."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._looked_at = self._open(kernel_timestamps=True)
        self._alone = self._open(kernel_timestamps=False)
        for _ in range(BURN_IN):
            self._send(self._looked_at)
            self._send(self._alone)

    def _open(self, *, kernel_timestamps: bool) -> RemoteSession:
        plan = SessionPlan(pool=PoolSettings(), kernel_timestamps=kernel_timestamps)
        return self._route.stack.open(plan)

    def _send(self, session: RemoteSession) -> Sample | None:
        slot = Slot(session=0, index=0, role=Role.SUBSEQUENT)
        outcome = session.send(self._route.request(), slot)
        return outcome if isinstance(outcome, Sample) and outcome.reused else None

    def read(self, rng: random.Random) -> Reading | None:
        """Send a request that the kernel stamps, and in either order one without."""
        if rng.random() < 0.5:
            alone = self._send(self._alone)
            stamped = self._send(self._looked_at)
        else:
            stamped = self._send(self._looked_at)
            alone = self._send(self._alone)
        if stamped is None or alone is None:
            return None
        before, after = stamped.kernel_send_ns, stamped.kernel_receive_ns
        if before is None or after is None:
            return None
        measured = window_ms(stamped)
        return Reading(
            measured_ms=measured,
            reference_ms=measured - (before + after) / NS_PER_MS,
            before_ms=before / NS_PER_MS,
            after_ms=after / NS_PER_MS,
            undisturbed_ms=window_ms(alone),
        )

    def close(self) -> None:
        """Close both connections."""
        self._looked_at.close()
        self._alone.close()


REFERENCES: Mapping[str, Callable[[Route], Reference]] = {"kernel": KernelReference}


def measure(
    make: Callable[[Route], Reference],
    places: Sequence[Destination],
    requests: int,
    seed: int,
    console: Console,
) -> list[Route]:
    """Read so many requests at each place; places take turns in an order by lot."""
    rng = random.Random(seed)
    with ExitStack() as cleanup:
        pairs: list[tuple[Route, Reference]] = []
        for place in places:
            link = LinkSpec(rtt_ms=place.rtt_ms, seed=seed) if place.rtt_ms else None
            exchange = ExchangeSpec(processing_ms=place.processing_ms)
            sim = cleanup.enter_context(SimulatedVenue(exchange, link))
            if sim.engine == "relay":
                sys.exit(f"no packet link on this machine: {sim.refusals}")
            spawn = sim.spawn if sim.has_link else None
            stack = cleanup.enter_context(RemoteStack(spawn, ca_pem=sim.ca_pem))
            route = Route(place, sim, stack)
            pairs.append((route, make(route)))
        bursts = [BURST] * (requests // BURST)
        if requests % BURST:
            bursts.append(requests % BURST)
        for burst in track(bursts, "bursts", console=console):
            for route, reference in rng.sample(pairs, len(pairs)):
                for _ in range(burst):
                    reading = reference.read(rng)
                    if reading is None:
                        route.unusable += 1
                    else:
                        route.readings.append(reading)
        for route, reference in pairs:
            reference.close()
            route.stack.close()
            route.report = route.sim.stop()
    return [route for route, _ in pairs]
