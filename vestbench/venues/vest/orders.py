"""Orders and their cancellation: the records, their wire form, and two safe ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from enum import StrEnum
from typing import Any

from vestbench.errors import UsageError
from vestbench.venues.secret import Secret
from vestbench.venues.vest import signing
from vestbench.venues.vest.signing import decimal_text

# What the exchange takes when a body has none.
RECV_WINDOW_MS = 5000
# Ids of orders are Keccak hashes, and none is known whose hash is zero.
NO_SUCH_ORDER = "0x" + "0" * 64
# What the exchange answers when asked to cancel it: order not found.
ORDER_NOT_FOUND = 3017

_WIRE_DECIMAL = re.compile(r"(0|[1-9]\d*)(\.\d+)?", re.ASCII)
_LONGEST_TEXT = 128
_MOST_DECIMALS = 18
# How far from the market an order must be at least, as a share of the price.
NEAREST = Decimal("0.2")
FAR = Decimal("0.5")


class OrderType(StrEnum):
    """How an order is executed."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(StrEnum):
    """How long a limit order waits."""

    GTC = "GTC"  # until it is cancelled
    FOK = "FOK"  # fill or kill: at once and whole, or not at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What an order must know of its symbol."""

    symbol: str
    price_decimals: int
    size_decimals: int

    def __post_init__(self) -> None:
        _check_text("symbol", self.symbol)
        for decimals in (self.price_decimals, self.size_decimals):
            _check_whole("decimals", decimals)
            if decimals > _MOST_DECIMALS:
                raise ValueError(f"no symbol has more than {_MOST_DECIMALS} decimals")

    @property
    def smallest_size(self) -> str:
        """The least that can be ordered: one unit of the last decimal."""
        return decimal_text(Decimal(1).scaleb(-self.size_decimals), self.size_decimals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it is signed and sent."""

    time_ms: int  # since the epoch
    nonce: int
    symbol: str
    is_buy: bool
    size: str  # a decimal as it goes on the wire, at the symbol's decimals
    order_type: OrderType
    limit_price: str  # likewise; for a market order the bound of its slippage
    reduce_only: bool = False
    time_in_force: TimeInForce | None = None  # not part of what is signed

    def __post_init__(self) -> None:
        _check_whole("time_ms", self.time_ms)
        _check_whole("nonce", self.nonce)
        _check_text("symbol", self.symbol)
        for name, text in (("size", self.size), ("limit price", self.limit_price)):
            if not _WIRE_DECIMAL.fullmatch(text) or not text.strip("0."):
                raise ValueError(f"the {name} of an order is a decimal text above 0")
        if self.time_in_force is not None and self.order_type is not OrderType.LIMIT:
            raise ValueError("only a limit order has a time in force")

    def signature(self, signing_key: Secret) -> str:
        """Return the signature of this order by `signing_key`."""
        return signing.order_signature(
            signing_key,
            time_ms=self.time_ms,
            nonce=self.nonce,
            order_type=self.order_type.value,
            symbol=self.symbol,
            is_buy=self.is_buy,
            size=self.size,
            limit_price=self.limit_price,
            reduce_only=self.reduce_only,
        )

    def wire(self) -> dict[str, str | int | bool]:
        """Return the `order` of the body, without its signature."""
        fields: dict[str, str | int | bool] = {
            "time": self.time_ms,
            "nonce": self.nonce,
            "symbol": self.symbol,
            "isBuy": self.is_buy,
            "size": self.size,
            "orderType": self.order_type.value,
            "limitPrice": self.limit_price,
            "reduceOnly": self.reduce_only,
        }
        if self.time_in_force is not None:
            fields["timeInForce"] = self.time_in_force.value
        return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The request to cancel an order, as it is signed and sent."""

    time_ms: int  # since the epoch
    nonce: int
    order_id: str

    def __post_init__(self) -> None:
        _check_whole("time_ms", self.time_ms)
        _check_whole("nonce", self.nonce)
        _check_text("order id", self.order_id)

    def signature(self, signing_key: Secret) -> str:
        """Return the signature of this request by `signing_key`."""
        return signing.cancel_signature(
            signing_key, time_ms=self.time_ms, nonce=self.nonce, order_id=self.order_id
        )

    def wire(self) -> dict[str, str | int | bool]:
        """Return the `order` of the body, without its signature."""
        return {"time": self.time_ms, "nonce": self.nonce, "id": self.order_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """The body of a request, but for its signature."""

    order: Order | Cancel
    recv_window_ms: int

    def signed(self, signing_key: Secret) -> bytes:
        """Return the body with its signature."""
        window_ms = self.recv_window_ms
        return signed_body(self.order, signing_key, recv_window_ms=window_ms)


def signed_body(
    order: Order | Cancel, signing_key: Secret, *, recv_window_ms: int = RECV_WINDOW_MS
) -> bytes:
    """Return the body that places an order, or cancels one, with its signature.

    Args:
        order: What is to be signed.
        signing_key: The registered key, or the primary one.
        recv_window_ms: How long after `time_ms` the exchange still takes it.
    """
    _check_whole("recv_window_ms", recv_window_ms)
    return json_body(
        {
            "order": order.wire(),
            "recvWindow": recv_window_ms,
            "signature": order.signature(signing_key),
        }
    )


def json_body(content: Mapping[str, Any]) -> bytes:
    """Return `content` as JSON without spaces, in ASCII, in the order given."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def safe_cancel(*, time_ms: int, nonce: int) -> Cancel:
    """Return the request to cancel an order that cannot exist.

    It takes the complete signed path and has no effect: the answer is code 3017.
    """
    return Cancel(time_ms=time_ms, nonce=nonce, order_id=NO_SUCH_ORDER)


def far_limit_order(
    instrument: Instrument,
    price: Decimal | str,
    *,
    time_ms: int,
    nonce: int,
    is_buy: bool = True,
    distance: Decimal = FAR,
) -> Order:
    """Return the smallest fill-or-kill limit order, far on the safe side of `price`.

    A buy asks for less than the market does, a sale for more, so that neither can be
    filled unless the market has moved by `distance` since `price` was seen. The limit
    is put on the symbol's grid away from the market.

    Args:
        instrument: The symbol and its decimals.
        price: A ticker's price of the symbol.
        time_ms: Since the epoch.
        nonce: Not used before.
        is_buy: Buy or sell.
        distance: As a share of the price: from 0.2, and below 1.

    Raises:
        UsageError: The price is none, or too low for the symbol's decimals.
        ValueError: `distance` is out of range.
    """
    if not NEAREST <= distance < 1:
        raise ValueError(f"an order is far from the market from {NEAREST} to below 1")
    if isinstance(price, str):
        price = _price(price, instrument.symbol)
    if not price.is_finite() or price <= 0 or price.adjusted() > _MOST_DECIMALS:
        raise UsageError(f"the ticker has no price for {instrument.symbol}")
    with localcontext(prec=60) as context:
        context.rounding = ROUND_FLOOR if is_buy else ROUND_CEILING
        bound = price * (1 - distance if is_buy else 1 + distance)
        limit = bound.quantize(Decimal(1).scaleb(-instrument.price_decimals))
    if limit <= 0:
        raise UsageError(
            f"{instrument.symbol} is too cheap for an order far from the market: "
            f"its prices have {instrument.price_decimals} decimals"
        )
    return Order(
        time_ms=time_ms,
        nonce=nonce,
        symbol=instrument.symbol,
        is_buy=is_buy,
        size=instrument.smallest_size,
        order_type=OrderType.LIMIT,
        limit_price=decimal_text(limit, instrument.price_decimals),
        time_in_force=TimeInForce.FOK,
    )


def _price(text: str, symbol: str) -> Decimal:
    if len(text) > 2 * _MOST_DECIMALS or not _WIRE_DECIMAL.fullmatch(text):
        raise UsageError(f"the ticker has no price for {symbol}")
    return Decimal(text)


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number, not negative")


def _check_text(name: str, text: str) -> None:
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= _LONGEST_TEXT):
        raise ValueError(
            f"the {name} must be 1 to {_LONGEST_TEXT} printable ASCII characters"
        )
