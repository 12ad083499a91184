"""The instruments of the simulated exchange, and how their figures are written.

Prices are whole ticks and sizes whole lots until they are written as decimals.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instrument:
    """One perpetual future, as `/exchangeInfo` describes it."""

    symbol: str
    price_decimals: int
    size_decimals: int
    price: int  # ticks, at the start of the tape's week
    step: int  # ticks; about what the price moves by from trade to trade
    gap: int  # ticks between two levels of the depth
    lot: int  # lots; sizes are small multiples of it
    init_margin: int  # millionths of the value, as the next
    maint_margin: int
    isolated: bool = False

    def written_price(self, ticks: int) -> str:
        """Write a price as the API does."""
        return decimal(ticks, self.price_decimals)

    def written_size(self, lots: int) -> str:
        """Write a size as the API does."""
        return decimal(lots, self.size_decimals)

    def worth(self, lots: int, price: int) -> int:
        """Return what lots are worth at a price, in millionths of the collateral."""
        surplus = 6 - self.price_decimals - self.size_decimals
        return int(lots * price * 10**surplus)


INSTRUMENTS = (
    Instrument("BTC-PERP", 2, 4, 9_512_340, 950, 150, 37, 20_000, 10_000),
    Instrument("ETH-PERP", 2, 3, 334_510, 32, 6, 53, 20_000, 10_000),
    Instrument("SOL-PERP", 3, 2, 187_420, 20, 4, 71, 50_000, 25_000),
    Instrument("AAPL-USD-PERP", 2, 3, 22_731, 3, 1, 41, 40_000, 20_000, isolated=True),
)


def decimal(units: int, decimals: int) -> str:
    """Write a whole number of units of 10^-decimals as the API writes decimals."""
    whole, part = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{decimals}d}"


def money(millionths: int) -> str:
    """Write an amount of the collateral, which has 6 decimals."""
    return decimal(millionths, 6)
