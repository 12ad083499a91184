"""What an exchange wants on the wire: URLs, headers, endpoints. No sockets."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from vestbench.errors import UsageError
from vestbench.venues.base import Endpoint, Venue, without_query
from vestbench.venues.paradex import paradex
from vestbench.venues.vest.public import vest as vest_at

__all__ = ["SIMULATED", "Endpoint", "Venue", "find_venue", "venue_names"]

SIMULATED = "sim"

# The simulated exchange speaks the Vest API; its address is known once it runs.
_VENUES = {
    venue.name: venue
    for venue in (
        vest_at("vest", "https://server-prod.hz.vestmarkets.com/v2"),
        vest_at("vest-dev", "https://server-dev.hz.vestmarkets.com/v2"),
        paradex("https://api.prod.paradex.trade/v1"),
    )
}


def venue_names() -> tuple[str, ...]:
    """Return the names that `find_venue` knows, besides URLs."""
    return (SIMULATED, *_VENUES)


def find_venue(name: str, *, simulated_url: str = "") -> Venue:
    """Return the venue called `name`, or one that is a URL.

    Args:
        name: A name of `venue_names`, or an `https://` or `http://` URL.
        simulated_url: Base URL of the running simulated exchange, for `sim`.

    Raises:
        UsageError: `name` is neither.
    """
    if name == SIMULATED:
        return vest_at(SIMULATED, simulated_url)
    if name in _VENUES:
        return _VENUES[name]
    if name.startswith(("https://", "http://")):
        return _any_url(name)
    known = ", ".join(venue_names())
    shown = without_query(name)
    raise UsageError(f"unknown venue {shown!r}: use {known}, or an https:// URL")


def _any_url(url: str) -> Venue:
    # Before anything could repeat a password in a message.
    if "@" in re.split("[/?#]", url.split("//", 1)[1], maxsplit=1)[0]:
        raise UsageError("a venue URL must not hold a user name or password")
    shown = without_query(url)
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise UsageError(
            f"venue {shown!r} is not a usable URL: it holds a space, a control "
            "character or one beyond ASCII; encode it"
        )
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
    except ValueError as error:
        raise UsageError(f"venue {shown!r} is not a usable URL: {error}") from error
    if not parts.hostname:
        raise UsageError(f"venue {shown!r} names no host")
    get = Endpoint(name="get", method="GET", path="")
    venue = Venue(
        name=url, base_url=url, endpoints={"get": get}, warm_up=get, private_query=True
    )
    return replace(venue, name=venue.shown(url))
