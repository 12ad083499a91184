"""The records that all other modules exchange. No behaviour beyond validation.

They go between processes, and by the million to disk and back, so they pickle quickly.

Durations carry their unit in the name. Clock readings and measured durations stay
integer nanoseconds (`_ns`); only `report` and `results` turn them into milliseconds.
Absent is `None`, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeVar

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

Record = TypeVar("Record")


def quickly_pickled(record: type[Record]) -> type[Record]:
    """Pickle a frozen dataclass with slots, of two fields or more, by its values alone.

    As dataclasses do by themselves, but they look the fields up for each instance anew,
    which takes as long as all the rest.
    """
    names = [each.name for each in fields(record)]  # type: ignore[arg-type]
    values = attrgetter(*names)
    setters = [getattr(record, name).__set__ for name in names]

    def state_of(self: Any) -> object:
        return values(self)

    def restore(self: Any, state: tuple[object, ...]) -> None:
        for put, value in zip(setters, state, strict=True):
            put(self, value)

    record.__getstate__ = state_of  # type: ignore[method-assign]
    record.__setstate__ = restore  # type: ignore[attr-defined]
    return record


class Strategy(StrEnum):
    """How connections are handled."""

    POOLED = "pooled"  # kept open and reused
    UNPOOLED = "unpooled"  # a new connection, fully shaken hands, for each request
    WARMED = "warmed"  # a fresh pool, warmed up as the bot does, then left idle
    RESUMED = "resumed"  # a new connection for each request, its TLS session resumed
    HTTP2 = "http2"  # one HTTP/2 connection, kept open and shared


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
    http2: bool = False  # offer HTTP/2 in the handshake; the server decides
    stack: str = ""  # which HTTP library, where there are several; empty is the first
    kernel_timestamps: bool = (
        False  # ask the kernel when requests left and answers came
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFacts:
    """What the process that sends the requests says of itself."""

    stack: str
    versions: Mapping[str, str]
    tls_context_ns: int | None  # the context in use, built once; None if it has none
    default_context_ns: int | None  # one with the usual trust store, for comparison
    # What the first TLS handshake of the process cost beyond the second, where that was
    # burnt off on purpose; None where there is nothing to burn off.
    first_handshake_ns: int | None = None
    origin_ns: int  # CLOCK_MONOTONIC when `Sample.start_ns` was 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackAbility:
    """What one stack can do on this machine."""

    stack: str
    installed: bool
    version: str  # empty where it is not installed
    install: str  # what to type to have it, or to have all of it; empty with all of it
    phases: bool  # it shows the phases of a request; else only the whole call
    proof: str  # how the reuse of a connection is proved
    strategies: tuple[str, ...]  # those it can honour here
    refused: Mapping[str, str]  # the others, with the reason
    unhonoured: Mapping[str, str]  # pool settings not quite the bot's, and why


@quickly_pickled
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


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of a request in the plan."""

    session: int  # serial of the session or round, from 0; -1 for burn-in
    index: int  # place in the session or round, from 0
    role: Role
    arm: str = ""  # label of the arm of a comparison, such as "warmed"


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A measured request that got a response.

    `dns_ns`, `connect_ns` and `tls_ns` are `None` when the phase did not happen: all
    three on a reused connection, `dns_ns` where the address was a literal, `tls_ns`
    without TLS. `sign_ns` is `None` unless the request was signed inside the clock.
    What is left of the latency after all of these is the client's own time.

    A stack that only shows the whole call leaves all six phases `None`; the first three
    then say nothing of what happened. `reused` does.
    """

    slot: Slot
    start_ns: int  # since the start of the run
    latency_ns: int  # from the call to the body drained
    dns_ns: int | None
    connect_ns: int | None
    tls_ns: int | None
    send_ns: int | None  # this and the next two: None where phases are not known
    wait_ns: int | None  # from the last byte sent to the first byte received
    receive_ns: int | None
    status: int
    reused: bool  # proved: nothing was opened, and the local port had been seen before
    connection: int  # serial of the connection, unique in the run
    use: int  # how many exchanges this connection had carried before, plus one
    local_port: int  # 0 where the stack had closed it before it could be asked for
    resumed: bool  # the connection resumed a TLS session
    http_version: str
    tls_version: str  # empty without TLS
    cipher: str  # empty without TLS, or where the stack does not tell
    remote: str  # address and port of the peer
    rtt_us: int | None  # the kernel's smoothed round-trip time after the exchange
    # Its first estimate, from the TCP handshake of this connection. Where the socket is
    # only seen after the exchange: the shortest round trip until then.
    syn_rtt_us: int | None
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
    def network_ns(self) -> int | None:
        """The sum of the phases of the network, in ns; None where not known."""
        if self.send_ns is None or self.wait_ns is None or self.receive_ns is None:
            return None
        opening = (self.dns_ns or 0) + (self.connect_ns or 0) + (self.tls_ns or 0)
        return opening + self.send_ns + self.wait_ns + self.receive_ns

    @property
    def client_ns(self) -> int | None:
        """Latency minus signing and the phases: what the HTTP library itself costs."""
        network_ns = self.network_ns
        if network_ns is None:
            return None
        return self.latency_ns - (self.sign_ns or 0) - network_ns


@quickly_pickled
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


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
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
