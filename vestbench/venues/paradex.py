"""Paradex: the public endpoint that its bots warm up with."""

from __future__ import annotations

from vestbench.venues.base import Endpoint, Venue, by_name

_SYSTEM_TIME = Endpoint(name="system-time", method="GET", path="/system/time")


def paradex(base_url: str) -> Venue:
    """Return the Paradex exchange at `base_url`."""
    return Venue(
        name="paradex",
        base_url=base_url,
        endpoints=by_name(_SYSTEM_TIME),
        warm_up=_SYSTEM_TIME,
        title="Paradex HTTP",
    )
