"""The kernel's own stamps of a request that leaves and of an answer that arrives.

A window that a program measures is wider than the wire: waking up, decryption and the
interpreter are in it. The kernel stamps the segment instead (SO_TIMESTAMPING,
Documentation/networking/timestamping.rst), and the difference is what this host adds.

An ordinary measurement does none of this: to look at the first byte before reading it
takes time, which is part of the result.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from functools import cache
from time import perf_counter_ns

from vestbench.model.request import NS_PER_MS, NS_PER_S

# linux/net_tstamp.h and asm-generic/socket.h; Python has no names for them.
_SO_TIMESTAMPING = 37
_MSG_ERRQUEUE = 0x2000
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE, _OPT_TSONLY = 1 << 1, 1 << 3, 1 << 4, 1 << 11
_FLAGS = _TX_SOFTWARE | _RX_SOFTWARE | _SOFTWARE | _OPT_TSONLY

_ANCILLARY_BYTES = 512
_TIMESPEC = struct.Struct("@ll")  # the software stamp is the first of three
_BRACKETS = 5


def unsupported() -> str:
    """Return why this machine has no kernel timestamps; empty if it has."""
    if sys.platform != "linux":
        return f"{sys.platform} has no SO_TIMESTAMPING, only Linux has"
    with socket.socket() as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _FLAGS)
        except OSError as error:
            return f"this kernel refuses SO_TIMESTAMPING: {error.strerror}"
    return ""


def software_stamp_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the stamp among the control messages, in CLOCK_REALTIME; 0 is none."""
    for level, kind, data in ancillary:
        ours = (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPING)
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


@cache
def _keep_stamping() -> int:
    """Open one socket, so that the kernel keeps stamping arriving packets.

    The kernel begins a moment after the first socket has asked for it, and ends with
    the last one. Without this socket the first answers of each connection would have no
    stamp.

    Returns:
        A descriptor, which stays open for as long as the process lives.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _FLAGS)
        return sock.detach()


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


class StampedSocket:
    """Reads the stamps of a socket that another object reads and writes.

    An `SSLSocket` cannot return control messages, so this is a second descriptor of
    the same connection. It takes nothing out of the stream.

    Args:
        sock: A connected socket, shaken hands: what the handshake sent is not stamped.
    """

    def __init__(self, sock: socket.socket) -> None:
        _keep_stamping()
        self._sock = sock
        self._peek = socket.socket(fileno=os.dup(sock.fileno()))
        self._peek.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, _FLAGS)
        self._poll = select.poll()
        self._poll.register(self._peek.fileno(), select.POLLIN)

    def sent(self, stamps: KernelStamps | None) -> bool:
        """Empty the error queue, in which departures are; call it right after a send.

        While the queue is not empty, every wait for the socket returns at once.

        Args:
            stamps: Get the first departure; None throws all away.

        Returns:
            Whether there was any.
        """
        found = False
        while stamp := self._departure():
            found = True
            if stamps is not None:
                stamps.sent_ns = stamps.sent_ns or stamp
        return found

    def arrived(self, stamps: KernelStamps, timeout_s: float) -> None:
        """Wait for the first byte of the answer, and note when it had arrived.

        Without one in time nothing is noted; the read that follows says so.
        """
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return  # decrypted already: it arrived together with the read before
        deadline = perf_counter_ns() + int(timeout_s * NS_PER_S)
        while (left_ns := deadline - perf_counter_ns()) > 0:
            ready = self._poll.poll(left_ns // NS_PER_MS + 1)
            events = ready[0][1] if ready else 0
            if events & select.POLLERR and not self.sent(stamps):
                return  # a reset, whose error is left for the read that follows
            if events & select.POLLIN:
                stamps.arrived_ns = self._arrival()
                return

    def close(self) -> None:
        """Let go of the connection."""
        self._peek.close()

    def _departure(self) -> int:
        flags = _MSG_ERRQUEUE | socket.MSG_DONTWAIT
        try:
            ancillary = self._peek.recvmsg(0, _ANCILLARY_BYTES, flags)[1]
        except OSError:  # the queue is empty, or the connection is gone
            return 0
        return software_stamp_ns(ancillary)

    def _arrival(self) -> int:
        flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
        try:
            ancillary = self._peek.recvmsg(1, _ANCILLARY_BYTES, flags)[1]
        except OSError:  # reset since the poll
            return 0
        return software_stamp_ns(ancillary)
