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
from typing import Any

from vestbench.model.simulated import HostCounters
from vestbench.simulator.http.messages import Request

MAX_CONNECTIONS = 20_000
MAX_REQUESTS = 100_000
MAX_HOSTS = 50  # that are counted by their name; a client can make up any
_MORE = "others"
# Such as a bot's token at Telegram, or an order: no path needs to show them.
_SECRET = re.compile(r"(?=[^/?&]*\d)(?=[^/?&]*[A-Za-z])[^/?&]{20,}")

Clock = Callable[[], int]


@dataclass(slots=True)
class SeenConnection:
    """One TCP connection."""

    serial: int
    dialled: str  # the address, which the link shows as the client's
    port: int  # the client's
    opened_ns: int
    host: str = ""  # by its name where one was looked up or asked for, else address
    tls: str = ""  # the version; empty is plain, or no handshake that was completed
    cipher: str = ""
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
    told_ns: int | None = None  # a WebSocket had told what became of it
    told_by: int = 0  # the connection of that
    told_to: int = 0  # bytes that had been sent on it then


@dataclass(slots=True)
class Account:
    """What was seen, in bounded memory."""

    clock: Clock = time.perf_counter_ns
    # The host by the address that was dialled, and by the `ssl.SSLContext` that a
    # handshake ended with.
    host_of: Callable[[str], str] = lambda address: address
    name_of: Callable[[Any], str] = lambda _: ""
    connections: list[SeenConnection] = field(default_factory=list)
    requests: list[SeenRequest] = field(default_factory=list)
    omitted_connections: int = 0
    omitted_requests: int = 0
    hosts: dict[str, HostCounters] = field(default_factory=dict)

    def open(self, peer: str, port: int) -> SeenConnection:
        """Keep a connection that was accepted."""
        serial = len(self.connections) + self.omitted_connections
        found = SeenConnection(serial, peer, port, self.clock(), self.host_of(peer))
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

    def count(self, host: str, *, first: bool) -> None:
        """Count a request to a host, which may be the first of its connection."""
        if host not in self.hosts and len(self.hosts) >= MAX_HOSTS:
            host = _MORE
        before = self.hosts.get(host, HostCounters())
        self.hosts[host] = HostCounters(
            connections=before.connections + first, requests=before.requests + 1
        )


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
        self._has_asked = False

    def secured(self, tls: Any, *, left: int) -> None:
        """Keep what was agreed on in a TLS handshake.

        Args:
            tls: The `ssl.SSLObject`.
            left: Bytes that came with the last of it, and belong to what follows.
        """
        seen = self.seen
        seen.tls = (tls.version() or "").removeprefix("TLSv")
        seen.cipher = (tls.cipher() or ("",))[0]
        seen.alpn = tls.selected_alpn_protocol() or ""
        seen.resumed = bool(tls.session_reused)
        seen.host = self._account.name_of(tls.context) or seen.host
        seen.ready_up = self.up - left

    def ready(self, speech: str) -> None:
        """Keep that requests can come from now on, and in which language."""
        self.seen.ready_ns, self.seen.speech = self._account.clock(), speech

    def refused(self, reason: str) -> None:
        """Keep why a handshake, or what follows it, could not be understood."""
        self.seen.refusal = reason.lower()
        by = "client" if "alert" in self.seen.refusal else "server"
        self.closes(by, "fin", "tls")

    def unreadable(self, why: str) -> None:
        """Keep why what the client has sent could not be read as HTTP."""
        self.seen.refusal = why

    def request(self, request: Request) -> SeenRequest:
        """Keep a request, all of which has come."""
        headers = request.headers
        host = headers.get("host", "")[:255]
        self._account.count(host or self.seen.host, first=not self._has_asked)
        self._has_asked = True
        return self._account.add(
            SeenRequest(
                connection=self.seen.serial,
                arrived_ns=self._account.clock(),
                method=request.method,
                path=shown_path(request),
                host=host,
                agent=headers.get("user-agent", "")[:200],
                up=self.up,
            )
        )

    def answers(self, request: SeenRequest) -> None:
        """Keep that an answer begins."""
        request.down_from = request.down_from or self.down

    def answered(self, request: SeenRequest) -> None:
        """Keep that all of an answer was written."""
        request.answered_ns, request.down_to = self._account.clock(), self.down

    def told(self, request: SeenRequest, connection: int, sent: int) -> None:
        """Keep that a WebSocket on another connection has told what became of it."""
        request.told_ns = self._account.clock()
        request.told_by, request.told_to = connection, sent

    def closes(self, by: str, how: str, reason: str = "") -> None:
        """Keep how the connection ends, the first time it is known."""
        seen = self.seen
        if seen.closed_ns is None:
            seen.closed_ns = self._account.clock()
            seen.closed_by, seen.how, seen.reason = by, how, reason


def shown_path(request: Request) -> str:
    """Return the path of a request as it may be shown, with the names of its query."""
    mark = "?" if request.query else ""
    return _SECRET.sub("…", request.path + mark + "&".join(request.query))[:300]
