"""What an exchange keeps of each connection and request, where an account is wanted.

Times are those of `perf_counter_ns`, which all processes of a machine share. Bytes are
counted from the start of a connection, as they are on the wire, so that a packet can be
found for each of them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_CONNECTIONS = 20_000
MAX_REQUESTS = 100_000
# Such as a bot's token at Telegram, or an order: no path needs to show them.
_SECRET = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[^/]{20,}")

Clock = Callable[[], int]


@dataclass(slots=True)
class SeenConnection:
    """One TCP connection."""

    serial: int
    peer: str  # the client's address and port
    port: int
    opened_ns: int
    server_name: str = ""  # that TLS asked for
    tls: str = ""  # the version; empty is plain, or no handshake that was completed
    alpn: str = ""
    resumed: bool = False
    speech: str = ""  # http/1.1, h2, or empty: nothing that could be read
    ready_ns: int | None = (
        None  # the handshake was complete; of plain HTTP the first byte
    )
    ready_up: int = 0  # bytes that the client had sent for it
    closed_ns: int | None = None  # the first sign of its end
    closed_by: str = ""  # client or server
    how: str = ""  # fin or rst
    reason: str = ""  # of the exchange
    refusal: str = ""  # the alert by which the client ended the handshake


@dataclass(slots=True)
class SeenRequest:
    """One request."""

    connection: int
    arrived_ns: int  # all of it
    method: str
    path: str  # with the names of its query, without their values
    host: str
    agent: str
    up: int  # bytes that the client had sent when it was whole
    answered_ns: int | None = None  # all of the answer was written
    status: int | None = None
    down_from: int = 0  # bytes that the exchange had sent before the answer
    down_to: int = 0  # and after it


@dataclass(slots=True)
class Account:
    """What was seen, in bounded memory."""

    clock: Clock = time.perf_counter_ns
    connections: list[SeenConnection] = field(default_factory=list)
    requests: list[SeenRequest] = field(default_factory=list)
    omitted_connections: int = 0
    omitted_requests: int = 0

    def open(self, peer: str, port: int) -> SeenConnection:
        """Keep a connection that was accepted."""
        serial = len(self.connections) + self.omitted_connections
        found = SeenConnection(serial, peer, port, self.clock())
        if len(self.connections) < MAX_CONNECTIONS:
            self.connections.append(found)
        else:
            self.omitted_connections += 1
        return found

    def add(self, request: SeenRequest) -> SeenRequest:
        """Keep a request."""
        if len(self.requests) < MAX_REQUESTS:
            self.requests.append(request)
        else:
            self.omitted_requests += 1
        return request


class Witness:
    """Keeps what happens on one connection.

    Args:
        account: Where it is kept.
        peer: The client's address and port.
    """

    def __init__(self, account: Account, peer: tuple[str, int]) -> None:
        self._account = account
        self.seen = account.open(*peer)
        self.up = 0  # bytes taken of what the client has sent
        self.down = 0  # bytes sent

    def ready(self) -> None:
        """Requests can come from now on."""
        self.seen.ready_ns = self._account.clock()
        self.seen.ready_up = self.up

    def request(self, method: str, target: str, host: str, agent: str) -> SeenRequest:
        """Keep a request, all of which has come."""
        arrived = self._account.clock()
        path = shown_path(target)
        return self._account.add(
            SeenRequest(
                self.seen.serial, arrived, method, path, host, agent[:200], self.up
            )
        )

    def answer(self, request: SeenRequest, status: int | None, before: int) -> None:
        """Keep that all of an answer was written, from byte `before` on."""
        request.answered_ns = self._account.clock()
        request.status, request.down_from, request.down_to = status, before, self.down

    def closes(self, by: str, how: str, reason: str = "") -> None:
        """Keep how the connection ends, the first time it is known."""
        seen = self.seen
        if seen.closed_ns is None:
            seen.closed_ns = self._account.clock()
            seen.closed_by, seen.how, seen.reason = by, how, reason


def shown_path(target: str) -> str:
    """Return the path of a target as it may be shown, with the names of its query."""
    path, mark, query = target.partition("?")
    names = "&".join(part.partition("=")[0] for part in query.split("&"))
    return (_SECRET.sub("…", path) + mark + _SECRET.sub("…", names))[:300]
