"""What an order is: as a client asks for it, checked, and as the exchange keeps it.

Prices are whole ticks and sizes whole lots, as in `market`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vestbench.simulator.vest.answers import ApiError, ErrorCode, invalid, refusal
from vestbench.simulator.vest.instruments import Instrument, money
from vestbench.simulator.vest.market import Market
from vestbench.simulator.vest.parameters import (
    as_object,
    body_boolean,
    body_integer,
    body_text,
)

RECV_WINDOW_MS = 5_000  # where the request says nothing
MAX_RECV_WINDOW_MS = 60_000
MAX_AHEAD_MS = 60_000  # how far a client's clock may be ahead
MAX_PRICE = 10  # times the mark price
_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,12}))?")
_NONCE_END = 2**64
# Of what `GET /orders` shows, in this order.
_TOLD = (
    *("symbol", "isBuy", "orderType", "limitPrice", "size", "reduceOnly"),
    "initMarginRatio",
)
_TOLD_OF_FILLS = (
    *("lastFilledSize", "lastFilledPrice", "lastFilledTime", "avgFilledPrice"),
    "fees",
)
_LONGEST_TEXT = 64


class OrderType(StrEnum):
    """When an order may be filled."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(StrEnum):
    """What becomes of a limit order that is not filled at once."""

    GTC = "GTC"  # it rests
    FOK = "FOK"  # it is killed


class Status(StrEnum):
    """The documented states of an order."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A checked request for an order."""

    nonce: int
    instrument: Instrument
    is_buy: bool
    type: OrderType
    time_in_force: TimeInForce | None
    lots: int
    price: int  # the worst one that is acceptable
    reduce_only: bool
    size: str  # as it was written
    limit_price: str

    @property
    def sign(self) -> int:
        """1 for a purchase, -1 for a sale."""
        return 1 if self.is_buy else -1

    def accepts(self, price: int) -> bool:
        """Say whether the order may be filled at a price."""
        return price <= self.price if self.is_buy else price >= self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderForm:
    """An order as it is written, whatever its fields say."""

    time_ms: int
    nonce: int
    kind: str
    symbol: str
    is_buy: bool
    size: str
    limit_price: str
    reduce_only: bool
    time_in_force: Any

    @property
    def signed(self) -> tuple[int | bool | str, ...]:
        """What the signature is of."""
        terms = (self.symbol, self.is_buy, self.size, self.limit_price)
        return (self.time_ms, self.nonce, self.kind, *terms, self.reduce_only)

    def checked(self, market: Market, now_ms: int) -> OrderRequest:
        """Return it as one that can be placed; an `ApiError` says why it cannot."""
        instrument = market.instrument(self.symbol)
        if self.kind not in set(OrderType):
            raise refusal(ErrorCode.INVALID_ORDER_TYPE)
        kind = OrderType(self.kind)
        time_in_force = _time_in_force(self.time_in_force, kind)
        lots = _units("size", self.size, instrument.size_decimals)
        if lots == 0:
            raise invalid("size must not be 0")
        price = _units("limitPrice", self.limit_price, instrument.price_decimals)
        if not 0 < price <= MAX_PRICE * market.mark(instrument.symbol, now_ms):
            raise refusal(ErrorCode.INVALID_LIMIT_PRICE)
        return OrderRequest(
            nonce=self.nonce,
            instrument=instrument,
            is_buy=self.is_buy,
            type=kind,
            time_in_force=time_in_force,
            lots=lots,
            price=price,
            reduce_only=self.reduce_only,
            size=self.size,
            limit_price=self.limit_price,
        )


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """A checked request to cancel an order."""

    signed: tuple[int | str, ...]
    nonce: int
    order_id: str


@dataclass(slots=True)
class Order:
    """An order that was accepted, and what has become of it."""

    id: str
    request: OrderRequest
    posted_ms: int
    status: Status = Status.NEW
    filled: int = 0  # lots
    turnover: int = 0  # ticks times lots
    fees: int = 0  # millionths of the collateral
    realized: int = 0  # the same
    last_lots: int = 0  # of the last fill
    last_price: int = 0
    last_ms: int = 0
    code: int | None = None  # why it was rejected
    mark: int = 0  # ticks, when it was placed
    margin: int = 0  # millionths of the value that it needed

    @property
    def is_open(self) -> bool:
        """Whether it rests and may still be filled."""
        if self.request.time_in_force is not TimeInForce.GTC:
            return False
        return self.status in (Status.NEW, Status.PARTIALLY_FILLED)

    @property
    def remaining(self) -> int:
        """Lots not filled."""
        return self.request.lots - self.filled

    def event(self) -> dict[str, Any]:
        """Return what a WebSocket is told of what it has just become."""
        said: dict[str, Any] = {"id": self.id}
        shown = self.view()
        if self.status not in (Status.CANCELLED, Status.REJECTED):
            said |= {name: shown[name] for name in _TOLD}
        said["status"] = self.status.value
        if self.status is Status.REJECTED:
            said["code"] = self.code
        if self.filled and self.status is not Status.CANCELLED:
            said |= {name: shown[name] for name in _TOLD_OF_FILLS}
            said["cumFunding"] = money(0)
        return said | {"postTime": self.posted_ms, "nonce": self.request.nonce}

    def view(self) -> dict[str, Any]:
        """Return it as `GET /orders` shows it."""
        request, instrument = self.request, self.request.instrument
        price, size = instrument.written_price, instrument.written_size
        shown: dict[str, Any] = {
            "id": self.id,
            "nonce": request.nonce,
            "symbol": instrument.symbol,
            "isBuy": request.is_buy,
            "orderType": request.type.value,
            "size": request.size,
            "limitPrice": request.limit_price,
            "reduceOnly": request.reduce_only,
            "initMarginRatio": money(self.margin),
            "markPrice": price(self.mark),
            "tpPrice": None,
            "slPrice": None,
            "status": self.status.value,
            "code": self.code,
            "filledSize": size(self.filled),
            "lastFilledSize": None,
            "lastFilledPrice": None,
            "lastFilledTime": None,
            "avgFilledPrice": None,
            "fees": money(self.fees),
            "realizedPnl": money(self.realized),
            "settledFunding": money(0) if self.status is Status.FILLED else None,
            "postTime": self.posted_ms,
        }
        if self.filled:
            shown["lastFilledSize"] = size(self.last_lots)
            shown["lastFilledPrice"] = price(self.last_price)
            shown["lastFilledTime"] = self.last_ms
            shown["avgFilledPrice"] = price(round(self.turnover / self.filled))
        if request.time_in_force is not None:
            shown["timeInForce"] = request.time_in_force.value
        return shown


def read_order(body: Mapping[str, Any], now_ms: int) -> OrderForm:
    """Check of the body of `POST /orders` what it takes to be signed.

    An `ApiError` with the documented code says what is wrong.
    """
    order = as_object(body.get("order"), "order")
    time_ms, nonce = _stamps(order, body, now_ms)
    if order.get("limitPrice") in (None, ""):
        raise refusal(ErrorCode.INVALID_LIMIT_PRICE, "it is required")
    if not all(order.get(name) is None for name in ("tpPrice", "slPrice")):
        raise ApiError(501, 501, "Not simulated: tpPrice and slPrice")
    return OrderForm(
        time_ms=time_ms,
        nonce=nonce,
        kind=_text(order, "orderType", refusal(ErrorCode.INVALID_ORDER_TYPE)),
        symbol=_text(order, "symbol", refusal(ErrorCode.BAD_SYMBOL)),
        is_buy=body_boolean(order, "isBuy"),
        size=_text(order, "size", invalid("size must be a decimal in a string")),
        limit_price=_text(
            order, "limitPrice", invalid("limitPrice must be a decimal in a string")
        ),
        reduce_only=body_boolean(order, "reduceOnly"),
        time_in_force=order.get("timeInForce"),
    )


def read_cancel(body: Mapping[str, Any], now_ms: int) -> CancelRequest:
    """Check the body of `POST /orders/cancel`, as `read_order` does."""
    order = as_object(body.get("order"), "order")
    time_ms, nonce = _stamps(order, body, now_ms)
    order_id = body_text(order, "id", most=128)
    return CancelRequest((time_ms, nonce, order_id), nonce, order_id)


def _stamps(
    order: Mapping[str, Any], body: Mapping[str, Any], now_ms: int
) -> tuple[int, int]:
    """Return the time and the nonce of a request that is not too old."""
    window_ms = body.get("recvWindow", RECV_WINDOW_MS)
    if type(window_ms) is not int or not 0 < window_ms <= MAX_RECV_WINDOW_MS:
        allowed = f"it is 1 to {MAX_RECV_WINDOW_MS} milliseconds"
        raise refusal(ErrorCode.BAD_RECV_WINDOW, allowed)
    time_ms = body_integer(order, "time")
    nonce = order.get("nonce")
    if type(nonce) is not int or not 0 < nonce < _NONCE_END:
        raise refusal(ErrorCode.INVALID_NONCE)
    if time_ms > now_ms + MAX_AHEAD_MS:
        raise invalid("time is in the future")
    if now_ms > time_ms + window_ms:
        raise refusal(ErrorCode.ORDER_EXPIRED)
    return time_ms, nonce


def _time_in_force(given: Any, kind: OrderType) -> TimeInForce | None:
    if kind is OrderType.MARKET:
        if given is not None:
            raise refusal(ErrorCode.INVALID_TIME_IN_FORCE, "only LIMIT orders have one")
        return None
    if given is None:
        return TimeInForce.GTC
    if not isinstance(given, str) or given not in set(TimeInForce):
        raise refusal(ErrorCode.INVALID_TIME_IN_FORCE)
    return TimeInForce(given)


def _text(order: Mapping[str, Any], name: str, wrong: ApiError) -> str:
    """Return a string as it was written; what it says is looked at later."""
    given = order.get(name)
    if not isinstance(given, str):
        raise wrong
    return given and body_text(order, name, most=_LONGEST_TEXT)


def _units(name: str, given: str, places: int) -> int:
    """Return a decimal string as a whole number of its last place."""
    match = _DECIMAL.fullmatch(given)
    if match is None or len(match[2] or "") != places:
        raise refusal(ErrorCode.BAD_DECIMALS, f"{name} has {places} decimals")
    return int(given.replace(".", ""))
