"""The stamps of one exchange and the connection that carried it: what proves reuse."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from vestbench.kernel.timestamps import KernelStamps
from vestbench.stacks.wire.connecting import Address

if TYPE_CHECKING:
    from vestbench.stacks.timing import TimedStream

# Bytes of struct tcp_info (linux/tcp.h) that are read here; it only grows at its end.
_TCP_INFO_BYTES = 104
_RTT_OFFSET = 68  # u32, smoothed round-trip time in microseconds
_RETRANS_OFFSET = 100  # u32, segments sent again in the life of the connection


class TcpInfo(NamedTuple):
    """What the kernel says of a connection."""

    rtt_us: int
    retransmits: int


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Read the kernel's round-trip time and retransmissions, or None if it has none."""
    if sys.platform != "linux":
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:  # closed meanwhile
        return None
    if len(raw) < _TCP_INFO_BYTES:
        return None
    return TcpInfo(
        struct.unpack_from("=I", raw, _RTT_OFFSET)[0],
        struct.unpack_from("=I", raw, _RETRANS_OFFSET)[0],
    )


class Connection:
    """What stays the same in the life of one connection, and how often it was used."""

    __slots__ = (
        "cipher",
        "http2",
        "local_port",
        "remote",
        "resumed",
        "retransmits_seen",
        "serial",
        "syn_rtt_us",
        "tls_version",
        "uses",
    )

    def __init__(self, serial: int, sock: socket.socket, peer: Address) -> None:
        self.serial = serial
        self.local_port: int = sock.getsockname()[1]
        host, port = peer[:2]  # the kernel forgets it when the peer resets
        self.remote = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        info = tcp_info(sock)
        self.syn_rtt_us = info.rtt_us if info else None
        self.retransmits_seen = 0
        self.tls_version = ""
        self.cipher = ""
        self.resumed = False
        self.http2 = False
        self.uses = 0


class Timestamps:
    """The stamps of one exchange, in `perf_counter_ns` readings; 0 is "not yet"."""

    __slots__ = (
        "connect_deadline_ns",
        "connect_ns",
        "connection",
        "deadline_ns",
        "dns_ns",
        "first_read",
        "first_write",
        "head",
        "info",
        "joins",
        "kernel",
        "last_read",
        "last_write",
        "opened",
        "peer_closed",
        "sent",
        "stream",
        "tls_ns",
        "use",
    )

    def __init__(self, deadline_ns: int, *, joins: bool = False) -> None:
        self.deadline_ns = deadline_ns
        self.joins = joins  # header and body leave in one write
        self.connect_deadline_ns = deadline_ns
        self.dns_ns: int | None = None
        self.connect_ns: int | None = None
        self.tls_ns: int | None = None
        self.first_write = self.last_write = 0
        self.sent = 0  # where the last write is not the request's: HTTP/2 acknowledges
        self.first_read = self.last_read = 0
        self.opened = 0  # connections this exchange tried to open
        self.peer_closed = False  # the end of the stream was read
        self.head = b""  # the first bytes of the answer
        self.connection: Connection | None = None  # the one that carried it
        self.stream: TimedStream | None = None
        self.use = 0  # of the connection: how many exchanges it has carried with this
        self.info: TcpInfo | None = None  # where the stream was closed inside
        self.kernel: KernelStamps | None = None  # where they are asked for

    def trace(self, event: str, _info: Any) -> None:
        """Take the trace events of HTTP/2, which reads and writes on its own account.

        Its settings may arrive before the response and are acknowledged after the
        request, so the first read and the last write are not the exchange's.
        """
        if event == "http2.send_request_body.complete":
            self.sent = self.last_write
        elif event == "http2.receive_response_headers.complete":
            self.first_read = self.last_read

    def carried_by(self, stream: TimedStream, connection: Connection, use: int) -> None:
        """Take note of what carries the exchange."""
        self.stream, self.connection, self.use = stream, connection, use

    def phases(self) -> tuple[int, int, int]:
        """Return the durations of send, wait and receive, in nanoseconds."""
        sent = self.sent or self.last_write
        return (
            sent - self.first_write,
            self.first_read - sent,
            self.last_read - self.first_read,
        )

    def reused(self) -> bool:
        """Proof of reuse: nothing was opened, and the connection had served before.

        The local port is asked of the kernel again where the socket is still open.
        """
        if self.opened or self.connection is None or self.use < 2:
            return False
        port = self.stream.local_port() if self.stream is not None else 0
        return port in (0, self.connection.local_port)
