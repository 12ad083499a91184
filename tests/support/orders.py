"""Orders for the simulated exchange, and the symbols that they name."""

from __future__ import annotations

from vestbench.simulator.vest.instruments import INSTRUMENTS

SYMBOLS = [each.symbol for each in INSTRUMENTS]
DECIMALS = {each.symbol: each for each in INSTRUMENTS}
MARKET_ORDER = {"orderType": "MARKET", "limitPrice": "120000.00"}
