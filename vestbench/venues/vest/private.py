"""The endpoints of Vest that need an account, and the requests to them.

A request is complete when it is built, signature and all: build it before the clock
runs. To see what signing costs, leave it to whoever sends it (`on_path`). Only these
requests hold secrets, in headers and bodies, which `RequestSpec` does not show.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from vestbench.model.request import RequestSpec
from vestbench.venues.base import Endpoint, Venue, by_name
from vestbench.venues.vest import signing
from vestbench.venues.vest.credentials import Credentials, contract_of
from vestbench.venues.vest.orders import (
    RECV_WINDOW_MS,
    Cancel,
    Order,
    Unsigned,
    json_body,
)

# For how long the bot asks that its signing key be registered.
REGISTRATION_MS = 7 * 24 * 3600 * 1000
_ETHEREUM = 0  # `networkType`
_JSON = ("content-type", "application/json")
_ROUTING = "xrestservermm"


def _private(name: str, method: str, path: str, **more: Any) -> Endpoint:
    return Endpoint(name=name, method=method, path=path, private=True, **more)


REGISTER = _private("register", "POST", "/register", signed=True)
ACCOUNT = _private("account", "GET", "/account", stamped=True)
NONCE = _private("nonce", "GET", "/account/nonce", stamped=True)
LISTEN_KEY = _private("listen-key", "POST", "/account/listenKey")
# Moves no balance, but changes margins and what is liquidated when: not read-only.
LEVERAGE = _private("leverage", "POST", "/account/leverage", moves_money=True)
ORDER = _private(
    "order", "POST", "/orders", signed=True, moves_money=True, looked_up=True
)
# The order to cancel does not exist, so "not found" is the answer wanted. With which
# status it comes is not documented. A refused key (401, 403) or too many requests (429)
# are failures here as everywhere.
CANCEL = _private(
    "cancel", "POST", "/orders/cancel", signed=True, accept=(200, 400, 404)
)
ORDERS = _private("orders", "GET", "/orders", stamped=True)
# Not below the base URL: see `Venue.websocket_url`.
WEBSOCKET = _private("websocket", "GET", "", accept=(101,))

# What `--endpoint` may name where there are keys. `account` needs no key to be a
# warm-up (`public.py`); here it does, and only success counts.
PRIVATE_ENDPOINTS = by_name(ACCOUNT, NONCE, LISTEN_KEY, LEVERAGE, ORDER, CANCEL, ORDERS)


class Nonces:
    """Numbers that no order of this process has used: the time, as Vest recommends.

    Where the clock has not advanced, or went back, it is one more than the last.
    """

    def __init__(self, *, after: int = -1) -> None:
        """Start above `after`, such as the `lastNonce` of the account."""
        self._last = after
        self._lock = Lock()

    def next(self, now_ms: int) -> int:
        """Return the nonce for a request built at `now_ms` (Unix time)."""
        with self._lock:
            self._last = max(now_ms, self._last + 1)
            return self._last


@dataclass(frozen=True, slots=True, kw_only=True)
class VestRequests:
    """Builds the requests of one account. Sends nothing, and reads no clock.

    Raises:
        UsageError: The credentials do not fit the venue, or each other; from a method:
            a key that a request needs is not given.
    """

    venue: Venue  # `sim`, `vest` or `vest-dev`
    credentials: Credentials
    nonces: Nonces = field(default_factory=Nonces)
    recv_window_ms: int = RECV_WINDOW_MS  # the exchange takes an order for so long
    on_path: bool = False  # leave orders and cancels unsigned, for a `PathSigner`

    def __post_init__(self) -> None:
        self.credentials.for_venue(self.venue.name)

    def leverage(self, symbol: str, value: int, *, now_ms: int) -> RequestSpec:
        """Set the leverage of a symbol."""
        body = json_body({"time": now_ms, "symbol": symbol, "value": value})
        return self._keyed(LEVERAGE, now_ms, body)

    def order_of(self, nonce: int, *, now_ms: int) -> RequestSpec:
        """List the order that has `nonce`."""
        listed = replace(ORDERS, path=f"{ORDERS.path}?nonce={nonce}")
        return self._keyed(listed, now_ms)

    def request(self, endpoint: Endpoint, *, now_ms: int) -> RequestSpec:
        """Build the request to an endpoint that wants no more than the account.

        A cancel is of an order that cannot exist.

        Raises:
            ValueError: It is one of those that want more, `leverage` or `order`.
        """
        if endpoint == REGISTER:
            return self._register(now_ms)
        if endpoint == CANCEL:
            nonce = self.nonces.next(now_ms)
            return self._signed(CANCEL, Cancel(time_ms=now_ms, nonce=nonce))
        if endpoint in (ACCOUNT, NONCE, LISTEN_KEY, ORDERS):
            return self._keyed(endpoint, now_ms)
        raise ValueError(f"{endpoint.name} wants more than an account")

    def websocket(self) -> RequestSpec:
        """Ask for the WebSocket, routed to the account's group once that is known."""
        group = self.credentials.account_group or 0
        return RequestSpec(
            endpoint=WEBSOCKET.name,
            method=WEBSOCKET.method,
            url=f"{self.venue.websocket_url}&xwebsocketserver=restserver{group}",
            accept=WEBSOCKET.accept,
        )

    def order(self, order: Order) -> RequestSpec:
        """Sign and place an order. It may move money."""
        return self._signed(ORDER, order)

    def _register(self, now_ms: int) -> RequestSpec:
        """Ask for an API key for the signing key."""
        primary = self.credentials.need("primary_key")
        contract = contract_of(self.venue.name)
        signer = signing.address_of(self.credentials.need("signing_key"))
        expiry_ms = now_ms + REGISTRATION_MS
        proof = signing.registration_proof(primary, signer, expiry_ms, contract)
        body = {
            "signingAddr": signer,
            "primaryAddr": signing.address_of(primary),
            "signature": proof,
            "expiryTime": expiry_ms,
            "networkType": _ETHEREUM,
        }
        return replace(
            self.venue.request(REGISTER, now_ms=now_ms),
            headers=(*self._routing(), _JSON),
            body=json_body(body),
        )

    def _signed(self, endpoint: Endpoint, order: Order | Cancel) -> RequestSpec:
        key = self.credentials.need("signing_key")
        unsigned = Unsigned(order=order, recv_window_ms=self.recv_window_ms)
        if self.on_path:
            return self._keyed(endpoint, order.time_ms, unsigned=unsigned)
        return self._keyed(endpoint, order.time_ms, unsigned.signed(key))

    def _keyed(
        self,
        endpoint: Endpoint,
        now_ms: int,
        body: bytes = b"",
        unsigned: Unsigned | None = None,
    ) -> RequestSpec:
        key = self.credentials.need("api_key")
        headers = (*self._routing(), ("X-API-KEY", key.reveal()))
        return replace(
            self.venue.request(endpoint, now_ms=now_ms),
            headers=(*headers, _JSON) if body or unsigned else headers,
            body=body,
            unsigned=unsigned,
        )

    def _routing(self) -> tuple[tuple[str, str], ...]:
        """Return the venue's headers, routed to the account's group once known."""
        group = self.credentials.account_group
        if group is None:
            return self.venue.headers
        others = tuple(each for each in self.venue.headers if each[0] != _ROUTING)
        return ((_ROUTING, f"restserver{group}"), *others)
