"""The records that all other modules exchange. No behaviour beyond validation.

Durations carry their unit in the name. Clock readings and measured durations stay
integer nanoseconds (`_ns`); only `report` and `results` turn them into milliseconds.
Absent is `None`, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Strategy(StrEnum):
    """How connections are handled."""

    POOLED = "pooled"  # kept open and reused
    UNPOOLED = "unpooled"  # a new connection, fully shaken hands, for each request
    WARMED = "warmed"  # a fresh pool, warmed up as the bot does, then left idle


class Role(StrEnum):
    """What the plan intends a request for; what it was, `Sample.reused` proves."""

    BURN_IN = "burn-in"  # fills caches of the process; never shown as a sample
    COLD = "cold"  # should open its connection
    SUBSEQUENT = "subsequent"  # should reuse one
    WARM_UP = "warm-up"  # what a bot sends at start
    PRIMER = "primer"  # opens the connection for the one that is measured


class FailureKind(StrEnum):
    """Why a measured request got no usable response."""

    TIMEOUT = "timeout"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    RESET = "reset"
    PROTOCOL = "protocol"
    STATUS = "status"
    RATE_LIMITED = "rate-limited"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The five settings of the bot's HTTP client; the defaults are the bot's."""

    max_idle: int = 2  # idle connections kept per host; 0 keeps none
    idle_timeout_s: float = 60.0  # an older idle connection is not used again
    tcp_keepalive_s: float = 30.0  # idle time before the first probe; 0 turns it off
    connect_timeout_s: float = 10.0  # name resolution, TCP and TLS together
    request_timeout_s: float = 10.0  # the whole exchange, body included


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """How to build one client and its pool."""

    pool: PoolSettings
    strategy: Strategy = Strategy.POOLED
    concurrency: int = 1  # requests in flight at once
    kernel_timestamps: bool = (
        False  # ask the kernel when requests left and answers came
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What the process that sends the requests says of itself."""

    stack: str
    versions: Mapping[str, str]
    tls_context_ns: int  # the context in use, built once
    default_context_ns: int | None  # one with the usual trust store, for comparison
    origin_ns: int  # CLOCK_MONOTONIC when `Sample.start_ns` was 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSpec:
    """One request as a venue wants it on the wire."""

    endpoint: str  # its name in the venue, for tables
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    # What the body is to be made of inside the clock, by whoever signs; None where the
    # request is complete.
    unsigned: Any = field(default=None, repr=False)
    # Statuses that count as a response; empty means 200 to 299.
    accept: tuple[int, ...] = ()

    def accepts(self, status: int) -> bool:
        """Say whether `status` makes the exchange a sample rather than a failure."""
        return status in self.accept if self.accept else 200 <= status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of a request in the plan."""

    session: int  # serial of the session or round, from 0; -1 for burn-in
    index: int  # place in the session or round, from 0
    role: Role
    arm: str = ""  # label of the arm of a comparison, such as "warmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A measured request that got a response.

    `dns_ns`, `connect_ns` and `tls_ns` are `None` when the phase did not happen: all
    three on a reused connection, `dns_ns` where the address was a literal, `tls_ns`
    without TLS. `sign_ns` is `None` unless the request was signed inside the clock.
    What is left of the latency after all of these is the client's own time.
    """

    slot: Slot
    start_ns: int  # since the start of the run
    latency_ns: int  # from the call to the body drained
    dns_ns: int | None
    connect_ns: int | None
    tls_ns: int | None
    send_ns: int
    wait_ns: int  # from the last byte sent to the first byte received
    receive_ns: int
    status: int
    reused: bool  # proved: nothing was opened, and the local port had been seen before
    connection: int  # serial of the connection, unique in the run
    use: int  # how many exchanges this connection had carried before, plus one
    local_port: int
    resumed: bool  # the connection resumed a TLS session
    http_version: str
    tls_version: str  # empty without TLS
    cipher: str  # empty without TLS
    remote: str  # address and port of the peer
    rtt_us: int | None  # the kernel's smoothed round-trip time after the exchange
    syn_rtt_us: (
        int | None
    )  # its first estimate, from the TCP handshake of this connection
    retransmits: int | None  # segments sent again during this exchange
    body_bytes: int
    # What this host adds to the window of send and wait, by the kernel's timestamps:
    # from the first write to the departure of the first segment, and from the arrival
    # of the answer's first segment to the read that returned it. None where they were
    # not asked for, or the kernel gave none. Slightly negative is an error of the
    # conversion between two clocks.
    kernel_send_ns: int | None = None
    kernel_receive_ns: int | None = None
    sign_ns: int | None = None  # before the phases of the network

    @property
    def network_ns(self) -> int:
        """The sum of the phases of the network, in nanoseconds."""
        opening = (self.dns_ns or 0) + (self.connect_ns or 0) + (self.tls_ns or 0)
        return opening + self.send_ns + self.wait_ns + self.receive_ns

    @property
    def client_ns(self) -> int:
        """Latency minus signing and the phases: what the HTTP library itself costs."""
        return self.latency_ns - (self.sign_ns or 0) - self.network_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A measured request that got no usable response, and how long that took."""

    slot: Slot
    start_ns: int
    elapsed_ns: int
    kind: FailureKind
    detail: str  # one line; never holds a header or a body
    status: int | None = None
    reused: bool | None = None  # None where no connection was reached
    retry_after_s: float | None = None  # what a 429 asked for


Outcome = Sample | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSpec:
    """An emulated WAN link. The parameters hold for each direction unless said."""

    rtt_ms: float  # both directions together
    # Standard deviation of an extra delay, one direction: gamma with shape 2, so never
    # negative. The mean round trip grows by 2.83 times this.
    jitter_ms: float = 0.0
    loss: float = 0.0  # probability that a packet is dropped, one direction
    seed: int = 1
    drift_ms_per_s: float = 0.0  # by how much the round trip grows each second
    engine: str = "auto"  # auto, packet, tun or relay


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a link engine cannot work on this machine."""

    engine: str
    step: str
    code: str
    errno: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkReport:
    """What the emulated link did during a run, by its own account."""

    engine: str  # packet, tun or relay
    spec: LinkSpec
    refusals: tuple[Refusal, ...] = ()
    kernel_rtt_before_ms: tuple[float, ...] = ()  # TCP_INFO of five connects
    kernel_rtt_after_ms: tuple[float, ...] = ()
    compensation_us: float = 0.0
    packets: int = 0  # delivered; on a relay, chunks
    dropped: int = 0  # asked for by `loss`
    overflow: int = 0  # not asked for
    late_us: tuple[float, float, float, float] | None = None  # p50, p90, p99, max
    # (CLOCK_MONOTONIC ns of the delivery, lateness ns) of every one above 0.2 ms
    late_events: tuple[tuple[int, int], ...] = ()  # the first 5000
    congestion_control: str = ""
    mtu: int = 0  # 0 for a relay
    disturbed: str = ""  # the reason, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSpec:
    """The simulated exchange as a server."""

    host: str = "127.0.0.1"
    port: int = 0  # 0 takes any free one
    tls: str = "1.3"  # 1.3 or 1.2: the only version offered
    tickets: bool = True  # TLS sessions can be resumed, in either version
    http2: bool = False  # HTTP/2 is offered besides HTTP/1.1; needs the extra http2
    idle_timeout_s: float = 75.0
    max_requests: int = 0  # per connection; 0 is no limit
    processing_ms: float = 5.0
    order_processing_ms: float | None = None  # of orders and cancels; None is the same
    contract: str = "development"  # production or development: whose proofs are valid
    rate_limit: float = 0.0  # requests per second of an account or address; 0 is none
    # Addresses and names that the certificate is valid for, besides loopback.
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution: the only source of truth for tables, pictures and verdicts."""

    command: str
    label: str
    started: datetime
    plan: Mapping[str, Any]  # what was asked for
    conditions: Mapping[str, Any]  # what was known before the first request
    samples: Sequence[Sample]  # a tuple, or a `Spool` of too many for memory
    failures: Sequence[Failure]
    conclusion: Mapping[str, Any]  # what was known at the end

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The samples, then the failures, all in memory."""
        return (*self.samples, *self.failures)

    @property
    def interrupted(self) -> bool:
        """True when the run ended before its plan did, by a signal."""
        return bool(self.conclusion.get("interrupted", False))
