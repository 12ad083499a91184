"""The emulated link itself: delay lines, and the loop that moves packets along them.

The namespace has one local address, L = 10.99.0.1. Link k adds a pair of addresses
that exist nowhere: a client connects to V = 10.99.0.(2 + 2k), and the server sees it
as W = 10.98.0.(3 + 2k). A packet to V goes up, from W to L; one to W goes down, from V
to L. The four words add up to the same, so no checksum changes.
"""

from __future__ import annotations

import array
import gc
import heapq
import math
import random
import select
import socket
import time

from vestbench.ipc import ChannelClosedError
from vestbench.simulator.link.devices import LOCAL
from vestbench.simulator.link.messages import (
    Catch,
    GiveAccount,
    GivePackets,
    LinkAccount,
    Packets,
)

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vestbench.ipc import Answers, Channel
    from vestbench.simulator.link.catching import Catcher, Note
    from vestbench.simulator.link.devices import Device

NS_PER_MS = 1_000_000
LATE_NS = 200_000  # later deliveries are recorded one by one
MAX_EVENTS = 5_000
SPIN_NS = 150_000  # polled before a deadline; the price of waking an idle CPU
EARLY_NS = 1_000_000  # select() adds 0.1 % of its timeout, so the last one is short
MAX_COMPENSATION_NS = 150_000
GAMMA_SHAPE = 2.0


class Line:
    """One direction of one link: when, if ever, a packet is delivered.

    Jitter is gamma distributed with shape 2 and added to the delay, as a queue adds to
    the least delay of a path. It is drawn once per flight: drawn per packet, keeping
    the order would turn it into a running maximum (34 ms instead of 25 at 5 ms).

    Args:
        delay_ms: The least one-way delay.
        jitter_ms: Standard deviation of what is added; its mean is √2 times that.
        loss: Probability that a packet is dropped. It depends on `seed` and on the
            number of the packet in this direction, on nothing else.
        drift_ms_per_s: By how much the delay grows per second since the first packet.
        seed: Names the sequence of random numbers.
        flight_ms: Packets that follow each other faster belong to one flight.
        start_ns: Where the drift counts from, if not from the first packet.
    """

    def __init__(
        self,
        delay_ms: float,
        *,
        jitter_ms: float = 0.0,
        loss: float = 0.0,
        drift_ms_per_s: float = 0.0,
        seed: str = "",
        flight_ms: float = 5.0,
        start_ns: int | None = None,
    ) -> None:
        self._delay = round(delay_ms * NS_PER_MS)
        self._scale = jitter_ms * NS_PER_MS / math.sqrt(GAMMA_SHAPE)
        self._loss = loss
        self._drift = drift_ms_per_s / 1_000
        self._flight = round(flight_ms * NS_PER_MS)
        # Two sequences: flights depend on timing, and must not move the losses.
        self._dropping = random.Random(seed)
        self._shaking = random.Random(f"{seed}/jitter")
        self._start = start_ns
        self._arrival: int | None = None
        self._extra = 0
        self._last = 0
        self.dropped = 0

    def due(self, arrival_ns: int, compensation_ns: int = 0) -> int | None:
        """Say when a packet is to be delivered; packets must come in order of arrival.

        Args:
            arrival_ns: When it arrived, on any clock.
            compensation_ns: What the delivery itself will take, subtracted as far as
                the delay allows.

        Returns:
            The time on the same clock, never before that of an earlier packet, or
            `None` when the packet is lost.
        """
        if self._scale:
            if self._arrival is None or arrival_ns - self._arrival >= self._flight:
                draw = self._shaking.gammavariate(GAMMA_SHAPE, self._scale)
                self._extra = round(draw)
            self._arrival = arrival_ns
        if self._loss and self._dropping.random() < self._loss:
            self.dropped += 1
            return None
        delay = self._delay
        if self._drift:
            if self._start is None:
                self._start = arrival_ns
            delay += round((arrival_ns - self._start) * self._drift)
        wanted = arrival_ns + max(0, delay - compensation_ns) + self._extra
        self._last = max(self._last, wanted)
        return self._last


class Account:
    """What a link did, counted by the link itself, in constant memory."""

    def __init__(self) -> None:
        self.packets = 0
        self.worst_ns = 0
        self.events: list[tuple[int, int]] = []
        # Deliveries by whole microseconds of lateness; the last slot holds the rest.
        self._counts = array.array("Q", bytes(8 * 100_001))

    def note(self, now_ns: int, due_ns: int) -> None:
        """Count a delivery that was due at `due_ns` and starts now."""
        late = now_ns - due_ns
        self.packets += 1
        self._counts[min(late // 1_000, 100_000)] += 1
        self.worst_ns = max(self.worst_ns, late)
        if late > LATE_NS and len(self.events) < MAX_EVENTS:
            self.events.append((now_ns, late))

    def late_us(self) -> tuple[float, float, float, float] | None:
        """Return the median, the 90th and 99th percentile and the maximum, in µs."""
        if not self.packets:
            return None
        worst = self.worst_ns / 1_000
        ranks = [math.ceil(self.packets * part) for part in (0.5, 0.9, 0.99)]
        found: list[float] = []
        seen = 0
        for slot, count in enumerate(self._counts):
            seen += count
            while len(found) < len(ranks) and seen >= ranks[len(found)]:
                found.append(min(float(slot), worst) if slot < 100_000 else worst)
        return found[0], found[1], found[2], worst

    def record(
        self, *, dropped: int = 0, overflow: int = 0, compensation_us: float = 0.0
    ) -> LinkAccount:
        """Return all of it, and what the link counts by other means."""
        return LinkAccount(
            packets=self.packets,
            dropped=dropped,
            overflow=overflow,
            compensation_us=compensation_us,
            late_us=self.late_us(),
            late_events=tuple(self.events),
        )


def obey(control: Channel, answers: Answers) -> bool:
    """Answer what the lab asks; False when there is no lab any more."""
    try:
        control.reply_to_all(answers)
    except ChannelClosedError:
        return False
    return True


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
