"""What an exchange wants on the wire: URLs, headers, endpoints. No sockets."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from urllib.parse import quote, urlsplit

from vestbench.characters import plain
from vestbench.errors import UsageError
from vestbench.venues.base import Endpoint, Venue, without_query
from vestbench.venues.paradex import paradex
from vestbench.venues.vest.public import vest as vest_at

__all__ = ["SIMULATED", "Endpoint", "Venue", "find_venue", "venue_names"]

SIMULATED = "sim"
_SERVED = f"{SIMULATED}@"  # and its base URL: a simulated exchange that runs elsewhere

# The simulated exchange speaks the Vest API; its address is known once it runs.
_VENUES = {
    venue.name: venue
    for venue in (
        vest_at(
            "vest",
            "https://server-prod.hz.vestmarkets.com/v2",
            websocket_host="ws-prod.hz.vestmarkets.com",
        ),
        vest_at(
            "vest-dev",
            "https://server-dev.hz.vestmarkets.com/v2",
            websocket_host="ws-dev.hz.vestmarkets.com",
        ),
        paradex("https://api.prod.paradex.trade/v1"),
    )
}


def venue_names() -> tuple[str, ...]:
    """Return the names that `find_venue` knows, besides URLs."""
    return (SIMULATED, *_VENUES)


def find_venue(name: str, *, simulated_url: str = "") -> Venue:
    """Return the venue called `name`, or one that is a URL.

    Args:
        name: A name of `venue_names`, or an `https://` or `http://` URL, or `sim@` and
            the `https://` base URL of a simulated exchange that is served.
        simulated_url: Base URL of the running simulated exchange, for `sim`.

    Raises:
        UsageError: `name` is neither.
    """
    if name == SIMULATED:
        return replace(vest_at(SIMULATED, simulated_url), simulated=True)
    if name in _VENUES:
        return _VENUES[name]
    if name.startswith(_SERVED):
        return _served(name.removeprefix(_SERVED))
    if name.lower().startswith(("https://", "http://")):
        return _any_url(name)
    known = ", ".join(venue_names())
    shown = without_query(name)
    raise UsageError(f"unknown venue {shown!r}: use {known}, or an https:// URL")


def _served(url: str) -> Venue:
    if not url.lower().startswith("https://") or not {"?", "#"}.isdisjoint(url):
        raise UsageError(
            f"venue {_SERVED}{without_query(url)}: after {_SERVED} comes the base URL "
            "that `vestbench serve` shows, such as https://127.0.0.1:8443/v2"
        )
    base_url = _any_url(url).base_url.rstrip("/")
    return replace(vest_at(SIMULATED, base_url), name=_SERVED + base_url)


def _any_url(url: str) -> Venue:
    scheme, rest = url.split("//", 1)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    # Before anything could repeat a password in a message.
    if "@" in authority:
        raise UsageError("a venue URL must not hold a user name or password")
    try:
        if not url.isprintable() or " " in url:
            raise ValueError("it holds a space or a control character: write %20 ...")
        path = quote(rest.removeprefix(authority), safe=string.punctuation)
        url = f"{scheme.lower()}//{_in_ascii(authority)}{path}"
        parts = urlsplit(url)
        _ = parts.port  # raises when it is no number
        if not parts.hostname:
            raise ValueError("it names no host")
    except ValueError as error:
        shown = plain(without_query(url))
        raise UsageError(f"venue {shown!r} is not a usable URL: {error}") from error
    get = Endpoint(name="get", method="GET", path="")
    venue = Venue(
        name=url, base_url=url, endpoints={"get": get}, warm_up=get, private_query=True
    )
    return replace(venue, name=venue.shown(url))


def _in_ascii(authority: str) -> str:
    """Return host and port with the host as it is looked up; ValueError if it is none.

    The zone of an address is known to this machine alone, and HTTP has no place for it.
    """
    if "%" in authority:
        raise ValueError(
            "a host cannot hold a % sign: write an IPv6 address without a zone, one "
            "that is not link-local, such as https://[fd00::1]:8443/"
        )
    if authority.isascii():
        return authority
    from idna import IDNAError, encode  # most hosts need none of its tables

    host, colon, port = authority.partition(":")
    try:
        return encode(host, uts46=True).decode() + colon + port
    except IDNAError as error:
        why = f"its host name cannot be written in ASCII (punycode): {error}"
        raise ValueError(why) from error
