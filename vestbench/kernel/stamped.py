"""The second descriptor of a connection, on which the kernel's stamps are read.

Linux only: whoever wants it has asked `timestamps.unsupported` before.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from functools import cache
from time import perf_counter_ns

from vestbench.kernel.timestamps import (
    FLAGS,
    SO_TIMESTAMPING,
    KernelStamps,
    software_stamp_ns,
)
from vestbench.model.request import NS_PER_MS, NS_PER_S

_MSG_ERRQUEUE = 0x2000
_ANCILLARY_BYTES = 512


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
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, FLAGS)
        return sock.detach()


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
        self._peek.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, FLAGS)
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
