"""The TCP sockets of this process as the kernel knows them.

A library that hides its sockets still has them in the descriptor table of the process
that it runs in. Nothing is kept open here: a descriptor that was left over would keep
the connection from being closed.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from vestbench.kernel.tcp_info import TcpInfo, tcp_info

Address = tuple[Any, ...]  # as the family of a socket has it

_TABLE = "/proc/self/fd"
_NET = ("/proc/self/net/tcp", "/proc/self/net/tcp6")

# FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSING (linux/tcp_states.h): of who closes first.
_CLOSED_FIRST = ("04", "05", "06", "0B")


@dataclass(frozen=True, slots=True)
class SocketState:
    """One TCP socket at one moment."""

    local_port: int
    remote: str  # empty once the peer is gone
    bytes_sent: int
    info: TcpInfo


def scan(port: int) -> dict[int, SocketState]:
    """Return this process's TCP sockets to that port of whatever host, by inode.

    A socket whose peer is gone no longer tells its port, so each of these is returned.

    The kernel counts inodes up, so two sockets of one run never have the same. This
    takes some 0.1 ms; call it between two requests.
    """
    found: dict[int, SocketState] = {}
    for descriptor in map(int, os.listdir(_TABLE)):
        with suppress(OSError):
            # Most descriptors are no sockets; to ask a copy of each costs much more.
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            with _duplicate(descriptor) as copy:
                inode = os.fstat(copy.fileno()).st_ino
                state = _state(copy)
            if state is not None and state.remote.rpartition(":")[2] in ("", str(port)):
                found[inode] = state
    return found


def closed_first(local_port: int, port: int) -> bool:
    """Say whether this end of a connection between two ports was closed first.

    Who closes second, is reset, or resets, leaves no trace. Look within a minute.
    """
    ends = [f"{local_port:04X}", f"{port:04X}"]
    for table in _NET:
        with suppress(OSError), open(table, encoding="ascii") as lines:
            for _, *found, state, _ in (line.split(maxsplit=4) for line in lines):
                ports = [each.rpartition(":")[2] for each in found]
                if ports == ends and state in _CLOSED_FIRST:
                    return True
    return False


@contextmanager
def _duplicate(descriptor: int) -> Iterator[socket.socket]:
    """Yield a socket for a copy of a descriptor that another object owns.

    Its owner may close the descriptor meanwhile, and the number may be given to another
    file; what is read from the copy is always of one socket.
    """
    number = os.dup(descriptor)
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        os.close(number)
        raise OSError("no socket")
    with socket.socket(fileno=number) as copy:
        yield copy


def _state(sock: socket.socket) -> SocketState | None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    if sock.type != socket.SOCK_STREAM:
        return None
    info = tcp_info(sock)
    if info is None or info.bytes_sent is None:
        return None
    try:
        remote = address_text(sock.getpeername())
    except OSError:
        remote = ""
    return SocketState(sock.getsockname()[1], remote, info.bytes_sent, info)


def address_text(address: Address) -> str:
    """Return the address and port of a peer as one text."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
