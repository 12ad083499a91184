"""Distributions of requests by phase, and how a saving closes against them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, isfinite

from vestbench.models import NS_PER_MS, Failure, Role, Run, Sample
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import MedianSummary, summarise
from vestbench.stats.distribution import Distribution
from vestbench.stats.once import once_for_each_run
from vestbench.stats.quantiles import QuantileEstimate, estimate, quantile

# Above this share of requests that should have reused a connection and did not, the
# pool did not do its work, and no saving of it can be stated.
MAX_NOT_REUSED = 0.05

# Of the requests of a candidate, above which no PASS is given.
MAX_FAILED = 0.05

PHASES = ("sign", "dns", "connect", "tls", "send", "wait", "receive")

# Round trips of a full handshake; every version before 1.3 needs two.
_TLS_TRIPS = {"": 0, "TLSv1.3": 1}


class Acceptance(StrEnum):
    """What a run says of the saving that is asked for."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


class Why(StrEnum):
    """The reason of an acceptance, where its name does not say it."""

    NONE = ""
    TOO_SHORT = "route-too-short"  # failed: no client could save so much here
    FEW = "too-few-sessions"
    CLOSE = "close"
    NOISY = "noisy"
    UNRELIABLE = "unreliable"
    RELIABILITY = "reliability"  # failed: the candidate fails more often
    NOT_REUSED = "not-reused"
    NO_COLD = "no-cold-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The distribution of one duration over the requests of a group, in ms."""

    name: str
    n: int
    p50: QuantileEstimate
    p90: QuantileEstimate
    p99: QuantileEstimate
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Requests that opened their connection, or that reused one: by proof."""

    name: str
    metrics: tuple[Metric, ...]  # latency first, then the phases that occurred, client
    failures: int

    def metric(self, name: str) -> Metric | None:
        """Return the metric called `name`, if there are values for it."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def typical(self, name: str) -> float | None:
        """Return the median of the metric called `name`, in ms, if there is one."""
        metric = self.metric(name)
        return None if metric is None else metric.p50.point


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """The saving beside what it should be made of. All values in ms.

    Of a stack that shows no phases only the saving and what is expected are known.
    """

    saving: float
    dns: float | None
    connect: float | None
    tls: float | None
    send: float | None  # this and the next three: None where phases are not known
    wait: float | None
    receive: float | None
    client: float | None
    rtt: float | None  # the route's, by the kernel's account of each handshake
    tls_round_trips: int  # of the control's handshake
    round_trips: int  # that the candidate saves, TCP's included
    expected: float | None  # these round trips, and name resolution
    sign: float | None = None  # None where no request was signed inside the clock

    @property
    def has_phases(self) -> bool:
        """True where the saving can be taken apart."""
        return self.wait is not None

    @property
    def opening(self) -> float | None:
        """What opening the connection took: name resolution, TCP and TLS."""
        if not self.has_phases:
            return None
        return (self.dns or 0) + (self.connect or 0) + (self.tls or 0)

    @property
    def residual(self) -> float | None:
        """What opening the connection does not explain."""
        opening = self.opening
        return None if opening is None else self.saving - opening

    @property
    def handshake_cpu(self) -> float | None:
        """What the handshakes took beyond their round trips.

        TCP and TLS together, because a relayed link charges all to TLS.
        """
        if self.rtt is None or self.tls is None:
            return None
        return (self.connect or 0.0) + self.tls - self.round_trips * self.rtt

    @property
    def beyond_round_trips(self) -> float | None:
        """What the round trips do not explain, where nothing finer is known."""
        if self.has_phases or self.expected is None:
            return None
        return self.saving - self.expected


class GroupTally:
    """Takes the requests of a group one by one, and keeps distributions of them."""

    def __init__(self) -> None:
        self._values = {name: Distribution() for name in ("latency", *PHASES, "client")}
        self._failures = 0

    def add(self, sample: Sample) -> None:
        """Take a request that was answered."""
        values = self._values
        values["latency"].add(sample.latency_ns / NS_PER_MS)
        for phase in PHASES:
            ns = getattr(sample, phase + "_ns")
            if ns is not None:
                values[phase].add(ns / NS_PER_MS)
        client_ns = sample.client_ns
        if client_ns is not None:
            values["client"].add(client_ns / NS_PER_MS)

    def fail(self) -> None:
        """Take a request that failed.

        It took longer than anything: it counts as infinite, not as absent.
        """
        self._values["latency"].add(inf)
        self._failures += 1

    def group(self, name: str, confidence: float) -> Group:
        """Return the distributions of the latency and of each phase that occurred."""
        found = {what: values for what, values in self._values.items() if len(values)}
        return Group(
            name=name,
            metrics=tuple(metric(w, values, confidence) for w, values in found.items()),
            failures=self._failures,
        )


def group_of(
    name: str,
    samples: Iterable[Sample],
    failures: Sequence[Failure],
    confidence: float,
) -> Group:
    """Return the distributions of the latency and of each phase that occurred."""
    tally = GroupTally()
    for sample in samples:
        tally.add(sample)
    for _ in failures:
        tally.fail()
    return tally.group(name, confidence)


def side_of(failure: Failure) -> bool:
    """Say to which group a failure belongs: proof first, the plan where there is none.

    Without a connection nothing was reused, but a request whose reconnect was refused
    is still one that the pool should have served.
    """
    if failure.reused is not None:
        return failure.reused
    return failure.slot.role is Role.SUBSEQUENT


def metric(
    name: str, values: Iterable[float] | Distribution, confidence: float
) -> Metric:
    """Return the distribution of `values`, in ms; failures are infinite.

    Raises:
        ValueError: There are no values.
    """
    if not isinstance(values, Distribution):
        values = Distribution(values)
    if not len(values):
        raise ValueError(f"there is no {name} to show")
    return Metric(
        name=name,
        n=len(values),
        p50=estimate(values, 0.5, confidence),
        p90=estimate(values, 0.9, confidence),
        p99=estimate(values, 0.99, confidence),
        low=values.low,
        high=values.high,
    )


def median_of_bounds(bounds: Sequence[Bounds], confidence: float) -> MedianSummary:
    """Return the median of `bounds` and its interval, without a verdict."""
    found = summarise(bounds, target=0.0, confidence=confidence)
    return MedianSummary(
        median_lo=found.median_lo, median_hi=found.median_hi, interval=found.interval
    )


def disturbed_samples(run: Run) -> int:
    """Count the samples during which the emulated link delivered a packet late."""
    link = run.conclusion.get("link", {})
    late = sorted(float(at) for at in link.get("late_at_ms", ()))
    if not late:
        return 0
    count = 0
    for sample in run.samples:
        begin = sample.start_ns / NS_PER_MS
        after = bisect_left(late, begin)
        if after < len(late) and late[after] <= begin + sample.latency_ns / NS_PER_MS:
            count += 1
    return count


def is_relayed(run: Run) -> bool:
    """Say whether a relay made the delay: TCP ends there, before the delay begins."""
    return bool(run.conditions.get("link", {}).get("engine") == "relay")


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
    if is_relayed(run):
        return float(run.conditions["link"]["rtt_ms"]) if opened else None
    known = kernel if len(kernel) else connects
    return quantile(known, 0.5) if len(known) else None


def tls_round_trips(versions: Iterable[str]) -> int:
    """Return the round trips of a full handshake of the oldest of `versions`."""
    return max((_TLS_TRIPS.get(version, 2) for version in versions), default=0)


def closure_of(
    control: Group,
    candidate: Group,
    saving: MedianSummary | None,
    rtt: float | None,
    tls_versions: Collection[str],
    *,
    round_trips: int | None = None,
) -> Closure | None:
    """Return what the saving should be made of; None where there is no saving.

    Args:
        control: The requests that open connections.
        candidate: Those that are to save that.
        saving: Of the candidate, in ms.
        rtt: Round-trip time of the route in ms, where it is known.
        tls_versions: Of the connections that were opened; empty is without TLS.
        round_trips: That are saved; by default all of a full handshake.
    """
    if saving is None or not isfinite(saving.median_lo):
        return None
    trips = max((_TLS_TRIPS.get(version, 2) for version in tls_versions), default=0)
    saved = 1 + trips if round_trips is None else round_trips
    known = control.typical("wait") is not None or candidate.typical("wait") is not None

    def change(name: str) -> float | None:
        if not known:
            return None
        return (control.typical(name) or 0.0) - (candidate.typical(name) or 0.0)

    def opening(name: str) -> float | None:
        absent = control.typical(name) is None and candidate.typical(name) is None
        return None if absent else change(name)

    dns = opening("dns")
    return Closure(
        saving=saving.median_lo,
        dns=dns,
        connect=opening("connect"),
        tls=opening("tls"),
        send=change("send"),
        wait=change("wait"),
        receive=change("receive"),
        client=change("client"),
        rtt=rtt,
        tls_round_trips=trips,
        round_trips=saved,
        expected=None if rtt is None else saved * rtt + (dns or 0.0),
        sign=opening("sign"),
    )


def too_short(closure: Closure | None, target: float) -> bool:
    """Say whether the handshakes' round trips and crypto are less than the target."""
    if closure is None or closure.expected is None:
        return False
    computing = (
        closure.handshake_cpu if closure.has_phases else closure.beyond_round_trips
    )
    return closure.expected + max(0.0, computing or 0.0) < target


def fails_too_often(failed: int, requests: int, failed_control: int) -> bool:
    """Say whether a candidate fails too often for its saving to be worth anything."""
    return failed > max(1, ceil(MAX_FAILED * requests), failed_control)
