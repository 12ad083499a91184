"""The simulated exchange and the emulated link: what is asked of them and reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vestbench import defaults


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
    engine: str = defaults.ENGINE  # auto, packet, tun or relay


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
    tls: str = defaults.TLS  # 1.3 or 1.2: the only version offered
    tickets: bool = True  # TLS sessions can be resumed, in either version
    http2: bool = False  # HTTP/2 is offered besides HTTP/1.1; needs the extra http2
    idle_timeout_s: float = defaults.IDLE_TIMEOUT_S
    max_requests: int = 0  # per connection; 0 is no limit
    processing_ms: float = defaults.PROCESSING_MS
    order_processing_ms: float | None = None  # of orders and cancels; None is the same
    contract: str = "development"  # production or development: whose proofs are valid
    rate_limit: float = 0.0  # requests per second of an account or address; 0 is none
    # Addresses and names that the certificate is valid for, besides loopback.
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedAnswer:
    """What a host that is no venue answers to one request."""

    method: str
    host: str
    path: str  # decoded
    query: Mapping[str, str]
    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSpec:
    """The exchange as the whole world of a program: every name and every host."""

    answers: tuple[CannedAnswer, ...] = ()
    answer_status: int = 200  # for what `answers` does not have, with the body {}
    strict_keys: bool = False  # API keys are those of registrations, no others


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """One link engine on this machine: a refusal, or what it achieved."""

    engine: str
    refusal: Refusal | None = None
    setup_ms: float | None = None  # from nothing to a link that was tested
    # Median of five handshakes at 20 ms; None for the relay, which has no kernel's.
    kernel_rtt_ms: float | None = None
    congestion_control: str = ""  # inside


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineReport:
    """This machine as a place to measure on. Absent is None, or empty for a name."""

    platform: str
    kernel: str
    python: str
    uid: int | None
    engines: tuple[EngineReport, ...]
    use: str  # the engine that `auto` takes; empty when none works
    cpu_count: int | None
    load_average: float | None  # over the last minute
    steal_percent: float | None  # of all CPU time, while this was found out
    congestion_control: str  # outside of any lab
    tun_device: str  # mode and owner of /dev/net/tun
    timer_slack_ns: int | None
    sleep_overshoot_us: float  # median excess of a sleep of 1 ms
    clock_resolution_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCounters:
    """What clients have sent to one host."""

    connections: int = 0  # with a request at least
    requests: int = 0

    @property
    def reused(self) -> int:
        """Requests whose connection had carried another before."""
        return self.requests - self.connections


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCounters:
    """What the exchange has counted since its start."""

    connections: int  # accepted, whether or not the TLS handshake succeeded
    handshakes: int  # completed
    resumed: int  # of these, the ones that resumed a TLS session
    requests: int  # taken up, the malformed ones included
    requests_per_connection: tuple[int, ...]  # by serial, for completed handshakes
    open_connections: int  # as the exchange sees it now
    # Why it or the client ended connections: idle, max_requests, asked (by the
    # client's Connection: close), client, behaviour, error (malformed), stop,
    # websocket (closed with a code).
    closes: Mapping[str, int]
    websockets: int  # connections that became one
    # Codes that the exchange has sent; "none" answers a client's close without a code.
    websocket_closes: Mapping[str, int]
    # By the host of a request's header; empty where no account is kept.
    hosts: Mapping[str, HostCounters] = field(default_factory=dict)
