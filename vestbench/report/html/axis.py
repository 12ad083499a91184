"""Where a value lies in a picture, and which values an axis names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis from `low` to `high`, drawn from `start` to `end` pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where `value` is drawn; one outside the axis, at the nearer end."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Say whether `value` lies on the axis."""
        return isfinite(value) and self.low <= value <= self.high

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values on the axis, at most `most`: steps of 1, 2 or 5."""
        rough = (self.high - self.low) / most
        power = 10.0 ** floor(log10(rough))
        step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
        first = ceil(self.low / step - 1e-9)
        last = floor(self.high / step + 1e-9)
        return [round(step * n, 9) for n in range(first, last + 1)]


def padded(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """Return ends that leave some room round `values`, which must be finite."""
    low, high = min(values), max(values)
    room = share * (high - low) or max(1.0, 0.05 * abs(high))
    return low - room, high + room
