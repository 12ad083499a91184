"""Name resolution and TCP: the addresses of a host, and a socket to one of them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

from vestbench.kernel.sockets import Address, address_text
from vestbench.model.request import NS_PER_S
from vestbench.stacks.wire.failures import (
    ConnectError,
    NameResolutionError,
    WireError,
    WireTimeoutError,
    network_reason,
)

SocketOption = tuple[int, int, int]
Resolver = Callable[[str, int], list[tuple[int, Address]]]


def system_resolver(host: str, port: int) -> list[tuple[int, Address]]:
    """Return the address families and addresses of a host; it cannot be interrupted."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def addresses_of(host: str, port: int, resolver: Resolver) -> list[tuple[int, Address]]:
    """Return what `resolver` finds.

    Raises:
        NameResolutionError: It finds nothing.
    """
    try:
        return resolver(host, port)
    except OSError as error:
        raise NameResolutionError(
            f"cannot resolve {host}: {network_reason(error)}"
        ) from error
    except UnicodeError as error:  # the idna codec: a label empty or too long
        raise NameResolutionError(f"{host} is not a host name") from error


def is_literal(host: str) -> bool:
    """Say whether a host is an address, so that there is nothing to resolve."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Attempt(NamedTuple):
    """One address that was tried."""

    address: Address
    begun_ns: int  # making a socket and setting its options, 0.1 ms, comes before
    ended_ns: int
    failure: WireError | None  # None where it answered

    @property
    def lost_ns(self) -> int:
        """What was waited for nothing."""
        return self.ended_ns - self.begun_ns if self.failure is not None else 0


class Limits(NamedTuple):
    """How long opening a connection may take."""

    first_ns: int  # deadline of name resolution, the first address and TLS together
    each_ns: int  # what each further address may take, with TLS
    last_ns: int  # deadline of the whole exchange

    def deadline_ns(self, place: int, now_ns: int) -> int:
        """Return the deadline of the address at `place`, whose turn it is now."""
        own = now_ns + self.each_ns if place else self.first_ns
        return min(own, self.last_ns)


def connect_any(
    addresses: list[tuple[int, Address]],
    options: list[SocketOption],
    clock: Callable[[], int],
    limits: Limits,
    attempts: list[Attempt],
) -> tuple[socket.socket, int]:
    """Connect to the first address that answers, one after the other.

    As `socket.create_connection` does, on which the synchronous httpcore is built: each
    address has the whole connect timeout.

    Args:
        addresses: With their families, as a resolver gives them.
        options: Set on the socket before it connects.
        clock: Nanoseconds, monotonic.
        limits: By that clock.
        attempts: Takes those that are made, the successful one last.

    Returns:
        The socket, and the deadline of what is left of opening the connection.

    Raises:
        ConnectError: No address can be reached.
        WireTimeoutError: None has answered in time.
    """
    failures: list[tuple[Address, WireError]] = []
    for place, (family, address) in enumerate(addresses):
        deadline_ns = limits.deadline_ns(place, clock())
        left_ns = deadline_ns - clock()
        if left_ns <= 0:
            late = (
                "not tried, the request timeout had passed"
                if place
                else "connect timeout"
            )
            failures.append((address, WireTimeoutError(late)))
            break
        try:
            sock = _socket(family, options)
        except OSError as error:  # a kernel without IPv6
            failures.append((address, ConnectError(network_reason(error))))
            continue
        sock.settimeout(left_ns / NS_PER_S)
        begun_ns = clock()
        failure = _connect(sock, address)
        attempts.append(Attempt(address, begun_ns, clock(), failure))
        if failure is None:
            return sock, deadline_ns
        failures.append((address, failure))
    raise _all_failed(failures)


def _socket(family: int, options: list[SocketOption]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in options:
            sock.setsockopt(*option)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(sock: socket.socket, address: Address) -> WireError | None:
    """Connect, or close the socket and return why not."""
    try:
        sock.connect(address)
    except TimeoutError:
        sock.close()
        return WireTimeoutError("connect timeout")
    except OSError as error:
        sock.close()
        failure = ConnectError(network_reason(error))
        failure.__cause__ = error
        return failure
    except BaseException:
        sock.close()
        raise
    return None


def _all_failed(failures: list[tuple[Address, WireError]]) -> WireError:
    """Return the last failure; of several addresses it says what each one did."""
    if not failures:
        return ConnectError("the name has no address")
    last = failures[-1][1]
    if len(failures) == 1:
        return last
    each = (f"{address_text(address)}: {failure}" for address, failure in failures)
    return type(last)("; ".join(each))


class SharedAnswers:
    """Name resolution whose answer is the same for all sessions of a round.

    A name may have another address first each time it is asked for. Each connection
    still asks, because that takes time, but those of one round share the first answer.

    Args:
        resolve: Asks.
    """

    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve
        self._round: int | None = None
        self._answers: dict[tuple[str, int], list[tuple[int, Address]]] = {}

    def of(self, number: int | None) -> Resolver:
        """Return the resolver of a round; without one, no answer is kept."""
        if number is None:
            return self._resolve
        if number != self._round:
            self._round, self._answers = number, {}
        return partial(self._shared, self._answers, number)

    def _shared(
        self,
        answers: dict[tuple[str, int], list[tuple[int, Address]]],
        number: int,
        host: str,
        port: int,
    ) -> list[tuple[int, Address]]:
        found = self._resolve(host, port)
        return answers.setdefault((host, port), in_turn(found, number))


def in_turn(found: list[tuple[int, Address]], number: int) -> list[tuple[int, Address]]:
    """Return addresses in the order for a round.

    Which family comes first is the system's choice (RFC 6724). Which address of it does
    is a name server's lot, and here each one's turn, so that rounds share them out.
    """
    first = sorted(each for each in found if each[0] == found[0][0])
    rest = [each for each in found if each[0] != found[0][0]]
    turn = number % len(first) if first else 0
    return first[turn:] + first[:turn] + rest


def keepalive_options(idle_s: float) -> list[SocketOption]:
    """Return the socket options that reqwest sets for `tcp_keepalive(idle_s)`.

    reqwest since 0.12.23 probes every 15 s, three times, and gives up on unacknowledged
    data after 30 s; an idle time of 0 turns all of it off. Whole seconds, at least one.
    """
    if idle_s <= 0:
        return []
    options: list[SocketOption] = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    # macOS calls the idle time TCP_KEEPALIVE.
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
    for name, value in (
        (idle, max(1, round(idle_s))),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 30_000),
    ):
        number = getattr(socket, name, None)
        if number is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    return options
