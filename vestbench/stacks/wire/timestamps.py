"""The stamps of one exchange: its phases, what carried it, and the proof of reuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from vestbench.kernel.sockets import address_text
from vestbench.kernel.tcp_info import TcpInfo
from vestbench.kernel.timestamps import KernelStamps, realtime_offset_ns
from vestbench.stacks.wire.connecting import Attempt
from vestbench.stacks.wire.connection import Carried, Connection, Opening


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
    connection: Connection | None = None  # the one that carried it
    stream: Carrier | None = None
    use: int = 0  # of the connection: how many exchanges it has carried with this
    info: TcpInfo | None = None  # where the stream was closed inside
    kernel: KernelStamps | None = None  # where they are asked for

    def carried_by(self, stream: Carrier, connection: Connection, use: int) -> None:
        """Take note of what carries the exchange."""
        self.stream, self.connection, self.use = stream, connection, use

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
        return Opening(self.opened, len(self.attempts), unanswered or None)

    def phases(self) -> Phases:
        """Return the durations of the phases, of an exchange that was answered."""
        sent = self.sent or self.last_write
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
            wait_ns=self.first_read - sent,
            receive_ns=self.last_read - self.first_read,
            kernel_send_ns=before_ns,
            kernel_receive_ns=after_ns,
        )

    def reused(self) -> bool:
        """Proof of reuse: nothing was opened, and the connection had served before.

        The local port is asked of the kernel again where the socket is still open.
        """
        if self.opened or self.connection is None or self.use < 2:
            return False
        port = self.stream.local_port() if self.stream is not None else 0
        return port in (0, self.connection.local_port)
