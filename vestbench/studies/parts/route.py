"""What the route costs: its round trip, and how many of them open a connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vestbench.model.request import NS_PER_MS
from vestbench.model.run import Run
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import MedianSummary, median_saving
from vestbench.stats.quantiles import Distribution, quantile
from vestbench.studies.parts.once import once_for_each_run

# Round trips of a full handshake; every version before 1.3 needs two.
_TLS_TRIPS = {"": 0, "TLSv1.3": 1}


def is_relayed(run: Run) -> bool:
    """Say whether a relay made the delay: TCP ends there, before the delay begins."""
    link = run.conditions.link
    return link is not None and link.engine == "relay"


@once_for_each_run
def round_trip_ms(run: Run) -> float | None:
    """Return the route's round-trip time in ms: the median over connections opened.

    The kernel's estimate from the TCP handshake where it gives one, otherwise the
    connect phase, which is the same round trip seen from Python. Of a relayed link
    both see the loopback only, so it is what was asked for.
    """
    kernel, connects = Distribution(), Distribution()
    opened = 0
    for sample in run.samples:
        if sample.reused:
            continue
        opened += 1
        if sample.syn_rtt_us is not None:
            kernel.add(sample.syn_rtt_us / 1000)
        if sample.connect_ns is not None:
            connects.add(sample.connect_ns / NS_PER_MS)
    link = run.conditions.link
    if link is not None and link.engine == "relay":
        return link.rtt_ms if opened else None
    known = kernel if len(kernel) else connects
    return quantile(known, 0.5) if len(known) else None


def tls_round_trips(versions: Iterable[str]) -> int:
    """Return the round trips of a full handshake of the oldest of `versions`."""
    return max((_TLS_TRIPS.get(version, 2) for version in versions), default=0)


def in_round_trips(
    savings: Sequence[Bounds], rtt_ms: float | None, confidence: float
) -> MedianSummary | None:
    """Return the median of savings, given in ms, in round trips of the route."""
    if not savings or not rtt_ms:
        return None
    trips = (Bounds(lo=each.lo / rtt_ms, hi=each.hi / rtt_ms) for each in savings)
    return median_saving(trips, confidence)
