"""One position: what was bought or sold of an instrument, and what it is worth.

Sizes are lots, negative where sold. Money is in millionths of the collateral, so
nothing is ever lost to rounding but in the average entry price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vestbench.simulator.vest.instruments import Instrument, money

FEE_PER_MILLION = 100  # the taker's: 0.000100


@dataclass(slots=True)
class Position:
    """The position of one account in one instrument."""

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
