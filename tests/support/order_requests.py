"""Orders to be placed at Vest."""

from __future__ import annotations

from tests.support.signed import TIME_MS
from vestbench.venues.vest.orders import Order

FOK = Order(
    time_ms=TIME_MS,
    nonce=TIME_MS,
    symbol="BTC-PERP",
    size="0.0001",
    limit_price="47561.70",
)
