"""Orders to be placed at Vest."""

from __future__ import annotations

from tests.support.signed import TIME_MS
from vestbench.venues.vest.orders import Order, OrderType, TimeInForce

FOK = Order(
    time_ms=TIME_MS,
    nonce=TIME_MS,
    symbol="BTC-PERP",
    is_buy=True,
    size="0.0001",
    order_type=OrderType.LIMIT,
    limit_price="47561.70",
    time_in_force=TimeInForce.FOK,
)
