"""How fast requests are sent, and how many a real venue may be sent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from vestbench.defaults import POLITE_RATE
from vestbench.errors import UsageError
from vestbench.running.ports import Pacer
from vestbench.values import duration, seed_or_new


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast requests may be sent, and the seed of the pauses."""

    interval_s: float = 0.0
    max_rate: float | None = None  # requests per second
    seed: int

    def pacer(self, sleep: Callable[[float], None]) -> Pacer:
        """Return what waits between the requests, by `sleep`."""
        return Pacer(
            interval_s=self.interval_s,
            max_rate=self.max_rate,
            rng=Random(self.seed),
            sleep=sleep,
        )

    def stored(self) -> dict[str, Any]:
        """Return it as a part of a stored plan."""
        return {
            "interval_s": self.interval_s,
            "max_rate": self.max_rate or 0.0,
            "seed": self.seed,
        }


def pace_of(
    named: Callable[[str], str],
    *,
    interval: str,
    rate: float | None,
    seed: int | None,
    real: bool,
) -> Pace:
    """Return the pace that is asked for in words.

    Args:
        named: Returns what the person who asks calls an argument of this name.
        interval: Mean pause between requests, a duration.
        rate: Requests a second at most; None is a real venue's own limit, or none.
        seed: For the pauses; None draws one.
        real: Whether the venue is a real one.

    Raises:
        UsageError: One cannot be used.
    """
    return Pace(
        interval_s=duration(named("interval"), interval),
        max_rate=polite_rate(rate, real=real),
        seed=seed_or_new(named("seed"), seed),
    )


def polite_rate(rate: float | None, *, real: bool) -> float | None:
    """Return the limit of requests a second: `rate`, or a real venue's own limit.

    Raises:
        UsageError: The rate is not a number above 0.
    """
    if rate is not None and not 0 < rate < math.inf:
        raise UsageError(f"--rate: {rate:g} is not a number above 0")
    if rate is None and real:
        return POLITE_RATE
    return rate


def check_budget(requests: int, budget: int, *, real: bool) -> None:
    """Refuse more requests than a real venue may be sent.

    Args:
        requests: How many there may be in all, the unmeasured ones included.
        budget: How many a real venue may be sent.
        real: Whether the venue is a real one.

    Raises:
        UsageError: They are too many.
    """
    if real and requests > budget:
        raise UsageError(
            f"{requests} requests are more than a real venue is sent by default; "
            f"--budget {requests} allows them"
        )
