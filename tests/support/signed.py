"""Keys, orders and cancellations to be signed."""

from __future__ import annotations

import hashlib
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from vestbench.venues.secret import Secret


def key_of(sentence: str) -> Secret:
    return Secret("0x" + hashlib.sha256(sentence.encode()).hexdigest())


PRIMARY = key_of("vestbench test vector: primary key, never funded")
SIGNING = key_of("vestbench test vector: signing key, never funded")
PRIMARY_ADDRESS = "0x853beaae968477a7fa99b82ad6da96480d643222"
SIGNING_ADDRESS = "0xa35dddbbc8c9c938072bf93e2c00a8c36e547b56"
TIME_MS = 1_772_360_100_000
EXPIRY_MS = 1_772_964_900_000  # 7 days later
ORDER: dict[str, Any] = {
    "time_ms": TIME_MS,
    "nonce": TIME_MS,
    "order_type": "LIMIT",
    "symbol": "BTC-PERP",
    "is_buy": True,
    "size": "0.0001",
    "limit_price": "47561.70",
    "reduce_only": False,
}
CANCEL: dict[str, Any] = {
    "time_ms": TIME_MS,
    "nonce": TIME_MS + 2,
    "order_id": "0x" + "0" * 64,
}
FEW = settings(max_examples=25, deadline=None)
orders = st.fixed_dictionaries(
    {
        "time_ms": st.integers(0, 2**256 - 1),
        "nonce": st.integers(0, 2**64),
        "order_type": st.sampled_from(["LIMIT", "MARKET"]),
        "symbol": st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        "is_buy": st.booleans(),
        "size": st.from_regex(r"\A[0-9]{1,40}\.[0-9]{1,4}\Z"),
        "limit_price": st.from_regex(r"\A[0-9]{1,9}\.[0-9]{1,4}\Z"),
        "reduce_only": st.booleans(),
    }
)
