"""Messages between a lab and its parent."""

from __future__ import annotations

import json
import os
import select
import socket
import time

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_FDS = 64


class ChannelClosedError(Exception):
    """The process at the other end of a channel is gone."""


class Channel:
    """Lines of JSON, with file descriptors, over one end of a socket pair.

    There must never be more than one message with descriptors on its way: whatever
    arrived since the last message belongs to the next one.
    """

    def __init__(self, handle: socket.socket) -> None:
        self._socket = handle
        self._pending = b""
        self._fds: list[int] = []

    def fileno(self) -> int:
        """Return the descriptor, for `select`."""
        return self._socket.fileno()

    def send(
        self, message: dict[str, Any], fds: Iterable[int] = (), timeout_s: float = 10.0
    ) -> None:
        """Send a message.

        Raises:
            ChannelClosedError: The other end is gone, or does not read.
        """
        data = json.dumps(message).encode() + b"\n"
        self._socket.settimeout(timeout_s)
        try:
            sent = socket.send_fds(self._socket, [data], list(fds))
            self._socket.sendall(data[sent:])
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self, timeout_s: float) -> tuple[dict[str, Any], list[int]] | None:
        """Return the next message and its descriptors; None when none came in time.

        Raises:
            ChannelClosedError: The other end is gone, and all it sent was received.
        """
        end = time.monotonic() + timeout_s
        while b"\n" not in self._pending:
            left = max(0.0, end - time.monotonic())
            if not select.select((self._socket,), (), (), left)[0]:
                return None
            flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, 1 << 16, MAX_FDS, flags)
            except OSError as error:
                raise ChannelClosedError(str(error)) from error
            for fd in fds:
                os.set_inheritable(fd, False)
            self._fds += fds
            if not data:
                raise ChannelClosedError("end of file")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        fds, self._fds = self._fds, []
        message: dict[str, Any] = json.loads(line)
        return message, fds

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
