"""When a program is ended by us: after a time, or when it has done enough."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vestbench.model.simulated import ExchangeCounters

GRACE_S = 5.0  # from SIGTERM to SIGKILL
_UNTIL = re.compile(r"\s*(requests|connections)\s*>=\s*([1-9][0-9]{0,8})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """So many requests, or connections, that the exchange has counted."""

    what: str
    least: int

    def is_met(self, counted: ExchangeCounters) -> bool:
        """Say whether there are as many."""
        found = {"requests": counted.requests, "connections": counted.connections}
        return found[self.what] >= self.least


def parse_until(text: str) -> Until:
    """Read what a user writes, such as `requests >= 200`.

    A `ValueError` says in one line what has to be changed.
    """
    match = _UNTIL.fullmatch(text)
    if match is None:
        raise ValueError("write 'requests >= N' or 'connections >= N'")
    return Until(what=match[1], least=int(match[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a program is ended; None is never."""

    seconds: float | None = None
    until: Until | None = None
    grace_s: float = GRACE_S
