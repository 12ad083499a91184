"""The packets of each connection, as the program's end of the link saw them."""

from __future__ import annotations

import array
import socket
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vestbench.simulator.link.messages import COLUMNS, Packets

_FIN, _SYN, _RST = 1, 2, 4
_WRAP = 0xFFFFFFFF
# A packet that leaves so shortly after another one came was sent because of it.
_AT_ONCE_NS = 1_000_000
_SHARE = 0.6  # of a round trip that an answer takes at least, whatever the jitter


@dataclass(slots=True)
class Stream:
    """The bytes of one direction: when so many of them had passed, in order."""

    times: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    _early: dict[int, int] = field(default_factory=dict)  # what came before a gap

    def take(self, at_ns: int, begin: int, length: int) -> None:
        """Take a packet; one that was sent before adds nothing."""
        done = self.ends[-1] if self.ends else 0
        self._early[begin] = max(begin + length, self._early.get(begin, 0))
        reached = done
        for start in sorted(self._early):
            if start > reached:
                break
            reached = max(reached, self._early.pop(start))
        if reached > done:
            self.times.append(at_ns)
            self.ends.append(reached)

    def beyond(self, count: int) -> int | None:
        """Return when the first byte after so many passed."""
        return self._at(bisect_right(self.ends, count))

    def reached(self, count: int) -> int | None:
        """Return when so many bytes had passed."""
        return self._at(bisect_left(self.ends, count))

    def between(self, low: int, high: int) -> Sequence[tuple[int, int]]:
        """Return times and lengths of the packets with the bytes from low to high."""
        first, last = bisect_right(self.ends, low), bisect_left(self.ends, high)
        places = range(first, min(last + 1, len(self.ends)))
        return [
            (self.times[n], self.ends[n] - (self.ends[n - 1] if n else 0))
            for n in places
        ]

    def _at(self, place: int) -> int | None:
        return self.times[place] if place < len(self.times) else None


@dataclass(slots=True)
class Flow:
    """The packets of one connection."""

    address: str
    port: int  # dialled
    client_port: int
    opened_ns: int
    sequence: int  # of its SYN
    connected_ns: int | None = None
    up: Stream = field(default_factory=Stream)
    down: Stream = field(default_factory=Stream)
    arrivals: list[int] = field(default_factory=list)  # of any packet from the server
    # The first FIN or RST of each side: when, and whether it was RST.
    client_end: tuple[int, bool] | None = None
    server_end: tuple[int, bool] | None = None
    _answer: int = 0  # the server's first sequence number

    def take(self, at_ns: int, *, up: bool, flags: int, seq: int, length: int) -> None:
        """Take a packet that is no SYN of the program's."""
        if up:
            if length:
                self.up.take(at_ns, (seq - self.sequence - 1) & _WRAP, length)
            if flags & (_FIN | _RST) and self.client_end is None:
                self.client_end = at_ns, bool(flags & _RST)
            return
        self.arrivals.append(at_ns)
        if flags & _SYN and self.connected_ns is None:
            self.connected_ns, self._answer = at_ns, seq
        if length:
            self.down.take(at_ns, (seq - self._answer - 1) & _WRAP, length)
        if flags & (_FIN | _RST) and self.server_end is None:
            self.server_end = at_ns, bool(flags & _RST)

    @property
    def rtt_ns(self) -> int | None:
        """The round trip of its handshake."""
        opened = self.opened_ns
        return None if self.connected_ns is None else self.connected_ns - opened

    def secured(self, up_bytes: int, *, answered: bool) -> int | None:
        """Return when a TLS handshake was over.

        Args:
            up_bytes: What the program sent for it.
            answered: Whether its last flight is the server's (a full one of TLS 1.2).
        """
        sent = self.up.reached(up_bytes)
        if sent is None or not answered:
            return sent
        answer = bisect_right(self.down.times, sent)
        followed = self.up.beyond(up_bytes)
        if answer == len(self.down.times):
            return sent
        came = self.down.times[answer]
        return came if followed is None or came < followed else sent

    def round_trips(self, until_ns: int) -> tuple[int, int]:
        """Return how often the program waited for the server until then.

        The second number is the bytes of what came the first time.
        """
        rtt = self.rtt_ns or 0
        trips, first, sent_ns = 0, 0, None
        for at_ns, is_up, length in self._payloads(until_ns):
            if is_up:
                sent_ns = at_ns
            elif sent_ns is not None and at_ns - sent_ns >= _SHARE * rtt:
                trips, sent_ns = trips + 1, None
            if not is_up and trips == 1 and sent_ns is None:
                first += length
        return trips, first

    def _payloads(self, until_ns: int) -> Iterator[tuple[int, bool, int]]:
        found = [
            (at_ns, is_up, end - begin)
            for is_up, stream in ((True, self.up), (False, self.down))
            for at_ns, begin, end in zip(
                stream.times, (0, *stream.ends), stream.ends, strict=False
            )
            if at_ns <= until_ns
        ]
        return iter(sorted(found))

    def waited_for_ack(self, since_ns: int, left_ns: int) -> bool:
        """Say whether a packet left only because an acknowledgement had come.

        Args:
            since_ns: When the program had sent what was acknowledged.
            left_ns: When the packet left.
        """
        rtt = self.rtt_ns
        if not rtt or rtt < 2 * _AT_ONCE_NS or left_ns - since_ns < _SHARE * rtt:
            return False
        last = bisect_right(self.arrivals, left_ns) - 1
        return last >= 0 and left_ns - self.arrivals[last] <= _AT_ONCE_NS


def flows_of(packets: Packets) -> dict[tuple[str, int], list[Flow]]:
    """Return the flows by address dialled and the program's port, in their order."""
    found: dict[tuple[str, int], list[Flow]] = {}
    current: dict[int, Flow] = {}
    columns = array.array("Q", packets.columns)
    for at in range(0, len(columns), COLUMNS):
        at_ns, number, up, flags, seq, length = columns[at : at + COLUMNS]
        flow = current.get(number)
        if up and flags & _SYN:
            if flow is None or flow.sequence != seq:
                flow = current[number] = _opened(number, at_ns, seq)
                found.setdefault((flow.address, flow.client_port), []).append(flow)
        elif flow is not None:
            flow.take(at_ns, up=bool(up), flags=flags, seq=seq, length=length)
    return found


def _opened(number: int, at_ns: int, sequence: int) -> Flow:
    address = socket.inet_ntoa((number >> 32).to_bytes(4, "big"))
    dialled, own = number >> 16 & 0xFFFF, number & 0xFFFF
    return Flow(address, dialled, own, at_ns, sequence)
