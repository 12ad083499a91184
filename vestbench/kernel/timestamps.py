"""The kernel's own stamps of a request that leaves and of an answer that arrives.

A window that a program measures is wider than the wire: waking up, decryption and the
interpreter are in it. The kernel stamps the segment instead (SO_TIMESTAMPING,
Documentation/networking/timestamping.rst), and the difference is what this host adds.

An ordinary measurement does none of this: to look at the first byte before reading it
takes time, which is part of the result.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from time import perf_counter_ns

from vestbench.model.request import NS_PER_S

# linux/net_tstamp.h and asm-generic/socket.h; Python has no names for them.
SO_TIMESTAMPING = 37
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE, _OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 11
FLAGS = _TX_SOFTWARE | _RX_SOFTWARE | _SOFTWARE | _OPT_TSONLY

_TIMESPEC = struct.Struct("@ll")  # the software stamp is the first of three
_BRACKETS = 5


def unsupported() -> str:
    """Return why this machine has no kernel timestamps; empty if it has."""
    if sys.platform != "linux":
        return f"{sys.platform} has no SO_TIMESTAMPING, only Linux has"
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, FLAGS)
        except OSError as error:
            return f"this kernel refuses SO_TIMESTAMPING: {error.strerror}"
    return ""


def software_stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the stamp among the control messages, in CLOCK_REALTIME; 0 is none."""
    for level, kind, data in ancillary:
        ours = (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING)
        if ours and len(data) >= _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return int(seconds * NS_PER_S + nanoseconds)
    return 0


def realtime_offset_ns(
    clock: Callable[[], int] = perf_counter_ns,
    realtime: Callable[[], int] = time.time_ns,
) -> int:
    """Return by how much CLOCK_REALTIME is ahead of `clock` just now.

    Of five readings between two of the clock the tightest counts: the others were
    interrupted. It is off by half of the bracket at most, which is under 1 us.
    """
    found = []
    for _ in range(_BRACKETS):
        before = clock()
        now = realtime()
        after = clock()
        found.append((after - before, now - (before + after) // 2))
    return min(found)[1]


class KernelStamps:
    """The stamps of one exchange, in CLOCK_REALTIME nanoseconds; 0 is "none"."""

    __slots__ = ("arrived_ns", "sent_ns")

    def __init__(self) -> None:
        self.sent_ns = 0  # the kernel let the first segment of the request go
        self.arrived_ns = 0  # the first segment of the answer had arrived

    def offsets(
        self, first_write: int, first_read: int, offset_ns: int
    ) -> tuple[int | None, int | None]:
        """Return what the host added before the wire and after it.

        Args:
            first_write: `perf_counter_ns` before the first write of the request.
            first_read: The same, after the read that returned the first of the answer.
            offset_ns: As `realtime_offset_ns` gives it.

        Returns:
            From the first write to the segment's departure, and from the arrival to
            the read, in nanoseconds; None where the kernel gave no stamp.
        """
        send = self.sent_ns - offset_ns - first_write if self.sent_ns else None
        receive = first_read + offset_ns - self.arrived_ns if self.arrived_ns else None
        return send, receive
