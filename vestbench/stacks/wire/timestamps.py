"""The stamps of one exchange: its phases, what carried it, and the proof of reuse."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from vestbench.kernel.sockets import address_text
from vestbench.kernel.tcp_info import TcpInfo
from vestbench.kernel.timestamps import KernelStamps, realtime_offset_ns
from vestbench.model.lost import Lost, LostConnection
from vestbench.model.request import FailureKind
from vestbench.stacks.wire.connecting import Attempt
from vestbench.stacks.wire.connection import Carried, Connection, Opening
from vestbench.stacks.wire.interim import (
    answers,
    end_of_http1,
    interim_of_http1,
    interim_of_http2,
)
from vestbench.stacks.wire.keeping import Said, goes_away

# What a failure before any byte of an answer means, on a connection that had served.
_EARLY = {FailureKind.RESET: Lost.RACE, FailureKind.PROTOCOL: Lost.LEFT_OVER}

_LONGEST_HEADER = 2**17  # bytes; libraries give up at less


class Carrier(Protocol):
    """The stream that an exchange went over, as far as its stamps need it."""

    def local_port(self) -> int:
        """Ask the kernel for the local port; 0 once the stream is closed."""

    def tcp_info(self) -> TcpInfo | None:
        """Read the kernel's figures of the connection; None once it is closed."""

    def keep_session(self) -> None:
        """Keep the TLS session for the next connection; outside the clock."""

    def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """The phases of one exchange, in nanoseconds, as `Sample` has them."""

    dns_ns: int | None = None
    unanswered_ns: int | None = None
    connect_ns: int | None = None
    tls_ns: int | None = None
    send_ns: int | None = None
    wait_ns: int | None = None
    receive_ns: int | None = None
    interim: str | None = None  # statuses of the interim answers before the final one
    kernel_send_ns: int | None = None
    kernel_receive_ns: int | None = None


@dataclass(slots=True)
class Timestamps:
    """The stamps of one exchange, in `perf_counter_ns` readings; 0 is "not yet"."""

    deadline_ns: int
    joins: bool = False  # header and body leave in one write
    connect_deadline_ns: int = 0
    dns_ns: int | None = None
    connect_ns: int | None = None
    tls_ns: int | None = None
    first_write: int = 0
    last_write: int = 0
    sent: int = 0  # where the last write is not the request's: HTTP/2 acknowledges
    first_read: int = 0
    last_read: int = 0
    opened: int = 0  # connections that this exchange made
    attempts: list[Attempt] = field(default_factory=list)  # addresses it tried
    peer_closed: bool = False  # the end of the stream was read
    head: bytes = b""  # the first bytes of the answer
    reads: list[tuple[int, bytes]] = field(default_factory=list)  # the first of them
    received: int = 0  # bytes that were read
    lost: Connection | None = None  # the one that it could not use
    connection: Connection | None = None  # the one that carried it
    stream: Carrier | None = None
    use: int = 0  # of the connection: how many exchanges it has carried with this
    info: TcpInfo | None = None  # where the stream was closed inside
    kernel: KernelStamps | None = None  # where they are asked for

    def carried_by(self, stream: Carrier, connection: Connection, use: int) -> None:
        """Take note of what carries the exchange; one before has not looked at it."""
        if self.connection is not None:
            self.connection.uses -= 1
        self.stream, self.connection, self.use = stream, connection, use

    def instead_of(self, lost: deque[Connection]) -> None:
        """Take note that a connection is opened in place of the first of these."""
        with suppress(IndexError):
            self.lost = lost.popleft()

    def keep(self, stamp: int, data: bytes) -> None:
        """Keep what was read as long as it may be a header."""
        if self.received < _LONGEST_HEADER:
            self.reads.append((stamp, data))
        self.received += len(data)

    def carried(self) -> Carried:
        """Return how the exchange was carried, with the kernel's figures after it.

        Call this once, after every exchange that was answered: what was sent again in
        one must not be counted to the next.
        """
        if self.connection is None:
            raise RuntimeError("a response came over no connection of ours")
        info = self.info
        if info is None and self.stream is not None:
            info = self.stream.tcp_info()
        return Carried(
            connection=self.connection,
            reused=self.reused(),
            use=self.use,
            rtt_us=info.rtt_us if info else None,
            retransmits=self.connection.look(info) if info else None,
            opening=self.opening(),
        )

    def opening(self) -> Opening:
        """Return what the exchange did to open connections."""
        failed = [each.address for each in self.attempts if each.failure is not None]
        unanswered = ", ".join(map(address_text, failed))
        lost = None if self.lost is None else self.lost.lost()
        return Opening(self.opened, len(self.attempts), unanswered or None, lost)

    def answered(self, answer: Said) -> None:
        """Take note of what an answer says of its connection; outside the clock."""
        if self.connection is None:
            return
        keeping = self.connection.keeping
        keeping.answered(self.last_read, answer)
        if not self.connection.http2:
            end = end_of_http1(self.reads, answer.body_bytes)
            keeping.left_over = end is not None and self.received > end

    def goes_away(self) -> bool:
        """Say whether the server of HTTP/2 has said that it takes no more requests."""
        return goes_away(b"".join(data for _, data in self.reads))

    def failed(self, kind: FailureKind) -> Opening:
        """Return what a failed exchange did to open connections, and to the one it had.

        It was the last on that one.
        """
        opening, connection = self.opening(), self.connection
        if connection is None:
            return opening
        keeping = connection.keeping
        keeping.failed = self._last_of(connection, kind)
        if keeping.failed is Lost.FAILED or opening.lost is not None:
            return opening
        idle_ns = max(0, self.first_write - keeping.last_ns)
        lost = LostConnection(keeping.failed, idle_ns, self.use - 1, keeping.said)
        return opening._replace(lost=lost)

    def _last_of(self, connection: Connection, kind: FailureKind) -> Lost:
        """Say what a failure means for the connection that it met.

        One that was reused and ended before an answer began was ended by its server
        while the request was under way. What was no answer was left over from the one
        before, if that had more bytes than it should or none have come since.
        """
        if not self.reused():
            return Lost.FAILED
        if connection.http2:
            ended = self.goes_away() or kind is FailureKind.RESET
            return Lost.RACE if ended and not answers(self.reads) else Lost.FAILED
        if self.first_read and not connection.keeping.left_over:
            return Lost.FAILED
        return _EARLY.get(kind, Lost.FAILED)

    def phases(self) -> Phases:
        """Return the durations of the phases, of an exchange that was answered."""
        sent, (interim, first) = self.sent or self.last_write, self._final()
        before_ns = after_ns = None
        if self.kernel is not None:
            before_ns, after_ns = self.kernel.offsets(
                self.first_write, self.first_read, realtime_offset_ns()
            )
        return Phases(
            dns_ns=self.dns_ns,
            unanswered_ns=sum(each.lost_ns for each in self.attempts) or None,
            connect_ns=self.connect_ns,
            tls_ns=self.tls_ns,
            send_ns=sent - self.first_write,
            wait_ns=first - sent,
            receive_ns=self.last_read - first,
            interim=interim,
            kernel_send_ns=before_ns,
            kernel_receive_ns=after_ns,
        )

    def _final(self) -> tuple[str | None, int]:
        """Return the interim answers, and when the first byte of the final one came."""
        if self.connection is not None and self.connection.http2:
            statuses = ["1xx"] * interim_of_http2(self.reads)
            return ", ".join(statuses) or None, self.first_read
        found = interim_of_http1(self.reads)
        if found is None:
            return None, self.first_read
        return ", ".join(found.statuses), found.final_ns

    def reused(self) -> bool:
        """Proof of reuse: nothing was opened, and the connection had served before.

        The local port is asked of the kernel again where the socket is still open.
        """
        if self.opened or self.connection is None or self.use < 2:
            return False
        port = self.stream.local_port() if self.stream is not None else 0
        return port in (0, self.connection.local_port)
