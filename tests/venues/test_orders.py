"""Orders and cancellations: their bodies byte by byte, and the two safe ones."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from decimal import ROUND_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.order_requests import FOK
from tests.support.signed import SIGNING, SIGNING_ADDRESS, TIME_MS
from vestbench.errors import UsageError
from vestbench.venues.vest.orders import (
    NO_SUCH_ORDER,
    ORDER_NOT_FOUND,
    Cancel,
    Instrument,
    Order,
    Unsigned,
    far_limit_order,
    json_body,
)
from vestbench.venues.vest.signing import order_signature

BTC = Instrument(symbol="BTC-PERP", price_decimals=2, size_decimals=4)
# Bodies. The signatures are golden vectors of `test_signing.py`.


def test_the_body_of_a_limit_order_is_exact() -> None:
    assert Unsigned(order=FOK).signed(SIGNING) == (
        b'{"order":{"time":1772360100000,"nonce":1772360100000,"symbol":"BTC-PERP",'
        b'"isBuy":true,"size":"0.0001","orderType":"LIMIT","limitPrice":"47561.70",'
        b'"reduceOnly":false,"timeInForce":"FOK"},"recvWindow":5000,"signature":"0x'
        b"09303218062c5fd5a48a4114a183fc44121d88c246d2132c00f056c5974144b9"
        b'68a638a70d7c40bb7e617f114870a033674af868274909b0f08f4e4be3e1deb41c"}'
    )


def test_the_body_of_the_safe_cancel_is_exact() -> None:
    cancel = Cancel(time_ms=TIME_MS, nonce=TIME_MS + 2)

    assert Unsigned(order=cancel, recv_window_ms=60_000).signed(SIGNING) == (
        b'{"order":{"time":1772360100000,"nonce":1772360100002,"id":"0x'
        + b"0" * 64
        + b'"},"recvWindow":60000,"signature":"0x'
        b"83b4af5eee793c69d0c99a1232f17e08eab0f75486f72f87207b318fd6e151e2"
        b'472601e0b7bb12ef60a73ad22fb0473ab8a295ecce83d9537beb0805b2af23691b"}'
    )


def test_decimals_are_texts_and_times_are_numbers_on_the_wire() -> None:
    order = json.loads(Unsigned(order=FOK).signed(SIGNING))["order"]

    assert [type(order[name]) for name in ("time", "nonce")] == [int, int]
    assert [type(order[name]) for name in ("size", "limitPrice")] == [str, str]
    assert [type(order[name]) for name in ("isBuy", "reduceOnly")] == [bool, bool]


def test_what_is_sent_is_what_is_signed() -> None:
    from eth_abi.abi import encode
    from eth_account import Account
    from eth_account.messages import encode_defunct
    from eth_utils.crypto import keccak

    body = json.loads(Unsigned(order=FOK).signed(SIGNING))
    sent = body["order"]
    signed = {
        "time": "uint256",
        "nonce": "uint256",
        "orderType": "string",
        "symbol": "string",
        "isBuy": "bool",
        "size": "string",
        "limitPrice": "string",
        "reduceOnly": "bool",
    }
    encoded = encode(list(signed.values()), [sent[name] for name in signed])
    message = encode_defunct(keccak(encoded))

    signer = Account.recover_message(message, signature=body["signature"])

    assert str(signer).lower() == SIGNING_ADDRESS


def test_the_time_in_force_is_not_part_of_the_signature() -> None:
    signed = order_signature(
        SIGNING,
        time_ms=FOK.time_ms,
        nonce=FOK.nonce,
        order_type="LIMIT",
        symbol=FOK.symbol,
        is_buy=True,
        size=FOK.size,
        limit_price=FOK.limit_price,
        reduce_only=False,
    )

    assert FOK.wire()["timeInForce"] == "FOK"
    assert FOK.signature(SIGNING) == signed


def test_a_body_is_ascii_whatever_it_holds() -> None:
    assert json_body({"a": "é\n"}) == b'{"a":"\\u00e9\\n"}'


def test_building_a_body_changes_nothing() -> None:
    before = replace(FOK)
    first = Unsigned(order=FOK).signed(SIGNING)
    FOK.wire()["size"] = "100"

    assert before == FOK
    assert Unsigned(order=FOK).signed(SIGNING) == first


def test_orders_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        FOK.size = "100"  # type: ignore[misc]


# What is no order.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_ms", -1),
        ("time_ms", 1.5),
        ("nonce", True),
        ("symbol", ""),
        ("symbol", "BTC-PERP\n"),
        ("symbol", "BTC–PERP"),
        ("size", "0"),
        ("size", "0.0000"),
        ("size", "-1"),
        ("size", "1e3"),
        ("size", "01"),
        ("size", "1."),
        ("size", "NaN"),
        ("limit_price", ""),
        ("limit_price", "0.00"),
        ("limit_price", "١"),
    ],
)
def test_an_order_with_a_bad_field_cannot_be_made(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|decimal text"):
        replace(FOK, **{field: value})


@pytest.mark.parametrize("fields", [{"time_ms": -1}, {"nonce": -1}])
def test_a_cancel_with_a_bad_field_cannot_be_made(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Cancel(**{"time_ms": 1, "nonce": 1, **fields})


@pytest.mark.parametrize("window", [-1, 1.5, True])
def test_a_receive_window_is_whole_milliseconds(window: Any) -> None:
    with pytest.raises(ValueError, match="recv_window_ms"):
        Unsigned(order=FOK, recv_window_ms=window)


@pytest.mark.parametrize(
    "decimals", [{"price_decimals": -1}, {"size_decimals": 19}, {"size_decimals": 1.0}]
)
def test_an_instrument_has_a_plausible_number_of_decimals(
    decimals: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match="decimals"):
        replace(BTC, **decimals)


# Safe ones.


def test_a_cancel_names_an_order_that_cannot_exist() -> None:
    cancel = Cancel(time_ms=7, nonce=8)

    assert cancel.wire() == {"time": 7, "nonce": 8, "id": "0x" + "0" * 64}
    assert NO_SUCH_ORDER == "0x" + "0" * 64
    assert ORDER_NOT_FOUND == 3017


@pytest.mark.parametrize(
    ("price", "limit"),
    [
        ("95123.40", "47561.70"),
        ("95123.41", "47561.70"),  # 47561.705, and down
        ("0.03", "0.01"),
    ],
)
def test_a_far_order_is_bounded_away_from_the_market(price: str, limit: str) -> None:
    order = far_limit_order(BTC, Decimal(price), time_ms=1, nonce=2)

    assert order == Order(
        time_ms=1, nonce=2, symbol="BTC-PERP", size="0.0001", limit_price=limit
    )
    assert (order.wire()["isBuy"], order.wire()["orderType"]) == (True, "LIMIT")
    assert (order.wire()["reduceOnly"], order.wire()["timeInForce"]) == (False, "FOK")


@pytest.mark.parametrize(
    ("decimals", "size"), [(0, "1"), (1, "0.1"), (4, "0.0001"), (18, f"0.{'0' * 17}1")]
)
def test_a_far_order_has_the_smallest_size_there_is(decimals: int, size: str) -> None:
    instrument = replace(BTC, size_decimals=decimals)

    assert far_limit_order(instrument, Decimal(100), time_ms=1, nonce=1).size == size


@settings(deadline=None)
@given(st.decimals(min_value="0.000001", max_value=10**9, places=6), st.integers(0, 8))
def test_a_far_order_is_never_nearer_than_half_the_price(
    price: Decimal, decimals: int
) -> None:
    instrument = replace(BTC, price_decimals=decimals)
    try:
        order = far_limit_order(instrument, price, time_ms=1, nonce=1)
    except UsageError:
        # A buy below one tick cannot be.
        assert price / 2 < Decimal(1).scaleb(-decimals)
        return

    assert 0 < Decimal(order.limit_price) <= price / 2


def test_the_context_of_the_caller_does_not_round_a_far_order() -> None:
    with localcontext(prec=2, rounding=ROUND_UP):
        order = far_limit_order(BTC, Decimal("95123.41"), time_ms=1, nonce=1)

    assert order.limit_price == "47561.70"


@pytest.mark.parametrize("price", ["NaN", "Infinity", "0", "0.00", "-1", "1E+99"])
def test_a_price_that_is_none_makes_no_order(price: str) -> None:
    with pytest.raises(UsageError, match="no price for BTC-PERP"):
        far_limit_order(BTC, Decimal(price), time_ms=1, nonce=1)


def test_a_price_below_one_tick_makes_no_order() -> None:
    with pytest.raises(UsageError, match="too cheap"):
        far_limit_order(BTC, Decimal("0.01"), time_ms=1, nonce=1)
