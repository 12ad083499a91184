"""Orders and cancellations: what is refused, and what is cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exchange_client import (
    NOW_MS,
    PRIMARY,
    STRANGER,
    Client,
    code,
)
from tests.support.orders import DECIMALS, MARKET_ORDER, SYMBOLS
from vestbench.simulator.vest.instruments import decimal

# Signatures.


TAMPERED = [
    ("time", NOW_MS + 1),
    ("nonce", NOW_MS + 999),
    ("orderType", "MARKET"),
    ("symbol", "ETH-PERP"),
    ("isBuy", False),
    ("size", "0.0101"),
    ("limitPrice", "50000.01"),
    ("reduceOnly", True),
]


@pytest.mark.parametrize(("name", "value"), TAMPERED, ids=[n for n, _ in TAMPERED])
def test_order_with_a_tampered_field_is_1022(
    client: Client, name: str, value: Any
) -> None:
    # The decimals that are right for one symbol are too many for the other.
    body = client.order(size="0.0100", limitPrice="20000.00")
    body["order"][name] = value

    assert code(client.ask("POST", "/orders", body)) == 1022
    assert client.listed() == []
    # Nothing has happened: the nonce is still good.
    good = client.order(nonce=body["order"]["nonce"])
    assert client.ask("POST", "/orders", good)[0] == 200


def test_order_signed_by_another_key_is_1022(client: Client) -> None:
    assert code(client.ask("POST", "/orders", client.order(by=STRANGER))) == 1022
    resting = client.place()
    cancellation = client.cancellation(resting["id"], by=STRANGER)
    assert code(client.ask("POST", "/orders/cancel", cancellation)) == 1022
    assert client.listed(status="NEW") == [resting]


def test_the_primary_key_may_sign_orders_as_well(client: Client) -> None:
    status, placed = client.ask("POST", "/orders", client.order(by=PRIMARY))
    assert status == 200

    cancellation = client.cancellation(placed["id"], by=PRIMARY)

    assert client.ask("POST", "/orders/cancel", cancellation) == (200, placed)


def test_the_primary_key_of_another_account_is_a_stranger_here(client: Client) -> None:
    Client(primary=STRANGER, application=client.application).register()

    assert code(client.ask("POST", "/orders", client.order(by=STRANGER))) == 1022


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "0.01"},
        {"limitPrice": "nan"},
        {"symbol": "ETH-PERP"},
        {"symbol": "DOGE-PERP"},
        {"orderType": "STOP"},
        {"timeInForce": "IOC"},
        {"limitPrice": "999999999.00"},
        {"nonce": 1},
    ],
    ids=str,
)
def test_whoever_cannot_sign_learns_nothing_of_what_is_wrong_besides(
    client: Client, changes: dict[str, Any]
) -> None:
    client.place()

    answer = client.ask("POST", "/orders", client.order(by=STRANGER, **changes))

    assert code(answer) == 1022


@pytest.mark.parametrize("name", ["tpPrice", "slPrice"])
def test_what_is_not_simulated_says_so(client: Client, name: str) -> None:
    status, body = client.ask("POST", "/orders", client.order(**{name: "51000.00"}))

    assert (status, body["code"]) == (501, 501)
    assert name in body["msg"]


@pytest.mark.parametrize("name", ["time", "nonce", "id"])
def test_cancellation_with_a_tampered_field_is_1022(client: Client, name: str) -> None:
    first, second = client.place(), client.place()
    body = client.cancellation(first["id"])
    changed = {"time": NOW_MS + 1, "nonce": NOW_MS + 999, "id": second["id"]}
    body["order"][name] = changed[name]

    assert code(client.ask("POST", "/orders/cancel", body)) == 1022
    assert len(client.listed(status="NEW")) == 2


def test_time_in_force_is_not_signed_as_documented(client: Client) -> None:
    body = client.order(timeInForce="GTC")
    body["order"]["timeInForce"] = "FOK"

    assert client.ask("POST", "/orders", body)[0] == 200


ORDERS = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "isBuy": st.booleans(),
        "orderType": st.sampled_from(["MARKET", "LIMIT"]),
        "reduceOnly": st.booleans(),
        "units": st.integers(1, 10**6),
        "price": st.integers(1, 10**5),
        "nonce": st.integers(1, 2**64 - 1),
        "lag": st.integers(0, 5_000),
        "timeInForce": st.sampled_from([None, "GTC", "FOK"]),
    }
)


def wire(drawn: dict[str, Any]) -> dict[str, Any]:
    order = dict(drawn)
    instrument = DECIMALS[order["symbol"]]
    order["size"] = decimal(order.pop("units"), instrument.size_decimals)
    order["limitPrice"] = decimal(order.pop("price"), instrument.price_decimals)
    order["time"] = NOW_MS - order.pop("lag")
    if order["orderType"] == "MARKET" or order["timeInForce"] is None:
        del order["timeInForce"]
    return order


@settings(max_examples=60, deadline=None)
@given(drawn=ORDERS)
def test_every_valid_order_is_taken_once_and_listed_as_it_was_sent(drawn: Any) -> None:
    client, order = Client().register(), wire(drawn)
    body = client.order(**order)

    status, placed = client.ask("POST", "/orders", body)

    assert status == 200, placed
    assert set(placed) == {"id"}
    assert placed["id"].startswith("0x")
    (listed,) = client.listed(id=placed["id"])
    for name in ("nonce", "symbol", "isBuy", "size", "orderType", "limitPrice"):
        assert listed[name] == body["order"][name]
    assert code(client.ask("POST", "/orders", body)) == 3015
    assert len(client.listed()) == 1


@settings(max_examples=60, deadline=None)
@given(drawn=ORDERS, other=ORDERS, data=st.data())
def test_changing_any_signed_field_of_any_order_is_refused(
    drawn: Any, other: Any, data: st.DataObject
) -> None:
    client, order, another = Client().register(), wire(drawn), wire(other)
    body = client.order(**order)
    signed = [name for name, _ in TAMPERED]
    names = data.draw(st.sets(st.sampled_from(signed), min_size=1))
    before = dict(body["order"])
    for name in names:
        body["order"][name] = another[name]
    if all(body["order"][name] == before[name] for name in signed):
        return

    assert code(client.ask("POST", "/orders", body)) == 1022
    assert client.listed() == []


# What the order says.


WRONG: list[tuple[int, dict[str, Any]]] = [
    (1023, {"nonce": 0}),
    (1023, {"nonce": 2**64}),
    (1111, {"size": "0.01"}),
    (1111, {"size": "0.01000"}),
    (1111, {"size": "1"}),
    (1111, {"size": ".0100"}),
    (1111, {"size": "-0.0100"}),
    (1111, {"size": "1e-2"}),
    (1111, {"size": " 0.0100"}),
    (1111, {"size": "0.010٣"}),
    (1111, {"size": ""}),
    (1111, {"size": "9" * 13 + ".0000"}),
    (1111, {"limitPrice": "50000"}),
    (1111, {"limitPrice": "50000.000"}),
    (1111, {"limitPrice": "nan"}),
    (1116, {"orderType": "STOP"}),
    (1116, {"orderType": "limit"}),
    (1116, {"orderType": ""}),
    (1121, {"symbol": "DOGE-PERP"}),
    (1121, {"symbol": ""}),
    (1130, {"size": "0.0000"}),
    (1130, {"time": NOW_MS + 60_001}),
    (1132, {"time": NOW_MS - 5_001}),
    (1132, {"time": 0}),
    (1133, {"timeInForce": "IOC"}),
    (1133, {"timeInForce": ""}),
    (1133, {"timeInForce": 7}),
    (1133, {"orderType": "MARKET", "timeInForce": "FOK"}),
    (1133, {"orderType": "MARKET", "timeInForce": "GTC"}),
    (3011, {"limitPrice": "0.00"}),
    (3011, {"limitPrice": ""}),
    (3011, {"orderType": "MARKET", "limitPrice": "0.00"}),
    (3011, {"limitPrice": "999999999.00"}),
]


@pytest.mark.parametrize(("wanted", "changes"), WRONG, ids=str)
def test_wrong_order_has_its_documented_code(
    client: Client, wanted: int, changes: dict[str, Any]
) -> None:
    assert code(client.ask("POST", "/orders", client.order(**changes))) == wanted
    assert client.listed() == []


@pytest.mark.parametrize(
    ("wanted", "name", "value"),
    [
        (1130, "time", None),
        (1130, "time", "1"),
        (1130, "time", True),
        (1130, "time", 1.0),
        (1130, "time", -1),
        (1130, "time", 10**30),
        (1023, "nonce", None),
        (1023, "nonce", True),
        (1023, "nonce", "1"),
        (1023, "nonce", -1),
        (1023, "nonce", 1.5),
        (1121, "symbol", None),
        (1121, "symbol", ["BTC-PERP"]),
        (1116, "orderType", None),
        (1116, "orderType", {}),
        (1130, "isBuy", None),
        (1130, "isBuy", 1),
        (1130, "isBuy", "true"),
        (1130, "reduceOnly", None),
        (1130, "size", None),
        (1130, "size", 0.01),
        (1130, "limitPrice", 50000),
        (1130, "limitPrice", False),
        (3011, "limitPrice", None),
    ],
)
def test_field_of_the_wrong_type_has_a_documented_code(
    client: Client, wanted: int, name: str, value: Any
) -> None:
    body = client.order()
    body["order"][name] = value
    absent = client.order()
    del absent["order"][name]

    assert code(client.ask("POST", "/orders", body)) == wanted
    assert code(client.ask("POST", "/orders", absent)) in (1023, 1116, 1121, 1130, 3011)


@pytest.mark.parametrize("value", [0, -1, 60_001, "5000", 5000.0, True, None])
def test_wrong_receive_window_is_1131(client: Client, value: Any) -> None:
    body = {**client.order(), "recvWindow": value}

    assert code(client.ask("POST", "/orders", body)) == 1131


@pytest.mark.parametrize(("window", "age"), [(5_000, 5_000), (1, 1), (60_000, 60_000)])
def test_request_is_good_until_its_time_plus_the_window(
    client: Client, window: int, age: int
) -> None:
    for late, status in ((0, 200), (1, 400)):
        body = client.order(time=NOW_MS - age - late)
        answer = client.ask("POST", "/orders", {**body, "recvWindow": window})
        assert answer[0] == status
        assert status == 200 or code(answer) == 1132
    cancellation = client.cancellation("0x1")
    client.now_ms += 5_001
    assert code(client.ask("POST", "/orders/cancel", cancellation)) == 1132


def test_window_is_5_s_where_nothing_is_said(client: Client) -> None:
    body = client.order()
    del body["recvWindow"]
    client.now_ms += 5_000
    assert client.ask("POST", "/orders", body)[0] == 200
    body = client.order(time=client.now_ms - 5_001)
    del body["recvWindow"]
    assert code(client.ask("POST", "/orders", body)) == 1132


# Nonces.


def test_replayed_request_is_3015(client: Client) -> None:
    order = client.order()
    assert client.ask("POST", "/orders", order)[0] == 200

    assert code(client.ask("POST", "/orders", order)) == 3015
    other = client.order(nonce=order["order"]["nonce"], isBuy=False)
    assert code(client.ask("POST", "/orders", other)) == 3015
    cancellation = client.cancellation(client.listed()[0]["id"])
    assert client.ask("POST", "/orders/cancel", cancellation)[0] == 200
    assert code(client.ask("POST", "/orders/cancel", cancellation)) == 3015


def test_a_nonce_that_is_lower_than_the_last_one_is_1023(client: Client) -> None:
    client.place(nonce=NOW_MS + 5)
    late = client.order(nonce=NOW_MS + 3)

    answer = client.ask("POST", "/orders", late)

    assert code(answer) == 1023
    assert "/account/nonce" in answer[1]["msg"]
    assert len(client.listed()) == 1


# Cancelling.


def test_cancelled_order_is_cancelled_once(client: Client) -> None:
    resting = client.place()
    cancellation = client.cancellation(resting["id"])

    assert client.ask("POST", "/orders/cancel", cancellation) == (
        200,
        {"id": resting["id"]},
    )
    assert client.listed(id=resting["id"]) == [{**resting, "status": "CANCELLED"}]
    again = client.cancellation(resting["id"])
    assert code(client.ask("POST", "/orders/cancel", again)) == 3017


@pytest.mark.parametrize("order_id", ["0x" + "0" * 64, "x", "é" * 128])
def test_unknown_order_is_3017(client: Client, order_id: str) -> None:
    body = client.cancellation(order_id)

    assert code(client.ask("POST", "/orders/cancel", body)) == 3017


@pytest.mark.parametrize("order_id", [None, 7, "", "x" * 129, "\ud800", ["0x"]])
def test_malformed_id_is_1130(client: Client, order_id: Any) -> None:
    body = client.cancellation("0x1")
    body["order"]["id"] = order_id

    assert code(client.ask("POST", "/orders/cancel", body)) == 1130


def test_filled_order_cannot_be_cancelled(client: Client) -> None:
    filled = client.place(**MARKET_ORDER)

    body = client.cancellation(filled["id"])
    assert code(client.ask("POST", "/orders/cancel", body)) == 3017


def test_nobody_cancels_or_sees_the_orders_of_another_account(client: Client) -> None:
    resting = client.place()
    other = Client(primary=STRANGER, application=client.application).register()

    body = other.cancellation(resting["id"])
    assert code(other.ask("POST", "/orders/cancel", body)) == 3017
    assert other.listed() == []
    assert client.listed() == [resting]
