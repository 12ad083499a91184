"""One execution: the only source of truth for tables, pictures and verdicts.

What was asked for (the plan), what was known before the first request (the
conditions) and what was known at the end (the conclusion) are records whose fields are
the keys of a result file, in its order. A field that has its default is left out of
the file, so the default of a field always means: not there, or not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import (
    TYPE_CHECKING,
    Annotated,
    ClassVar,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
)

from msgspec import Meta

from vestbench.errors import InvalidValueError
from vestbench.model.request import NS_PER_MS, Failure, Outcome, Sample
from vestbench.model.stored import Count, Duration, Seed, Share, Stored
from vestbench.model.traffic import Traffic

# Those that there is a table of exact thresholds for.
Confidence: TypeAlias = Annotated[
    float, Meta(extra_json_schema={"enum": [0.9, 0.95, 0.99]})
]
Finite: TypeAlias = Annotated[float, Meta(ge=-9e9, le=9e9)]


def check_time(at: datetime, place: str) -> None:
    """Raise InvalidValueError for a time without a zone, or of no year of computers.

    In another zone the first and the last years of the calendar do not exist.
    """
    if at.tzinfo is None:
        raise InvalidValueError("expected a time zone", place)
    if not 1970 <= at.year < 3000:
        raise InvalidValueError(f"expected a year from 1970 on, got {at.year}", place)


Engine: TypeAlias = Literal["packet", "tun", "relay"]
TlsVersion: TypeAlias = Literal["1.2", "1.3"]


class Plan(Stored, frozen=True, kw_only=True):
    """What was asked for. Each study has a plan of its own, with these among others."""

    if TYPE_CHECKING:  # a base class with fields would put them before all others
        confidence: float
        interval_s: float  # mean pause between requests
        max_rate: float  # requests a second at most; 0 is no limit
        seed: int
        http2: bool
        assertions: tuple[str, ...]

    @property
    def judges_saving(self) -> bool:
        """Whether it is judged by its own target; by default without assertions."""
        return not self.assertions or getattr(self, "gate", False)

    def __post_init__(self) -> None:
        """Raise InvalidValueError for a confidence without a table of thresholds."""
        if self.confidence not in (0.9, 0.95, 0.99):
            raise InvalidValueError(
                f"expected 0.9, 0.95 or 0.99, got {self.confidence}", "confidence"
            )


# --- before the first request --------------------------------------------------------


class Pool(Stored, frozen=True, kw_only=True):
    """The five settings of the pool."""

    max_idle: Count
    idle_timeout_s: Duration
    tcp_keepalive_s: Duration
    connect_timeout_s: Duration
    request_timeout_s: Duration


class Link(Stored, frozen=True, kw_only=True):
    """The emulated link; absent without one."""

    engine: Engine
    rtt_ms: Duration
    jitter_ms: Duration
    loss: Share
    drift_ms_per_s: Finite
    seed: Seed
    refusals: tuple[str, ...]


class Exchange(Stored, frozen=True, kw_only=True):
    """The simulated exchange; absent on a real venue."""

    tls: TlsVersion
    processing_ms: Duration
    idle_timeout_s: Duration
    max_requests: Count
    http2: bool = False
    tickets: bool = True
    order_processing_ms: Duration | None = None


class Client(Stored, frozen=True, kw_only=True):
    """What a stack costs before its first request."""

    tls_context_ms: Duration | None = None  # the one in use, built once
    default_context_ms: Duration | None = None  # one with the usual trust store
    first_handshake_ms: Duration | None = None  # of the process, beyond the second


class ClockZero(Stored, frozen=True, kw_only=True):
    """When the clock of a run, or of its part from `from_ms` on, stood there."""

    from_ms: Duration
    at: datetime

    def __post_init__(self) -> None:
        """Refuse a time that no run can have."""
        check_time(self.at, "at")


class Conditions(Stored, frozen=True, kw_only=True):
    """What was known before the first request; all defaults if a run was killed before.

    A run that was not killed has all fields in `ALWAYS`.
    """

    ALWAYS: ClassVar[tuple[str, ...]] = (
        *("venue", "simulated", "endpoint", "method", "url", "strategy"),
        *("concurrency", "stack", "host", "kernel", "machine", "cpus", "load"),
        *("pool", "versions"),
    )

    venue: str = ""
    simulated: bool | None = None
    endpoint: str = ""
    method: str = ""
    url: str = ""
    strategy: str = ""
    concurrency: Count = 0
    stack: str = ""
    tls_context_ms: Duration | None = None  # as of `Client`, where there is one stack
    default_context_ms: Duration | None = None
    first_handshake_ms: Duration | None = None
    host: str = ""
    kernel: str = ""
    machine: str = ""
    cpus: Count | None = None
    load: Finite | None = None  # of the machine; -1 where there is no such figure
    signing: Literal["before the clock", "on the path"] | None = None
    auto_target_ms: Duration | None = None
    pool: Pool | None = None
    of_project: Mapping[str, str] = {}  # settings that ./vestbench.toml has set
    versions: Mapping[str, str] = {}
    clients: Mapping[str, Client] = {}  # by stack, where there are several
    unhonoured: Mapping[str, Mapping[str, str]] = {}  # settings, likewise
    exchange: Exchange | None = None
    link: Link | None = None
    clock: tuple[ClockZero, ...] = ()  # one for each part of a run that was resumed


# --- at the end ----------------------------------------------------------------------


class Orders(Stored, frozen=True, kw_only=True):
    """The orders that were sent, and what became of them."""

    sent: Count
    what: str
    filled: Count
    states: Mapping[str, Count]


class Server(Stored, frozen=True, kw_only=True):
    """What the simulated exchange counted."""

    connections: Count
    requests: Count


class LinkEnd(Stored, frozen=True, kw_only=True):
    """What the emulated link did; its times are from the run's start."""

    kernel_rtt_before_ms: tuple[Duration, ...]  # TCP_INFO of five connects
    kernel_rtt_after_ms: tuple[Duration, ...]
    compensation_us: Finite
    packets: Count
    dropped: Count  # asked for
    overflow: Count  # not asked for
    congestion_control: str
    mtu: Count
    disturbed: str  # the reason, or empty
    late_at_ms: tuple[Finite, ...]
    late_by_ms: tuple[Finite, ...]
    late_us: tuple[Finite, Finite, Finite, Finite] | None = None  # p50, p90, p99, max


class Conclusion(Stored, frozen=True, kw_only=True):
    """What was known at the end; only `interrupted` if a run was killed."""

    interrupted: bool  # the run ended before its plan did, by a signal
    stopped: str | None = None  # why it ended early; empty when it did not
    refused: bool = False  # the venue ended it, by refusals or by silence
    error: bool = False  # `stopped` is an error, and not what the venue asked for
    first_look: Count | None = None  # of a comparison: the first round with a verdict
    client_build_ms: tuple[Duration, ...] | None = None
    notes: tuple[str, ...] | None = None  # settings that a stack could not honour
    unmeasured: Count | None = None  # of a comparison: primers, warm-up requests
    client_build_stacks: tuple[str, ...] = ()  # of these builds, where they are several
    sign_ms: tuple[Duration, ...] = ()
    duration_s: Duration | None = None
    stolen_s: Duration | None = None  # processor time that the host took away
    orders: Orders | None = None
    # Connections that were opened for all requests, the unmeasured ones included; None
    # where a request does not tell, or where nothing else has counted them.
    opened: Count | None = None
    server: Server | None = None
    link: LinkEnd | None = None
    traffic: Traffic | None = None  # of a program that is not ours


KILLED = Conclusion(interrupted=True)

P = TypeVar("P", bound=Plan, covariant=True)


@dataclass(frozen=True, kw_only=True)
class RunOf(Generic[P]):
    """One execution of a study whose plans are of the type `P`."""

    command: str
    label: str
    started: datetime
    plan: P
    conditions: Conditions
    samples: Sequence[Sample]  # a tuple, or a `Spool` of too many for memory
    failures: Sequence[Failure]
    conclusion: Conclusion

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The samples, then the failures, all in memory."""
        return (*self.samples, *self.failures)

    @property
    def interrupted(self) -> bool:
        """True when the run ended before its plan did, by a signal."""
        return self.conclusion.interrupted

    @property
    def broken_off(self) -> str:
        """What ended it, if that was an error or the venue; empty otherwise."""
        end = self.conclusion
        return f"ended early: {end.stopped}" if end.error or end.refused else ""

    @property
    def judges_saving(self) -> bool:
        """Whether it is judged by the target of its plan: not if it was broken off."""
        return self.plan.judges_saving and not self.broken_off

    @property
    def name(self) -> str:
        """What tells it from other runs, live or stored."""
        started = f"{self.started.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        return f"{started}-{self.command}-{self.label}-{self.plan.seed}"

    def clock(self) -> Callable[[int], str]:
        """Return a function that gives the time in UTC of ns since the run's start.

        It is exact where the run knows when its clock was at zero; one that was
        resumed had several. Of older files it is that of the run's start, which was up
        to some seconds before.
        """
        zeros = self.conditions.clock or (ClockZero(from_ms=0.0, at=self.started),)
        parts = [(zero.from_ms * NS_PER_MS, zero.at) for zero in zeros]

        def time_of(ns: int) -> str:
            begin, at = max((p for p in parts if p[0] <= ns), default=parts[0])
            time = at.astimezone(UTC) + timedelta(microseconds=(ns - begin) / 1000)
            return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"

        return time_of

    @property
    def unanswered(self) -> str:
        """Why there is not a single response; empty if there is, or nothing failed."""
        if self.samples or not self.failures:
            return ""
        kinds = Counter(f"{each.kind}: {each.detail}" for each in self.failures)
        total = len(self.failures)
        why = "; ".join(
            f"{text} ({n} of {total} requests)" for text, n in kinds.items()
        )
        url = self.conditions.url or self.conditions.venue
        return f"no usable response from {url}: {why}"


Run: TypeAlias = RunOf[Plan]  # of any study
