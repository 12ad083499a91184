"""The names of the world: a DNS server that has an address for each of them.

It speaks what resolvers ask (RFC 1035, by UDP and TCP): A gets an address of the link,
its own for each name; of AAAA and all other types there is nothing.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import cast

PORT = 53
LOOPBACK = "127.0.0.1"
MAX_NAMES = 10_000
_FIRST = 0x0A630100  # 10.99.1.0; those before are the fixed links'
_A, _ANY_CLASS_IN = 1, 1
_TTL_S = 60
_HEAD = struct.Struct("!HHHHHH")
# An answer, with authority, recursion available; the name of the question again.
_FLAGS, _RECURSION_DESIRED, _REFUSED, _FORMAT_ERROR = 0x8480, 0x0100, 5, 1
_SAME_NAME = b"\xc0\x0c"


class Names:
    """Which name has which address, and how often each was asked for.

    Args:
        asked: Called with each name that is new.
    """

    def __init__(self, asked: Callable[[str], None] = lambda _: None) -> None:
        self._asked = asked
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def address_of(self, name: str) -> str | None:
        """Return the address of a name; None where there are too many names."""
        if name == "localhost" or name.endswith(".localhost"):
            return LOOPBACK
        if name not in self._addresses:
            if len(self._addresses) >= MAX_NAMES:
                return None
            number = _FIRST + len(self._addresses)
            address = socket.inet_ntoa(number.to_bytes(4, "big"))
            self._addresses[name], self._names[address] = address, name
            self._asked(name)
        return self._addresses[name]

    def name_of(self, address: str) -> str:
        """Return the name that has an address; empty where none has it."""
        return self._names.get(address, "")

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a query; empty to what is none."""
        try:
            number, flags, count, *_ = _HEAD.unpack_from(query)
            name, end = _read_name(query)
            kind, family = struct.unpack_from("!HH", query, end)
        except (struct.error, IndexError, ValueError):
            return query[:2] + _HEAD.pack(0, _FLAGS | _FORMAT_ERROR, 0, 0, 0, 0)[2:]
        if flags & 0x8000 or count != 1:
            return b""
        question = query[_HEAD.size : end + 4]
        found, code = b"", 0
        self.counts[name] += kind == _A
        address = self.address_of(name)
        if address is None:
            code = _REFUSED
        elif kind == _A and family == _ANY_CLASS_IN:
            record = struct.pack("!HHIH", _A, _ANY_CLASS_IN, _TTL_S, 4)
            found = _SAME_NAME + record + socket.inet_aton(address)
        flags = _FLAGS | flags & _RECURSION_DESIRED | code
        head = _HEAD.pack(number, flags, 1, int(bool(found)), 0, 0)
        return head + question + found


def _read_name(query: bytes) -> tuple[str, int]:
    """Return the name of a question in lower case, and where its type stands."""
    labels, at = [], _HEAD.size
    while length := query[at]:
        if length > 63:
            raise ValueError("a compressed name in a question")
        labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
        at += 1 + length
    return ".".join(labels), at + 1


class _ByUdp(asyncio.DatagramProtocol):
    def __init__(self, names: Names) -> None:
        self._names = names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._live = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if answer := self._names.answer(data):
            self._live.sendto(answer, addr)


class _ByTcp(asyncio.Protocol):
    """Each message has its length, of two bytes, before it."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._live = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= 2:
            end = 2 + int.from_bytes(self._data[:2], "big")
            if len(self._data) < end:
                return
            answer = self._names.answer(self._data[2:end])
            self._live.write(len(answer).to_bytes(2, "big") + answer)
            self._data = self._data[end:]


async def serve_names(names: Names, loop: asyncio.AbstractEventLoop) -> None:
    """Answer who asks for names on port 53 of loopback."""
    where = (LOOPBACK, PORT)
    await loop.create_datagram_endpoint(lambda: _ByUdp(names), local_addr=where)
    await loop.create_server(lambda: _ByTcp(names), *where)
