"""What the kernel knows of a TCP connection: round trips, retransmissions, bytes sent.

The simulated venue's lab reads this as well, while nothing else is loaded, so this
imports neither `typing` nor `dataclasses`.
"""

from __future__ import annotations

import socket
import struct
import sys

# Where struct tcp_info (linux/tcp.h) has what is read here; it only grows at its end.
_FIELDS = struct.Struct("=68xI28xI")
_LATER_FIELDS = struct.Struct("=148xI48xQ")  # since Linux 4.19


class TcpInfo:
    """The kernel's figures of one connection at one moment."""

    __slots__ = ("bytes_sent", "min_rtt_us", "retransmits", "rtt_us")

    def __init__(
        self,
        rtt_us: int,
        retransmits: int,
        min_rtt_us: int | None = None,
        bytes_sent: int | None = None,
    ) -> None:
        self.rtt_us = rtt_us  # smoothed round-trip time
        self.retransmits = retransmits  # segments sent again in the connection's life
        self.min_rtt_us = min_rtt_us  # None where the kernel is too old to tell
        self.bytes_sent = bytes_sent  # those sent again included; None as above


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Read the kernel's figures of a connection.

    Returns:
        None where the system has none, or the socket is closed.
    """
    if sys.platform != "linux":
        return None
    size = _LATER_FIELDS.size
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    except OSError:  # closed meanwhile
        return None
    if len(raw) < _FIELDS.size:
        return None
    later = _LATER_FIELDS.unpack(raw) if len(raw) == size else ()
    return TcpInfo(*_FIELDS.unpack_from(raw), *later)
