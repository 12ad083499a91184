"""What an order is: as a client asks for it, checked, and as the exchange keeps it.

Prices are whole ticks and sizes whole lots, as in `market`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vestbench.simulator.vest.answers import ErrorCode, invalid, refusal
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

    signed: tuple[int | bool | str, ...]  # what the signature is of, as it was written
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
            "status": self.status.value,
            "filledSize": size(self.filled),
            "lastFilledSize": None,
            "lastFilledPrice": None,
            "lastFilledTime": None,
            "avgFilledPrice": None,
            "fees": money(self.fees),
            "realizedPnl": money(self.realized),
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


def read_order(body: Mapping[str, Any], market: Market, now_ms: int) -> OrderRequest:
    """Check the body of `POST /orders`, all but its signature and its nonce's past.

    An `ApiError` with the documented code says what is wrong.
    """
    order = as_object(body.get("order"), "order")
    time_ms, nonce = _stamps(order, body, now_ms)
    instrument = market.instrument(order.get("symbol"))
    kind = order.get("orderType")
    if not isinstance(kind, str) or kind not in set(OrderType):
        raise refusal(ErrorCode.INVALID_ORDER_TYPE)
    time_in_force = _time_in_force(order.get("timeInForce"), OrderType(kind))
    is_buy = body_boolean(order, "isBuy")
    reduce_only = body_boolean(order, "reduceOnly")
    lots = _units(order, "size", instrument.size_decimals)
    if lots == 0:
        raise invalid("size must not be 0")
    if order.get("limitPrice") in (None, ""):
        raise refusal(ErrorCode.INVALID_LIMIT_PRICE, "it is required")
    price = _units(order, "limitPrice", instrument.price_decimals)
    if not 0 < price <= MAX_PRICE * market.mark(instrument.symbol, now_ms):
        raise refusal(ErrorCode.INVALID_LIMIT_PRICE)
    size, limit = order["size"], order["limitPrice"]
    terms = (instrument.symbol, is_buy, size, limit, reduce_only)
    return OrderRequest(
        signed=(time_ms, nonce, kind, *terms),
        nonce=nonce,
        instrument=instrument,
        is_buy=is_buy,
        type=OrderType(kind),
        time_in_force=time_in_force,
        lots=lots,
        price=price,
        reduce_only=reduce_only,
        size=size,
        limit_price=limit,
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


def _units(order: Mapping[str, Any], name: str, places: int) -> int:
    """Return a decimal string as a whole number of its last place."""
    given = order.get(name)
    if not isinstance(given, str):
        raise invalid(f"{name} must be a decimal in a string")
    match = _DECIMAL.fullmatch(given)
    if match is None or len(match[2] or "") != places:
        raise refusal(ErrorCode.BAD_DECIMALS, f"{name} has {places} decimals")
    return int(given.replace(".", ""))
