"""One HTTP exchange: what is sent, its place in the plan, and what became of it.

These records go between processes, and by the million to disk and back, so they pickle
quickly. Clock readings and measured durations are integer nanoseconds (`_ns`); only
`report` and `results` turn them into milliseconds. Absent is `None`, never 0 or NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import inf
from operator import attrgetter
from typing import Any, Protocol, TypeVar

NS_PER_MS = 1_000_000


NS_PER_S = 1_000_000_000


Record = TypeVar("Record")


def quickly_pickled(record: type[Record]) -> type[Record]:
    """Pickle a frozen dataclass with slots, of two fields or more, by its values.

    Dataclasses look up the fields of each instance, which takes as long as the rest.
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


class Role(StrEnum):
    """What the plan wants a request to be; whether it was is in `Sample.reused`."""

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
class Subscription:
    """What a client wants of a WebSocket."""

    query: str = field(repr=False)  # added to that of the URL; it holds a key
    words: tuple[str, ...]  # texts to say when it is open
    greeting: str  # is in the first event that these lead to
    event: str  # is in each event of a request that leads to one


class Signer(Protocol):
    """Signs on behalf of a venue, which alone knows what is signed and how."""

    def prepare(self) -> None:
        """Do now what a first signature would have to wait for."""

    def complete(self, spec: RequestSpec) -> RequestSpec:
        """Return `spec` with its body built and signed."""


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
    content_type: str | None = None  # of the answer, such as text/html
    opened: int | None = None  # connections that it made; None where not known
    addresses: int | None = None  # tried for these; None where not known
    # The time lost on addresses that did not answer, before another one did, and which
    # they were; None without one, or where not known.
    unanswered_ns: int | None = None
    unanswered_by: str | None = None
    # Values of columns that have no field here, by what the field would be called.
    extra: Mapping[str, Any] | None = None

    @property
    def latency_ms(self) -> float:
        """The latency, in ms."""
        return self.latency_ns / NS_PER_MS

    @property
    def timed(self) -> tuple[float, bool]:
        """What it took in ms, and that it succeeded."""
        return self.latency_ms, True

    def failed(self, kind: FailureKind, detail: str) -> Failure:
        """Return the failure that an answer is after all, such as one of no use.

        Args:
            kind: Of the failure.
            detail: One line; never holds a header or a body.
        """
        return Failure(
            slot=self.slot,
            start_ns=self.start_ns,
            elapsed_ns=self.latency_ns,
            kind=kind,
            detail=detail,
            status=self.status,
            reused=self.reused,
        )


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
    retry_after_s: float | None = None  # what its Retry-After asked for
    opened: int | None = None  # as a sample's
    unanswered_by: str | None = None  # as a sample's
    extra: Mapping[str, Any] | None = None  # as a sample's

    @property
    def latency_ms(self) -> float:
        """Infinite: a failed request counts as one that took longer than any other."""
        return inf

    @property
    def timed(self) -> tuple[float, bool]:
        """What it took to fail in ms, and that it did not succeed."""
        return self.elapsed_ns / NS_PER_MS, False


Outcome = Sample | Failure


def taken_ns(outcome: Outcome) -> int:
    """Return what a request took, answered or not, in ns."""
    return outcome.latency_ns if isinstance(outcome, Sample) else outcome.elapsed_ns
