"""Every connection led to one server, whatever address and port it was for.

A packet from the program to address D and port p goes up to the server's port, from D:
so the server sees as its client's address the one that the client has dialled. What the
server sends to D comes down as from D and p. The program's own port stays as it is, and
so does the checksum of the addresses. What passes is kept, with the time at which the
program's end saw it.
"""

from __future__ import annotations

import array
import socket
import sys

from vestbench.simulator.link.devices import LOCAL
from vestbench.simulator.link.messages import COLUMNS, Packets

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

MAX_PACKETS = 400_000  # 19 MB
_TCP, _SYN = 6, 2

# What is noted of a packet: connection, direction, flags, sequence, bytes.
Note = tuple[int, int, int, int, int]


class Catcher:
    """Translates packets, and keeps what is to be known of them.

    Args:
        port: Of the server, on the local address.
        header: Bytes of a frame before the packet.
    """

    def __init__(self, port: int, header: int) -> None:
        self._port = port.to_bytes(2, "big")
        self._header = header
        self._local = socket.inet_aton(LOCAL)
        # By address dialled and the program's port: the port dialled. A program that
        # has the same port open to two ports of one address loses the older one.
        self._dialled: dict[bytes, bytes] = {}
        self._columns = array.array("Q")
        self._omitted = 0
        self._others = 0

    def translated(self, frame: bytes) -> tuple[bytes, bool, Note] | None:
        """Return a frame as it goes on, whether it goes up, and what is noted of it.

        None is a packet that leads nowhere.
        """
        at = self._header
        tcp = at + (frame[at] & 15) * 4
        if frame[at + 9] != _TCP or frame[at + 6] & 0x3F or frame[at + 7]:
            self._others += 1  # another protocol, or a fragment
            return None
        host, source, target = (
            frame[at + 16 : at + 20],
            frame[tcp : tcp + 2],
            frame[tcp + 2 : tcp + 4],
        )
        goes_up = source != self._port
        dialled = target
        if not goes_up:
            dialled = self._dialled.get(host + target, b"")
            if not dialled:
                self._others += 1
                return None
        elif frame[tcp + 13] & _SYN:
            self._dialled[host + source] = target
        own = source if goes_up else target
        ports = own + self._port if goes_up else dialled + own
        old = target if goes_up else source
        new = self._port if goes_up else dialled
        note = _note(frame, at, tcp, host + dialled + own, up=goes_up)
        changed = (
            frame[: at + 12],
            host + self._local,
            frame[at + 20 : tcp],
            ports,
            frame[tcp + 4 : tcp + 16],
            _checksum(frame[tcp + 16 : tcp + 18], old, new),
            frame[tcp + 18 :],
        )
        return b"".join(changed), goes_up, note

    def keep(self, at_ns: int, note: Note) -> None:
        """Keep what was noted of a packet, with the time of the program's end."""
        if len(self._columns) >= COLUMNS * MAX_PACKETS:
            self._omitted += 1
        else:
            self._columns.append(at_ns)
            self._columns.extend(note)

    def packets(self) -> Packets:
        """Return all that was kept."""
        return Packets(
            columns=self._columns.tobytes(), omitted=self._omitted, others=self._others
        )


def _note(frame: bytes, at: int, tcp: int, connection: bytes, *, up: bool) -> Note:
    length = int.from_bytes(frame[at + 2 : at + 4], "big")
    length -= tcp - at + (frame[tcp + 12] >> 4) * 4
    sequence = int.from_bytes(frame[tcp + 4 : tcp + 8], "big")
    number = int.from_bytes(connection, "big")
    return number, int(up), frame[tcp + 13], sequence, length


def _checksum(present: bytes, old: bytes, new: bytes) -> bytes:
    """Return a checksum after one 16-bit word has been replaced (RFC 1624)."""
    total = ~int.from_bytes(present, "big") & 0xFFFF
    total += (~int.from_bytes(old, "big") & 0xFFFF) + int.from_bytes(new, "big")
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")
