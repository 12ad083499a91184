"""The frames of HTTP/2, as far as they are looked at from outside its library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

DATA, HEADERS, GOAWAY = 0, 1, 7  # kinds (RFC 9113, 6)
END_STREAM = 1  # a flag of the first two
_HEADER_BYTES = 9


class Frame(NamedTuple):
    """The header of one frame."""

    kind: int
    flags: int
    stream: int


def frames_in(data: bytes) -> Iterator[Frame]:
    """Yield the frames that begin in `data`, which begins with one."""
    at = 0
    while at + _HEADER_BYTES <= len(data):
        stream = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
        yield Frame(data[at + 3], data[at + 4], stream)
        at += _HEADER_BYTES + int.from_bytes(data[at : at + 3], "big")
