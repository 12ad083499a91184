"""An account as a run uses it: what has to be asked first, then request by request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from urllib.parse import quote

from vestbench.errors import UsageError
from vestbench.model.request import Outcome, RequestSpec, Subscription
from vestbench.venues.base import Endpoint, Venue
from vestbench.venues.secret import Secret
from vestbench.venues.trading import Question
from vestbench.venues.vest import answers as vest_answers
from vestbench.venues.vest.credentials import Credentials
from vestbench.venues.vest.orders import RECV_WINDOW_MS, Instrument, far_limit_order
from vestbench.venues.vest.path_signer import PathSigner
from vestbench.venues.vest.private import (
    ACCOUNT,
    LEVERAGE,
    LISTEN_KEY,
    ORDER,
    REGISTER,
    WEBSOCKET,
    VestRequests,
)

SYMBOL = "BTC-PERP"
_OWN_ORDERS = "account_private"
# The longest that the exchange takes.
_LONGEST_WINDOW_MS = 60_000
# A price that is older is asked for again before it bounds an order.
_FRESH_MS = 60_000
_MOST_TIMES = 10_000


class Account:
    """Builds requests for an account, and learns from answers what they need.

    Args:
        venue: `sim`, `vest` or `vest-dev`.
        credentials: Of the account. Without an API key it has to be registered.
        now_ms: The clock of the requests, in Unix time.
        request_timeout_s: Orders are taken for at least so long after they were signed.
        max_orders: How many orders are built at most; None is no limit.
        on_path: Leave signing to whoever sends, with `signer`.
        clock: For what signing takes, in nanoseconds.

    Raises:
        UsageError: The credentials do not fit the venue, or each other.

    Attributes:
        sign_ns: What it took to build each request that was signed here, of the
            first 10,000.
        orders: How many orders were built.
    """

    def __init__(
        self,
        venue: Venue,
        credentials: Credentials,
        *,
        now_ms: Callable[[], int],
        request_timeout_s: float = 10.0,
        max_orders: int | None = None,
        on_path: bool = False,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._venue = venue
        self._given = credentials
        self._now_ms = now_ms
        window_ms = min(
            max(RECV_WINDOW_MS, 1e3 * request_timeout_s), _LONGEST_WINDOW_MS
        )
        self._requests = VestRequests(
            venue=venue,
            credentials=credentials,
            recv_window_ms=round(window_ms),
            on_path=on_path,
        )
        self._max_orders = max_orders
        self._clock = clock
        self._instrument: Instrument | None = None
        self._price: Decimal | None = None
        self._priced_ms = 0
        self._leverage: int | None = None
        self.sign_ns: list[int] = []
        self.orders = 0
        self.filled_states = ("FILLED", "PARTIALLY_FILLED")
        self.open_states = ("NEW",)
        self._last_nonce = 0
        self._listen_key: Secret | None = None

    @property
    def group(self) -> int | None:
        """The account group, once it is known."""
        return self._requests.credentials.account_group

    def signer(self) -> PathSigner:
        """Return what signs in the process that sends."""
        return PathSigner(self._given.need("signing_key"))

    def forget(self) -> None:
        """Be again as before the first answer, for another start of the bot."""
        self._take(self._given)
        self._listen_key = None

    def outdated(self, endpoint: Endpoint) -> bool:
        """Say whether the price is too old for the next request."""
        age_ms = self._now_ms() - self._priced_ms
        return endpoint == ORDER and not 0 <= age_ms <= _FRESH_MS

    def questions(self, endpoint: Endpoint) -> Iterator[Question]:
        """Yield the requests whose answers are needed to build those to `endpoint`.

        Each answer must be taken before the next request is built.
        """
        if endpoint.private and self._requests.credentials.api_key is None:
            yield self.request(REGISTER), self._take_registration
        if endpoint == ORDER:
            info = self._venue.endpoint("exchange-info")
            yield self._public(info), self._take_instrument
            yield self._public(self._venue.endpoint("ticker")), self._take_price
        if endpoint == LEVERAGE:
            yield self.request(ACCOUNT), self._take_leverage

    def learn(self, endpoint: Endpoint, body: bytes) -> None:
        """Take the API key from the answer of a start, and look at the listen key."""
        if endpoint == REGISTER:
            self._take_registration(body)
        elif endpoint == LISTEN_KEY:
            self._listen_key = vest_answers.listen_key(body)

    def subscription(self) -> Subscription:
        """Return what a start wants of the WebSocket: its own orders, and tickers."""
        if self._listen_key is None:
            raise RuntimeError("the listen key has not been asked for")
        channels = [_OWN_ORDERS, "tickers"]
        asked = {"method": "SUBSCRIBE", "params": channels, "id": 1}
        return Subscription(
            query=f"&listenKey={quote(self._listen_key.reveal(), safe='')}",
            words=(json.dumps(asked),),
            greeting='"channel"',
            event=_OWN_ORDERS,
        )

    def hear(self, body: bytes, event: bytes) -> None:
        """Look at the event that the last order has led to: it must be of that one."""
        order_id = vest_answers.order_id(body)
        vest_answers.check_order_event(event, order_id=order_id)

    def _public(self, endpoint: Endpoint) -> RequestSpec:
        return self._venue.request(endpoint, now_ms=self._now_ms())

    def _take(self, credentials: Credentials) -> None:
        self._requests = replace(self._requests, credentials=credentials)

    def _take_registration(self, body: bytes) -> None:
        self._take(vest_answers.registration(body, self._given))

    def _take_instrument(self, body: bytes) -> None:
        self._instrument = vest_answers.instrument(body, SYMBOL)

    def _take_price(self, body: bytes) -> None:
        self._price = vest_answers.ticker_price(body, SYMBOL)
        self._priced_ms = self._now_ms()

    def _take_leverage(self, body: bytes) -> None:
        self._leverage = vest_answers.leverage(body, SYMBOL)

    def request(self, endpoint: Endpoint) -> RequestSpec:
        """Build the next request to `endpoint`, signed unless that is left to others.

        An order is the smallest one, fill or kill, at half the price that the ticker
        had; a cancel is of an order that cannot exist; a leverage is the one that the
        account has already.

        Raises:
            UsageError: A key that it needs is not given, or there were orders enough.
        """
        if not endpoint.signed:
            return self._build(endpoint)
        begin = self._clock()
        spec = self._build(endpoint)
        if spec.unsigned is None and len(self.sign_ns) < _MOST_TIMES:
            self.sign_ns.append(self._clock() - begin)
        return spec

    def _build(self, endpoint: Endpoint) -> RequestSpec:
        if not endpoint.private:
            return self._public(endpoint)
        if endpoint == WEBSOCKET:
            return self._requests.websocket()
        now_ms = self._now_ms()
        if endpoint == ORDER:
            return self._order(now_ms)
        if endpoint == LEVERAGE:
            if self._leverage is None:
                raise RuntimeError("the account's leverage has not been asked for")
            return self._requests.leverage(SYMBOL, self._leverage, now_ms=now_ms)
        return self._requests.request(endpoint, now_ms=now_ms)

    def _order(self, now_ms: int) -> RequestSpec:
        if self._instrument is None or self._price is None:
            raise RuntimeError("the ticker has not been asked for")
        if self._max_orders is not None and self.orders >= self._max_orders:
            raise UsageError(f"--max-orders {self._max_orders}: so many have been sent")
        self.orders += 1
        self._last_nonce = self._requests.nonces.next(now_ms)
        order = far_limit_order(
            self._instrument, self._price, time_ms=now_ms, nonce=self._last_nonce
        )
        return self._requests.order(order)

    def last_order(self) -> RequestSpec:
        """Build the request that tells what became of the last order."""
        return self._requests.order_of(self._last_nonce, now_ms=self._now_ms())

    def described(self) -> str:
        """Say what an order is; empty as long as that is not known."""
        if self._instrument is None or self._price is None:
            return ""
        order = far_limit_order(self._instrument, self._price, time_ms=0, nonce=0)
        return (
            f"LIMIT FOK buy {order.size} {SYMBOL} at {order.limit_price}, "
            f"market {self._price}"
        )

    def judged(self, spec: RequestSpec, outcome: Outcome, body: bytes) -> Outcome:
        """Return what `outcome` is in the light of the body of its answer."""
        return vest_answers.judged(spec, outcome, body)

    def order_states(self, body: bytes) -> tuple[str, ...] | None:
        """Return the states in the answer to `last_order`; None for another answer."""
        return vest_answers.order_states(body)
