"""The emulated link itself: delay lines, and the loop that moves packets along them.

The namespace has one local address, L = 10.99.0.1. Link k adds a pair of addresses
that exist nowhere: a client connects to V = 10.99.0.(2 + 2k), and the server sees it
as W = 10.98.0.(3 + 2k). A packet to V goes up, from W to L; one to W goes down, from V
to L. The four words add up to the same, so no checksum changes.
"""

from __future__ import annotations

import gc
import heapq
import select
import socket
import sys
import time

from vestbench.simulator.link.devices import LOCAL
from vestbench.simulator.link.line import SPIN_NS, Account, Line, obey
from vestbench.simulator.link.messages import (
    Catch,
    GiveAccount,
    GivePackets,
    LinkAccount,
    Packets,
)

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vestbench.ipc import Answers, Channel
    from vestbench.simulator.link.catching import Catcher, Note
    from vestbench.simulator.link.devices import Device

EARLY_NS = 1_000_000  # select() adds 0.1 % of its timeout, so the last one is short
MAX_COMPENSATION_NS = 150_000


def virtual_address(link: int = 0) -> str:
    """Return the address that a client connects to in order to go through a link."""
    return f"10.99.0.{2 + 2 * link}"


def _client_address(link: int) -> str:
    return f"10.98.0.{3 + 2 * link}"


class Forwarder:
    """The loop of the forwarder process; it owns the device.

    Towards a deadline it waits in three steps: `select` until 1 ms before, `select`
    until 150 µs before, and then polling (1.5 µs a turn). Measured against epoll,
    timerfd, threads, C and never sleeping: none is better on two cores.

    Args:
        device: Where packets come from and go to.
        links: The up and the down line of each link, in order. Only the first is
            accounted for; others serve tests.
        control: Where the lab asks for the account.
    """

    def __init__(
        self,
        device: Device,
        links: Sequence[tuple[Line, Line]],
        control: Channel,
    ) -> None:
        self._device = device
        self._control = control
        self._account = Account()
        self._errors = 0
        self._compensation = 0
        self._settling = 32  # deliveries during which the compensation may leap
        self._heap: list[tuple[int, int, bytes, Account, Note | None]] = []
        self._serial = 0
        self._lines = links[0]
        self._catcher: Catcher | None = None
        # By destination: the addresses to write over those of the packet, the line, and
        # where to account for the delivery.
        self._routes: dict[bytes, tuple[bytes, Line, Account]] = {}
        local = socket.inet_aton(LOCAL)
        for number, (up, down) in enumerate(links):
            server = socket.inet_aton(virtual_address(number))
            client = socket.inet_aton(_client_address(number))
            account = Account() if number else self._account
            self._routes[server] = (client + local, up, account)
            self._routes[client] = (server + local, down, account)

    def serve(self) -> None:
        """Forward for as long as the lab lives."""
        gc.collect()
        gc.freeze()
        gc.disable()
        clock, heap = time.perf_counter_ns, self._heap
        arrived, told = self._device.fileno(), self._control.fileno()
        answers: Answers = {
            GiveAccount: self._give_account,
            Catch: self._begin_to_catch,
            GivePackets: self._give_packets,
        }
        while True:
            timeout = None
            if heap:
                wait = heap[0][0] - clock() - SPIN_NS
                if wait > 2 * EARLY_NS:
                    wait -= EARLY_NS
                timeout = max(wait, 0) / 1e9
            ready = select.select((arrived, told), (), (), timeout)[0]
            if told in ready and not obey(self._control, answers):
                return
            if arrived in ready:
                self._accept()
            self._deliver()

    def _accept(self) -> None:
        """Give each packet that has arrived its time; others than ours are noise."""
        catcher = self._catcher
        start = self._device.header + 12
        middle, end = start + 4, start + 8
        for arrival, packet in self._device.arrivals():
            route = self._routes.get(packet[middle:end])
            if route is None:
                if catcher is not None:
                    self._catch(catcher, arrival, packet)
                continue
            addresses, line, account = route
            due = line.due(arrival, self._compensation)
            if due is not None:
                self._serial += 1
                changed = packet[:start] + addresses + packet[end:]
                entry = (due, self._serial, changed, account, None)
                heapq.heappush(self._heap, entry)

    def _catch(self, catcher: Catcher, arrival: int, packet: bytes) -> None:
        """Give a packet its time that is for any address."""
        found = catcher.translated(packet)
        if found is None:
            return
        changed, goes_up, note = found
        if goes_up:
            catcher.keep(arrival, note)
        due = self._lines[not goes_up].due(arrival, self._compensation)
        if due is not None:
            self._serial += 1
            mark = None if goes_up else note
            entry = (due, self._serial, changed, self._account, mark)
            heapq.heappush(self._heap, entry)

    def _deliver(self) -> None:
        clock, heap = time.perf_counter_ns, self._heap
        while heap:
            now = clock()
            due, _, packet, account, note = heap[0]
            if due > now:
                return
            heapq.heappop(heap)
            try:
                self._device.send(packet)
            except OSError:
                self._errors += 1  # a full queue: a loss that nobody asked for
            if note is not None and self._catcher is not None:
                self._catcher.keep(now, note)
            if self._device.stamps:
                self._compensate(clock() - now)
            account.note(now, due)

    def _compensate(self, took_ns: int) -> None:
        """Follow the median of what a delivery takes (it runs the receiver's TCP)."""
        step = 1_000
        if self._settling:
            self._settling -= 1
            step = 5_000
        if took_ns < self._compensation:
            self._compensation -= step
        elif self._compensation + step <= MAX_COMPENSATION_NS:
            self._compensation += step

    def _give_account(self, question: GiveAccount) -> LinkAccount:
        del question
        return self._account.record(
            dropped=sum(line.dropped for line in self._lines),
            overflow=self._device.overflow() + self._errors,
            compensation_us=self._compensation / 1_000,
        )

    def _begin_to_catch(self, wanted: Catch) -> None:
        from vestbench.simulator.link.catching import Catcher

        self._catcher = Catcher(wanted.port, self._device.header)

    def _give_packets(self, question: GivePackets) -> Packets:
        del question
        if self._catcher is None:
            return Packets(columns=b"", omitted=0, others=0)
        return self._catcher.packets()
