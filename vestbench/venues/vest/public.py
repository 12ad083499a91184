"""Vest: routing header and endpoints of its REST API, version 2."""

from __future__ import annotations

from vestbench.venues.base import Endpoint, Venue, by_name
from vestbench.venues.vest.credentials import THROW_AWAY
from vestbench.venues.vest.kind import VestAccounts
from vestbench.venues.vest.private import PRIVATE_ENDPOINTS

# The API has no ping. A bot's warm-up asks for its account without a key, and takes
# "unauthorized" for success too: either answer proves that the connection is up. The
# endpoint of that name in the list wants a key, and success.
_WARM_UP = Endpoint(
    name="account", method="GET", path="/account", stamped=True, accept=(200, 401)
)

_ENDPOINTS = by_name(
    Endpoint(name="ticker", method="GET", path="/ticker/latest?symbols=BTC-PERP"),
    Endpoint(name="depth", method="GET", path="/depth?symbol=BTC-PERP&limit=20"),
    Endpoint(name="exchange-info", method="GET", path="/exchangeInfo"),
    *PRIVATE_ENDPOINTS.values(),
)


def vest(
    name: str, base_url: str, *, websocket_host: str = "", account_group: int = 0
) -> Venue:
    """Return a Vest exchange at `base_url`.

    Args:
        name: Its name in options and tables.
        base_url: Up to and including the version, without a slash at its end.
        websocket_host: Where its WebSocket is; empty is the host of `base_url`.
        account_group: 0 to 9; decides to which server requests are routed.
    """
    beside = (
        f"https://{websocket_host}" if websocket_host else base_url.removesuffix("/v2")
    )
    return Venue(
        name=name,
        base_url=base_url,
        websocket_url=f"{beside}/ws-api?version=1.0",
        endpoints=_ENDPOINTS,
        warm_up=_WARM_UP,
        title="Vest HTTP",
        headers=(("xrestservermm", f"restserver{account_group}"),),
        accounts=VestAccounts(name),
        throws_away=name == THROW_AWAY,
    )
