"""A server that tells in the length of each answer what it saw of the connection.

A sample keeps the length of the body and no header, so what the server says arrives
with every sample of every stack.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass

from tests.support.servers import PATIENCE_S, Visit
from vestbench.model.request import Sample

_CONNECTION = 100  # bytes for each; a connection carries fewer requests than that
_RESUMED = 100_000


@dataclass(frozen=True)
class Told:
    """What the server says of one request."""

    connection: int
    request: int  # on this connection, from 1
    resumed: bool

    @property
    def reused(self) -> bool:
        return self.request > 1


def tell(visit: Visit) -> None:
    """Answer one request with what there is to say of its connection."""
    resumed = isinstance(visit.sock, ssl.SSLSocket) and bool(visit.sock.session_reused)
    length = _CONNECTION * visit.number + visit.requests + _RESUMED * resumed
    visit.answer(b"x" * length)


def told(sample: Sample) -> Told:
    resumed, rest = divmod(sample.body_bytes, _RESUMED)
    connection, request = divmod(rest, _CONNECTION)
    return Told(connection, request, bool(resumed))


def telling(visit: Visit) -> None:
    """Answer every request with what there is to say of its connection."""
    while visit.request():
        tell(visit)


class Together:
    """Answers none of `width` requests before all of them have come."""

    def __init__(self, width: int) -> None:
        self._all = threading.Barrier(width)

    def wait(self) -> None:
        self._all.wait(PATIENCE_S)

    def __call__(self, visit: Visit) -> None:
        while visit.request():
            self.wait()
            tell(visit)
