"""The two requests that are signed: an order far from the market, and a safe cancel.

No other sort of order can be made here: each is a fill-or-kill limit order to buy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal, localcontext
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
# The limit of an order, as a share of the market's price.
_FAR = Decimal("0.5")


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
    """A fill-or-kill limit order to buy, as it is signed and sent."""

    time_ms: int  # since the epoch
    nonce: int
    symbol: str
    size: str  # a decimal as it goes on the wire, at the symbol's decimals
    limit_price: str  # likewise

    def __post_init__(self) -> None:
        _check_whole("time_ms", self.time_ms)
        _check_whole("nonce", self.nonce)
        _check_text("symbol", self.symbol)
        for name, text in (("size", self.size), ("limit price", self.limit_price)):
            if not _WIRE_DECIMAL.fullmatch(text) or not text.strip("0."):
                raise ValueError(f"the {name} of an order is a decimal text above 0")

    def signature(self, signing_key: Secret) -> str:
        """Return the signature of this order by `signing_key`."""
        return signing.order_signature(
            signing_key,
            time_ms=self.time_ms,
            nonce=self.nonce,
            order_type="LIMIT",
            symbol=self.symbol,
            is_buy=True,
            size=self.size,
            limit_price=self.limit_price,
            reduce_only=False,
        )

    def wire(self) -> dict[str, str | int | bool]:
        """Return the `order` of the body, without its signature."""
        return {
            "time": self.time_ms,
            "nonce": self.nonce,
            "symbol": self.symbol,
            "isBuy": True,
            "size": self.size,
            "orderType": "LIMIT",
            "limitPrice": self.limit_price,
            "reduceOnly": False,
            "timeInForce": "FOK",  # not part of what is signed
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The request to cancel an order that cannot exist, as it is signed and sent.

    It takes the complete signed path and has no effect: the answer is code 3017.
    """

    time_ms: int  # since the epoch
    nonce: int

    def __post_init__(self) -> None:
        _check_whole("time_ms", self.time_ms)
        _check_whole("nonce", self.nonce)

    def signature(self, signing_key: Secret) -> str:
        """Return the signature of this request by `signing_key`."""
        return signing.cancel_signature(
            signing_key, time_ms=self.time_ms, nonce=self.nonce, order_id=NO_SUCH_ORDER
        )

    def wire(self) -> dict[str, str | int | bool]:
        """Return the `order` of the body, without its signature."""
        return {"time": self.time_ms, "nonce": self.nonce, "id": NO_SUCH_ORDER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """The body that places an order, or cancels one, but for its signature."""

    order: Order | Cancel
    recv_window_ms: int = RECV_WINDOW_MS  # for how long the exchange takes it

    def __post_init__(self) -> None:
        _check_whole("recv_window_ms", self.recv_window_ms)

    def signed(self, signing_key: Secret) -> bytes:
        """Return the body with its signature by the registered or the primary key."""
        return json_body(
            {
                "order": self.order.wire(),
                "recvWindow": self.recv_window_ms,
                "signature": self.order.signature(signing_key),
            }
        )


def json_body(content: Mapping[str, Any]) -> bytes:
    """Return `content` as JSON without spaces, in ASCII, in the order given."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def far_limit_order(
    instrument: Instrument, price: Decimal, *, time_ms: int, nonce: int
) -> Order:
    """Return the smallest fill-or-kill order to buy, at half of `price`.

    It cannot be filled unless the market has lost half since `price` was seen. The
    limit is rounded down to the symbol's decimals, away from the market.

    Args:
        instrument: The symbol and its decimals.
        price: A ticker's price of the symbol.
        time_ms: Since the epoch.
        nonce: Not used before.

    Raises:
        UsageError: The price is none, or too low for the symbol's decimals.
    """
    if not price.is_finite() or price <= 0 or price.adjusted() > _MOST_DECIMALS:
        raise UsageError(f"the ticker has no price for {instrument.symbol}")
    with localcontext(prec=60, rounding=ROUND_FLOOR):
        tick = Decimal(1).scaleb(-instrument.price_decimals)
        limit = (price * _FAR).quantize(tick)
    if limit <= 0:
        raise UsageError(
            f"{instrument.symbol} is too cheap for an order far from the market: "
            f"its prices have {instrument.price_decimals} decimals"
        )
    return Order(
        time_ms=time_ms,
        nonce=nonce,
        symbol=instrument.symbol,
        size=instrument.smallest_size,
        limit_price=decimal_text(limit, instrument.price_decimals),
    )


def _check_whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number, not negative")


def _check_text(name: str, text: str) -> None:
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= _LONGEST_TEXT):
        raise ValueError(
            f"the {name} must be 1 to {_LONGEST_TEXT} printable ASCII characters"
        )
