"""Name resolution and TCP: the addresses of a host, and a socket to one of them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address

from vestbench.kernel.sockets import Address
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


def connect_any(
    addresses: list[tuple[int, Address]],
    options: list[SocketOption],
    clock: Callable[[], int],
    deadline_ns: int,
) -> tuple[socket.socket, Address, int]:
    """Connect to the first address that answers; they share the time left.

    Args:
        addresses: With their families, as a resolver gives them.
        options: Set on the socket before it connects.
        clock: Nanoseconds, monotonic.
        deadline_ns: By that clock.

    Returns:
        The socket, its peer, and when the first connect began: making a socket and
        setting its options, 0.1 ms, is no part of the phase.

    Raises:
        ConnectError: No address can be reached.
        WireTimeoutError: None has answered in time.
    """
    begun = 0
    failure: WireError = ConnectError("the name has no address")
    for position, (family, address) in enumerate(addresses):
        left_ns = deadline_ns - clock()
        if left_ns <= 0:
            raise WireTimeoutError("connect timeout")
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # a kernel without IPv6
            failure = ConnectError(network_reason(error))
            continue
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(left_ns / (len(addresses) - position) / NS_PER_S)
            begun = begun or clock()
            sock.connect(address)
        except TimeoutError:
            sock.close()
            failure = WireTimeoutError("connect timeout")
        except OSError as error:
            sock.close()
            failure = ConnectError(network_reason(error))
            failure.__cause__ = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock, address, begun
    raise failure


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
