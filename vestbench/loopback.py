"""How a child that cannot be left a socket gets its end of a channel: over loopback.

That is so on Windows. A descriptor's number means nothing in a child there, and
`socket.share` wants the number of the process that will use the socket: in a virtual
environment `python.exe` is a launcher, and that process is its child.

The parent listens on a port of loopback, and the child connects to it. Any process of
this machine may connect too, or listen there once the parent is gone. So each shows the
other a token before anything else is said; the child is told both on its standard
input, which nobody else can read, as a command line can be.
"""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "tcp:"  # of what a child is told in place of a descriptor's number
_HOST = "127.0.0.1"
_TOKEN_BYTES = 32
_START_S = 60.0  # what a child may take to start; a scanner of viruses takes seconds
_SHOW_S = 2.0  # what either may take to show its token
_LOOK_EVERY_S = 0.1  # whether the child still lives


class Meeting:
    """Where a parent meets the child that it starts; a context manager.

    Attributes:
        word: The argument of the child that tells it where; no secret.
        secret: What the child has to be told on its standard input.
    """

    def __init__(self) -> None:
        self._listener = socket.socket()
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:  # Windows lets others listen on the same port else
            self._listener.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        self._listener.bind((_HOST, 0))
        self._listener.listen()
        self._child, self._parent = (os.urandom(_TOKEN_BYTES) for _ in range(2))
        self.word = f"{PREFIX}{self._listener.getsockname()[1]}"
        self.secret = self._child + self._parent

    def accept(self, lives: Callable[[], bool]) -> socket.socket | None:
        """Return the connection of the child; None if it ends or does not connect.

        Args:
            lives: Says whether the child still runs.
        """
        end = time.monotonic() + _START_S
        while time.monotonic() < end:
            if select.select((self._listener,), (), (), _LOOK_EVERY_S)[0]:
                handle, _ = self._listener.accept()
                if self._is_child(handle):
                    return handle
                handle.close()
            elif not lives():
                return None
        return None

    def _is_child(self, handle: socket.socket) -> bool:
        from hmac import compare_digest

        with suppress(OSError):
            if compare_digest(_shown(handle), self._child):
                handle.sendall(self._parent)
                _without_delay(handle)
                return True
        return False

    def __enter__(self) -> Meeting:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()


def join(word: str) -> socket.socket:
    """Return the connection to the parent, in the child.

    Raises:
        OSError: The parent is gone, or another process listens in its place.
    """
    secret = b""
    while piece := os.read(0, 2 * _TOKEN_BYTES - len(secret)):
        secret += piece
    port = int(word.removeprefix(PREFIX))
    handle = socket.create_connection((_HOST, port), _SHOW_S)
    handle.sendall(secret[:_TOKEN_BYTES])
    if _shown(handle) != secret[_TOKEN_BYTES:]:
        raise ConnectionAbortedError("another process listens in place of the parent")
    _without_delay(handle)
    return handle


def _shown(handle: socket.socket) -> bytes:
    """Read as many bytes as a token has, or fewer where that is all."""
    handle.settimeout(_SHOW_S)
    found = b""
    while len(found) < _TOKEN_BYTES:
        piece = handle.recv(_TOKEN_BYTES - len(found))
        if not piece:
            break
        found += piece
    return found


def _without_delay(handle: socket.socket) -> None:
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
