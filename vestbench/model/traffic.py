"""What a program that is not ours sent: connections, requests, and when.

All times are ns since the start of the first run of the program, at the program's end
of the link where packets tell them; `None` where nothing does. What is only known at
the server says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from vestbench.model.stored import Count, Stored

Instant: TypeAlias = Annotated[int, Meta(ge=-(10**18), le=10**18)]
Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Side: TypeAlias = Literal["", "client", "server"]

UPGRADED = 101  # the status with which a connection becomes a WebSocket


class Program(Stored, frozen=True, kw_only=True):
    """One run of the program."""

    name: str  # without folder and arguments
    status: int  # as it exited; negative where a signal ended it
    ended_by: Literal["itself", "time", "enough", "signal"]
    began_ns: Instant
    ended_ns: Instant
    signal: Count = 0  # that vestbench was sent meanwhile
    left: Count = 0  # processes that it left behind


class Connection(Stored, frozen=True, kw_only=True):
    """One TCP connection that a program opened."""

    serial: Count  # in the order in which they were opened
    host: str  # by the name that was asked for (SNI, Host), or else the address
    address: str  # that was dialled
    port: Port  # that was dialled; 0 where it is not known
    client_port: Port
    opened_ns: Instant  # the SYN left
    run: Count = 0  # of which run of the program
    connected_ns: Instant | None = None  # the SYN-ACK came
    secured_ns: Instant | None = None  # the end of the handshake left (TLS 1.2: came)
    accepted_ns: Instant | None = None  # at the server
    ready_ns: Instant | None = None  # at the server: requests can come
    closed_ns: Instant | None = None  # None where it was open at the end
    closed_by: Side = ""
    how: Literal["", "fin", "rst"] = ""  # rst of a client: it left bytes unread
    # Of the server: idle, max_requests, asked (the client's Connection: close), ...
    reason: str = ""
    tls: str = ""  # the version; empty is plain, or no completed handshake
    cipher: str = ""
    alpn: str = ""
    speech: str = ""  # http/1.1, h2, or empty: nothing that could be read
    resumed: bool = False
    refusal: str = ""  # the alert with which the client refused, or what was unreadable
    round_trips: Count | None = None  # that the TLS handshake took
    retried: bool = False  # a HelloRetryRequest was one of them

    @property
    def place(self) -> tuple[int, str, int]:
        """What a connection has to be to, in the same run, to be used instead."""
        return self.run, self.host, self.port

    @property
    def multiplexed(self) -> bool:
        """Whether it carries several requests at the same time."""
        return self.speech == "h2"

    @property
    def connect_ns(self) -> int | None:
        """SYN to SYN-ACK."""
        return _between(self.opened_ns, self.connected_ns)

    @property
    def tls_ns(self) -> int | None:
        """SYN-ACK to the end of the handshake; None without TLS."""
        return _between(self.connected_ns, self.secured_ns) if self.tls else None

    @property
    def usable_ns(self) -> int | None:
        """When it could carry a request."""
        return self.secured_ns if self.tls else self.connected_ns


class Request(Stored, frozen=True, kw_only=True):
    """One request of a program, with what is known of its answer."""

    connection: Count  # its serial
    arrived_ns: Instant  # at the server: all of it
    method: str
    path: str  # with the names of its query, without their values
    host: str = ""  # as its header says
    agent: str = ""  # its user agent
    status: Count | None = None  # None where it was not answered
    answered_ns: Instant | None = None  # at the server: all of the answer was written
    began_ns: Instant | None = None  # its first packet left
    sent_ns: Instant | None = None  # its last packet left
    first_ns: Instant | None = None  # the first of the answer came
    ended_ns: Instant | None = None  # all of the answer had come
    # An event on a WebSocket had come that tells what became of it, such as an order;
    # without packets, it was sent.
    event_ns: Instant | None = None
    up_bytes: Count = 0  # on the wire
    down_bytes: Count = 0
    # After the handshake it left only when that was acknowledged: Nagle's algorithm.
    nagle_ns: Count = 0
    ack_ns: Count = 0  # a part of it waited so long for an acknowledgement

    @property
    def send_ns(self) -> int | None:
        """First packet to last packet of the request."""
        return _between(self.began_ns, self.sent_ns)

    @property
    def wait_ns(self) -> int | None:
        """Last packet of the request to the first of the answer."""
        return _between(self.sent_ns, self.first_ns)

    @property
    def receive_ns(self) -> int | None:
        """First packet of the answer to its last one."""
        return _between(self.first_ns, self.ended_ns)

    @property
    def start_ns(self) -> int:
        """When it began, as far as is known."""
        return self.arrived_ns if self.began_ns is None else self.began_ns

    @property
    def end_ns(self) -> int | None:
        """When its answer was there, as far as is known; None without an answer."""
        return self.answered_ns if self.ended_ns is None else self.ended_ns

    @property
    def upgraded(self) -> bool:
        """Whether it made a WebSocket of its connection."""
        return self.status == UPGRADED


class Traffic(Stored, frozen=True, kw_only=True):
    """The account of all that a program sent, in each of its runs."""

    programs: tuple[Program, ...] = ()
    connections: tuple[Connection, ...] = ()  # by their serial
    requests: tuple[Request, ...] = ()  # in the order in which they arrived
    names: Mapping[str, Count] = {}  # asked of DNS, and how often
    omitted_connections: Count = 0  # for which there was no room
    omitted_requests: Count = 0
    omitted_packets: Count = 0
    no_route: Count = 0  # packets to IPv6 addresses
    others: Count = 0  # packets that were not TCP

    def requests_of(self) -> dict[int, list[Request]]:
        """Return the requests of each connection, by its serial, in their order."""
        found: dict[int, list[Request]] = {each.serial: [] for each in self.connections}
        for request in self.requests:
            found.setdefault(request.connection, []).append(request)
        return found


def _between(begin: int | None, end: int | None) -> int | None:
    return None if begin is None or end is None else max(0, end - begin)
