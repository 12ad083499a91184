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
# The same of struct tcp_connection_info (bsd/netinet/tcp.h of XNU): tcpi_srtt,
# tcpi_txbytes and tcpi_txretransmitpackets.
_TCP_CONNECTION_INFO = 0x106
_MACOS_FIELDS = struct.Struct("=44xI16xQ32xQ")
_MACOS_BYTES = 112


class TcpInfo:
    """The kernel's figures of one connection at one moment."""

    __slots__ = ("bytes_sent", "min_rtt_us", "retransmits", "rtt_us", "whole_ms")

    def __init__(
        self,
        rtt_us: int,
        retransmits: int,
        min_rtt_us: int | None = None,
        bytes_sent: int | None = None,
        *,
        whole_ms: bool = False,
    ) -> None:
        self.rtt_us = rtt_us  # smoothed round-trip time
        self.retransmits = retransmits  # segments sent again in the connection's life
        self.min_rtt_us = min_rtt_us  # None where the kernel is too old to tell
        self.bytes_sent = bytes_sent  # those sent again included; None as above
        self.whole_ms = whole_ms  # what round trips are counted in


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Read the kernel's figures of a connection.

    Returns:
        None where the system has none, or the socket is closed.
    """
    found: TcpInfo | None = None
    if sys.platform == "linux":
        found = of_linux(_option(sock, socket.TCP_INFO, _LATER_FIELDS.size))
    elif sys.platform == "darwin":
        found = of_macos(_option(sock, _TCP_CONNECTION_INFO, _MACOS_BYTES))
    return found


def _option(sock: socket.socket, option: int, size: int) -> bytes:
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, option, size)
    except OSError:  # closed meanwhile
        return b""


def of_linux(raw: bytes) -> TcpInfo | None:
    """Decode a `struct tcp_info`; None where it is too short to say anything."""
    if len(raw) < _FIELDS.size:
        return None
    later = _LATER_FIELDS.unpack(raw) if len(raw) == _LATER_FIELDS.size else ()
    return TcpInfo(*_FIELDS.unpack_from(raw), *later)


def of_macos(raw: bytes) -> TcpInfo | None:
    """Decode a `struct tcp_connection_info`, whose times are whole milliseconds.

    None where it is too short, or no round trip of a millisecond was measured.
    """
    if len(raw) < _MACOS_FIELDS.size:
        return None
    srtt_ms, sent, again = _MACOS_FIELDS.unpack_from(raw)
    if not srtt_ms:
        return None
    return TcpInfo(1_000 * srtt_ms, again, bytes_sent=sent, whole_ms=True)
