"""The instruments of the simulated exchange, and how their figures are written.

Prices are whole ticks and sizes whole lots until they are written as decimals.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One perpetual future, as `/exchangeInfo` describes it."""

    symbol: str
    base: str
    price_decimals: int
    size_decimals: int
    price: int  # ticks, at the start of the tape's week
    step: int  # ticks; about what the price moves by from trade to trade
    gap: int  # ticks between two levels of the depth
    lot: int  # lots; sizes are small multiples of it
    init_margin: str
    maint_margin: str
    isolated: bool = False


INSTRUMENTS = (
    Instrument(
        symbol="BTC-PERP",
        base="BTC",
        price_decimals=2,
        size_decimals=4,
        price=9_512_340,
        step=950,
        gap=150,
        lot=37,
        init_margin="0.020000",
        maint_margin="0.010000",
    ),
    Instrument(
        symbol="ETH-PERP",
        base="ETH",
        price_decimals=2,
        size_decimals=3,
        price=334_510,
        step=32,
        gap=6,
        lot=53,
        init_margin="0.020000",
        maint_margin="0.010000",
    ),
    Instrument(
        symbol="SOL-PERP",
        base="SOL",
        price_decimals=3,
        size_decimals=2,
        price=187_420,
        step=20,
        gap=4,
        lot=71,
        init_margin="0.050000",
        maint_margin="0.025000",
    ),
    Instrument(
        symbol="AAPL-USD-PERP",
        base="AAPL-USD",
        price_decimals=2,
        size_decimals=3,
        price=22_731,
        step=3,
        gap=1,
        lot=41,
        init_margin="0.040000",
        maint_margin="0.020000",
        isolated=True,
    ),
)


def decimal(units: int, decimals: int) -> str:
    """Write a whole number of units of 10^-decimals as the API writes decimals."""
    whole, part = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{decimals}d}"


def money(millionths: int) -> str:
    """Write an amount of the collateral, which has 6 decimals."""
    return decimal(millionths, 6)


def notional(instrument: Instrument, lots: int, price: int) -> int:
    """Return what lots are worth at a price, in millionths of the collateral."""
    surplus = 6 - instrument.price_decimals - instrument.size_decimals
    return int(lots * price * 10**surplus)
