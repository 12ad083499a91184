"""Keeps the processes that tests start from reaching anything but this machine.

`tests/conftest.py` puts this folder on PYTHONPATH, so every Python that a test starts
imports it first. The test process itself is guarded there.
"""

import socket
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

_ALLOWED = tuple(map(ip_network, ("127.0.0.0/8", "::1/128", "10.98.0.0/15")))


def _is_outside(host: str) -> bool:
    if host in ("", "localhost"):
        return False
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return not host.endswith((".invalid", ".test"))  # never exist (RFC 6761)
    return not any(address in network for network in _ALLOWED)


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        inet = self.family in (socket.AF_INET, socket.AF_INET6)
        if inet and _is_outside(str(address[0])):
            # No OSError: the code under test must not take it for a failed request.
            raise RuntimeError(f"a test tried to connect to {address[0]}")
        return connect(self, address)

    return guarded


def _guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host or "")
        if _is_outside(name):
            raise RuntimeError(f"a test tried to look up {name}")
        return lookup(host, *rest, **named)

    return guarded


for _name in ("connect", "connect_ex"):
    setattr(socket.socket, _name, _guarded(getattr(socket.socket, _name)))
socket.getaddrinfo = _guarded_lookup(socket.getaddrinfo)
