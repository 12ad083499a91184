"""What a packet link and a relay have in common: delays, and their account."""

from __future__ import annotations

import array
import math
import random

from vestbench.ipc import ChannelClosedError
from vestbench.simulator.link.messages import LinkAccount

TYPE_CHECKING = False  # as mypy knows it; importing typing takes 4 ms of the start
if TYPE_CHECKING:
    from vestbench.ipc import Answers, Channel

NS_PER_MS = 1_000_000
LATE_NS = 200_000  # later deliveries are recorded one by one
MAX_EVENTS = 5_000
SPIN_NS = 150_000  # polled before a deadline; the price of waking an idle CPU
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
