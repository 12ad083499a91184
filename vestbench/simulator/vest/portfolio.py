"""What one account owns and has ordered, and what its orders do to that.

Orders meet the depth that the public endpoints show. What they take from it is there
again for the next one: no order changes the tape. A resting order is filled at its
limit once the depth has moved across it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vestbench.simulator.vest.answers import ErrorCode, refusal
from vestbench.simulator.vest.instruments import Instrument, money
from vestbench.simulator.vest.market import TRADE_MS, Market
from vestbench.simulator.vest.orders import Order, OrderRequest, Status, TimeInForce

FEE_PER_MILLION = 100  # the taker's: 0.000100
COLLATERAL = "USDC"
OPENING_BALANCE = 100_000 * 1_000_000  # millionths of the collateral
DEFAULT_LEVERAGE = 10
MAX_ORDERS = 1_000  # kept, whatever their state
MAX_OPEN_ORDERS = 200
_LEVELS = 100


@dataclass(slots=True)
class Position:
    """What one account holds of one instrument.

    Sizes are lots, negative where sold. Money is in millionths of the collateral, so
    nothing is ever lost to rounding but in the average entry price.
    """

    instrument: Instrument
    lots: int = 0
    cost: int = 0  # what the lots were bought for; negative where they were sold

    def fill(self, lots: int, price: int) -> int:
        """Buy, or sell where `lots` is negative; return the profit that it made."""
        closing = 0  # the part that goes against what is held
        if self.lots * lots < 0:
            closing = lots if abs(lots) <= abs(self.lots) else -self.lots
        realized = 0
        if closing:
            share = -closing * self.cost // self.lots
            realized = -self.instrument.worth(closing, price) - share
            self.cost -= share
        self.cost += self.instrument.worth(lots - closing, price)
        self.lots += lots
        return realized

    def closable(self, *, is_buy: bool) -> int:
        """Return how many lots an order of that side could close."""
        return max(0, -self.lots if is_buy else self.lots)

    def opened_by(self, lots: int) -> int:
        """Return by how many lots a fill would make the position larger."""
        return max(0, abs(self.lots + lots) - abs(self.lots))

    def unrealized(self, mark: int) -> int:
        """Return the profit that closing it at the mark price would make."""
        return self.instrument.worth(self.lots, mark) - self.cost

    def value(self, mark: int) -> int:
        """Return what it is worth at the mark price, whatever its side."""
        return abs(self.instrument.worth(self.lots, mark))

    def maintenance(self, mark: int) -> int:
        """Return the margin below which it would be liquidated."""
        return self.value(mark) * self.instrument.maint_margin // 1_000_000

    def view(self, mark: int, index: str, leverage: int) -> dict[str, Any]:
        """Return it as `GET /account` shows it."""
        instrument, size = self.instrument, abs(self.lots)
        unit = instrument.worth(size, 1)
        entry = (abs(self.cost) + unit // 2) // unit
        return {
            "symbol": instrument.symbol,
            "isLong": self.lots > 0,
            "size": instrument.written_size(size),
            "entryPrice": instrument.written_price(entry),
            "entryFunding": "0.000000",
            "unrealizedPnl": money(self.unrealized(mark)),
            "settledFunding": "0.000000",
            "markPrice": instrument.written_price(mark),
            "indexPrice": index,
            "initMargin": money(self.value(mark) // leverage),
            "maintMargin": money(self.maintenance(mark)),
            "initMarginRatio": money(1_000_000 // leverage),
        }


class Portfolio:
    """Balance, positions, leverages and orders of one account."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._balance = OPENING_BALANCE
        self._positions: dict[str, Position] = {}
        self.leverages = {
            each: min(DEFAULT_LEVERAGE, self.max_leverage(each))
            for each in market.symbols
        }
        self._orders: dict[str, Order] = {}  # by id, the latest at the end
        self._open: dict[str, Order] = {}
        self._matched = 0  # number of the trade up to which resting orders are matched
        self._news: list[dict[str, Any]] = []  # what became of orders, not told yet

    # Orders.

    def place(self, request: OrderRequest, now_ms: int) -> Order:
        """Accept an order, and fill, keep or reject it."""
        self._match(now_ms)
        symbol = request.instrument.symbol
        order = Order(f"0x{os.urandom(32).hex()}", request, now_ms)
        order.mark = self._market.mark(symbol, now_ms)
        order.margin = 1_000_000 // self.leverages[symbol]
        fills = list(self._available(request, now_ms))
        order.code = self._why_rejected(request, fills, now_ms)
        if order.code is not None:
            order.status = Status.REJECTED
        self._news.append(order.event())
        if order.code is None:
            for lots, price in fills:
                self._fill(order, lots, price, now_ms, fee_per_million=FEE_PER_MILLION)
        self._orders[order.id] = order
        if order.is_open:
            self._open[order.id] = order
        if len(self._orders) > MAX_ORDERS:
            oldest = next(each for each in self._orders if each not in self._open)
            del self._orders[oldest]
        return order

    def cancel(self, order_id: str, now_ms: int) -> Order:
        """Take an open order out of the book; an `ApiError` if there is none."""
        self._match(now_ms)
        if (order := self._open.pop(order_id, None)) is None:
            raise refusal(ErrorCode.ORDER_NOT_FOUND)
        self._cancel(order)
        return order

    def orders(self, now_ms: int) -> Iterator[Order]:
        """Yield the orders that are kept, the latest first."""
        self._match(now_ms)
        yield from reversed(self._orders.values())

    def take_news(self, now_ms: int) -> list[dict[str, Any]]:
        """Return what has become of orders since it was asked last, as events."""
        self._match(now_ms)
        news, self._news = self._news, []
        return news

    # The account.

    def max_leverage(self, symbol: str) -> int:
        """Return the highest leverage of an instrument."""
        return 1_000_000 // self._market.instrument(symbol).init_margin

    def view(self, now_ms: int) -> dict[str, Any]:
        """Return the part of `GET /account` that money decides."""
        self._match(now_ms)
        held = [each for each in self._positions.values() if each.lots]
        value, margin = self._value(now_ms), self._margin(now_ms)
        ordered = self._open_order_margin()
        total, locked = money(self._balance), money(margin + ordered)
        maintenance = sum(each.maintenance(self._mark(each, now_ms)) for each in held)
        return {
            "balances": [{"asset": COLLATERAL, "total": total, "locked": locked}],
            "collateral": total,
            "withdrawable": money(max(0, min(value, self._balance) - margin - ordered)),
            "totalAccountValue": money(value),
            "openOrderMargin": money(ordered),
            "totalMaintMargin": money(maintenance),
            "positions": [self._shown(each, now_ms) for each in held],
            "leverages": [
                {"symbol": each, "value": times}
                for each, times in self.leverages.items()
            ],
        }

    # What an order does.

    def _available(
        self, request: OrderRequest, now_ms: int
    ) -> Iterator[tuple[int, int]]:
        """Yield lots and prices of the depth that an order may take, the best first."""
        wanted = self._fillable(request.lots, request)
        bids, asks = self._market.levels(request.instrument.symbol, now_ms, _LEVELS)
        for price, lots in asks if request.is_buy else bids:
            if not wanted or not request.accepts(price):
                return
            taken = min(wanted, lots)
            wanted -= taken
            yield taken, price

    def _why_rejected(
        self, request: OrderRequest, fills: Sequence[tuple[int, int]], now_ms: int
    ) -> int | None:
        """Return the code of an order that has no effect at all, or None.

        The documentation has more codes for these than it explains.
        """
        instrument = request.instrument
        position = self._position(instrument.symbol)
        rests = request.time_in_force is TimeInForce.GTC
        found = sum(lots for lots, _ in fills)
        closable = position.closable(is_buy=request.is_buy)
        too_many = rests and len(self._open) >= MAX_OPEN_ORDERS
        if too_many or (request.reduce_only and not closable):
            return ErrorCode.INVALID_PARAMETER
        fok = request.time_in_force is TimeInForce.FOK
        if (not rests and not found) or (fok and found < request.lots):
            return ErrorCode.INVALID_LIMIT_PRICE  # the depth has too little at it
        if request.reduce_only:
            return None
        opened = position.opened_by(request.sign * (request.lots if rests else found))
        if rests:
            worth = instrument.worth(opened, request.price)
        else:  # the limit bounds the price, but it is the depth that is paid
            worth = sum(instrument.worth(*each) for each in fills) * opened // found
        free = self._value(now_ms) - self._margin(now_ms) - self._open_order_margin()
        lacks = worth // self.leverages[instrument.symbol] > free
        return ErrorCode.INVALID_PARAMETER if lacks else None

    def _fill(
        self, order: Order, lots: int, price: int, now_ms: int, *, fee_per_million: int
    ) -> None:
        request, instrument = order.request, order.request.instrument
        position = self._position(instrument.symbol)
        realized = position.fill(request.sign * lots, price)
        fee = instrument.worth(lots, price) * fee_per_million // 1_000_000
        self._balance += realized - fee
        order.realized += realized
        order.fees += fee
        order.filled += lots
        order.turnover += lots * price
        order.last_lots, order.last_price, order.last_ms = lots, price, now_ms
        whole = order.remaining == 0
        order.status = Status.FILLED if whole else Status.PARTIALLY_FILLED
        self._news.append(order.event())

    def _cancel(self, order: Order) -> None:
        order.status = Status.CANCELLED
        self._news.append(order.event())

    def _match(self, now_ms: int) -> None:
        """Fill the resting orders that the depth has moved across since last time."""
        before, self._matched = self._matched, now_ms // TRADE_MS
        if before == self._matched:
            return
        best = {
            symbol: self._market.levels(symbol, now_ms, 1)
            for symbol in {each.request.instrument.symbol for each in self.resting}
        }
        for order in self.resting:
            request = order.request
            bids, asks = best[request.instrument.symbol]
            if not request.accepts((asks if request.is_buy else bids)[0][0]):
                continue
            if lots := self._fillable(order.remaining, request):
                self._fill(order, lots, request.price, now_ms, fee_per_million=0)
            if order.remaining:
                self._cancel(order)  # nothing is left to reduce
            del self._open[order.id]

    def _fillable(self, lots: int, request: OrderRequest) -> int:
        """Return how many of `lots` an order may fill, if it can only reduce."""
        if not request.reduce_only:
            return lots
        position = self._position(request.instrument.symbol)
        return min(lots, position.closable(is_buy=request.is_buy))

    # Sums.

    @property
    def resting(self) -> tuple[Order, ...]:
        """The open orders, the oldest first."""
        return tuple(self._open.values())

    def _position(self, symbol: str) -> Position:
        if symbol not in self._positions:
            self._positions[symbol] = Position(self._market.instrument(symbol))
        return self._positions[symbol]

    def _mark(self, position: Position, now_ms: int) -> int:
        return self._market.mark(position.instrument.symbol, now_ms)

    def _value(self, now_ms: int) -> int:
        """Return the balance and what the positions would add to it."""
        held = self._positions.values()
        return self._balance + sum(
            each.unrealized(self._mark(each, now_ms)) for each in held
        )

    def _margin(self, now_ms: int) -> int:
        return sum(
            each.value(self._mark(each, now_ms))
            // self.leverages[each.instrument.symbol]
            for each in self._positions.values()
        )

    def _open_order_margin(self) -> int:
        return sum(
            asked.instrument.worth(each.remaining, asked.price)
            // self.leverages[asked.instrument.symbol]
            for each in self._open.values()
            if not (asked := each.request).reduce_only
        )

    def _shown(self, position: Position, now_ms: int) -> dict[str, Any]:
        symbol = position.instrument.symbol
        latest = self._market.latest(symbol, now_ms)
        mark, leverage = self._mark(position, now_ms), self.leverages[symbol]
        return position.view(mark, latest["indexPrice"], leverage)
