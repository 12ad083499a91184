"""Where the final answer begins, after interim ones such as 103 Early Hints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from vestbench.stacks.wire.frames import DATA, END_STREAM, HEADERS, frames_in

Reads = Sequence[tuple[int, bytes]]  # clock reading and data of each read, in order

_SWITCHES = b"101"  # the last answer of its connection, and no interim one
_END = b"\r\n\r\n"


class Interim(NamedTuple):
    """The interim answers before a final one."""

    statuses: tuple[str, ...]
    final_ns: int  # clock reading of the read that has the first byte of the final one


def interim_of_http1(reads: Reads) -> Interim | None:
    """Return the interim answers at the beginning of `reads`, if there are any."""
    data = b"".join(each for _, each in reads)
    statuses, at = _final(data)
    if not statuses or at >= len(data):
        return None
    return Interim(tuple(statuses), _read_at(reads, at))


def end_of_http1(reads: Reads, body_bytes: int | None) -> int | None:
    """Return how many bytes answers have that end with one with such a body."""
    data = b"".join(each for _, each in reads)
    head = data.find(_END, _final(data)[1])
    return None if body_bytes is None or head < 0 else head + len(_END) + body_bytes


def _final(data: bytes) -> tuple[list[str], int]:
    """Return the statuses of interim answers, and where the one after them begins."""
    statuses: list[str] = []
    at = 0
    while (status := _status(data, at)).startswith(b"1") and status != _SWITCHES:
        end = data.find(_END, at)
        if end < 0:
            break
        statuses.append(status.decode("latin-1"))
        at = end + len(_END)
    return statuses, at


def interim_of_http2(reads: Reads) -> int:
    """Count the interim answers among frames of HTTP/2 that begin an exchange.

    Their headers are compressed, so their statuses are not looked at. Of the last
    stream, each header block before the one that the body follows, or that ends it.
    """
    blocks = _blocks(reads)
    return max(0, blocks[max(blocks)] - 1) if blocks else 0


def answers(reads: Reads) -> bool:
    """Say whether an answer of HTTP/2 begins in `reads`."""
    return bool(_blocks(reads))


def _blocks(reads: Reads) -> dict[int, int]:
    """Count the header blocks of each stream until its body or its end."""
    blocks: Counter[int] = Counter()
    done: set[int] = set()
    for kind, flags, stream in frames_in(b"".join(each for _, each in reads)):
        if kind == HEADERS and stream not in done:
            blocks[stream] += 1
        if kind == DATA or (kind == HEADERS and flags & END_STREAM):
            done.add(stream)
    return blocks


def _status(data: bytes, at: int) -> bytes:
    """Return the status of the answer that begins there; empty if none does."""
    version, _, rest = data[at : at + 12].partition(b" ")
    return rest[:3] if version.startswith(b"HTTP/1.") else b""


def _read_at(reads: Reads, offset: int) -> int:
    for stamp, data in reads:
        if offset < len(data):
            return stamp
        offset -= len(data)
    raise ValueError("beyond the last read")
