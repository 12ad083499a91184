"""Orders that are filled, what that leaves, and how orders are listed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.exchange_client import (
    MARKET,
    NOW_MS,
    SIGNING,
    Client,
    code,
)
from tests.support.orders import DECIMALS, MARKET_ORDER, SYMBOLS
from vestbench.simulator.vest.instruments import decimal
from vestbench.simulator.vest.market import TRADE_MS
from vestbench.simulator.vest.portfolio import MAX_OPEN_ORDERS, MAX_ORDERS

FEE = Decimal("0.0001")


def best(symbol: str = "BTC-PERP", now_ms: int = NOW_MS) -> tuple[Decimal, Decimal]:
    depth = MARKET.depth(symbol, 1, now_ms)
    return Decimal(depth["bids"][0][0]), Decimal(depth["asks"][0][0])


# Filling.


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("is_buy", [True, False])
def test_market_order_fills_at_the_best_price(
    client: Client, symbol: str, is_buy: bool
) -> None:
    bid, ask = best(symbol)
    price = ask if is_buy else bid
    bound = price * 2 if is_buy else price / 2
    places = DECIMALS[symbol].price_decimals
    order = client.place(
        symbol=symbol,
        isBuy=is_buy,
        orderType="MARKET",
        size=decimal(1, DECIMALS[symbol].size_decimals),
        limitPrice=f"{bound:.{places}f}",
    )

    assert order["status"] == "FILLED"
    assert Decimal(order["avgFilledPrice"]) == price
    assert order["lastFilledPrice"] == order["avgFilledPrice"]
    assert order["filledSize"] == order["lastFilledSize"] == order["size"]
    assert order["lastFilledTime"] == order["postTime"] == NOW_MS
    (position,) = client.account()["positions"]
    assert (position["symbol"], position["isLong"]) == (symbol, is_buy)
    assert Decimal(position["entryPrice"]) == price


def test_market_order_walks_the_book_up_to_its_limit(client: Client) -> None:
    depth = MARKET.depth("BTC-PERP", 3, NOW_MS)["asks"]
    levels = [(Decimal(price), Decimal(size)) for price, size in depth]
    client.ask(
        "POST",
        "/account/leverage",
        {"time": NOW_MS, "symbol": "BTC-PERP", "value": 50},
    )
    wanted = levels[0][1] + levels[1][1]

    order = client.place(
        orderType="MARKET", size=f"{wanted * 2:.4f}", limitPrice=depth[1][0]
    )

    assert order["status"] == "PARTIALLY_FILLED"
    assert Decimal(order["filledSize"]) == wanted
    paid = sum(price * size for price, size in levels[:2])
    assert abs(Decimal(order["avgFilledPrice"]) - paid / wanted) <= Decimal("0.005")
    # What was not filled of a market order is gone.
    body = client.cancellation(order["id"])
    assert code(client.ask("POST", "/orders/cancel", body)) == 3017


def test_market_order_whose_limit_is_beyond_the_book_is_rejected(
    client: Client,
) -> None:
    order = client.place(orderType="MARKET", limitPrice="50000.00")

    assert order["status"] == "REJECTED"
    assert client.account()["positions"] == []


@pytest.mark.parametrize("is_buy", [True, False])
def test_fill_or_kill_far_from_the_market_is_killed_without_effect(
    client: Client, is_buy: bool
) -> None:
    before = client.account()
    price = "50000.00" if is_buy else "190000.00"

    order = client.place(timeInForce="FOK", isBuy=is_buy, limitPrice=price)

    assert order["status"] == "REJECTED"
    assert order["avgFilledPrice"] is None
    assert client.account() == before


def test_fill_or_kill_is_filled_whole_or_not_at_all(client: Client) -> None:
    depth = MARKET.depth("BTC-PERP", 1, NOW_MS)["asks"]
    price, size = depth[0][0], Decimal(depth[0][1])

    more = client.place(
        timeInForce="FOK", limitPrice=price, size=f"{size + Decimal('0.0001'):.4f}"
    )
    all_of_it = client.place(timeInForce="FOK", limitPrice=price, size=f"{size:.4f}")

    assert (more["status"], all_of_it["status"]) == ("REJECTED", "FILLED")


def test_limit_order_rests_and_holds_margin_until_it_is_cancelled(
    client: Client,
) -> None:
    before = client.account()

    resting = client.place(timeInForce="GTC")

    assert resting["status"] == "NEW"
    during = client.account()
    assert Decimal(during["openOrderMargin"]) == Decimal("0.01") * 50_000 / 10
    assert during["balances"][0]["locked"] == during["openOrderMargin"]
    freed = Decimal(before["withdrawable"]) - Decimal(during["withdrawable"])
    assert freed == Decimal(during["openOrderMargin"])
    client.ask("POST", "/orders/cancel", client.cancellation(resting["id"]))
    assert client.account() == before


def test_resting_order_is_filled_at_its_limit_once_the_market_is_there(
    client: Client,
) -> None:
    bid, _ = best()
    later = next(
        now_ms
        for now_ms in range(NOW_MS + TRADE_MS, NOW_MS + 10_000 * TRADE_MS, TRADE_MS)
        if best(now_ms=now_ms)[1] <= bid - 5
    )
    resting = client.place(limitPrice=f"{bid - 5:.2f}")
    assert resting["status"] == "NEW"

    client.now_ms = later
    (filled,) = client.listed(id=resting["id"])

    assert filled["status"] == "FILLED"
    assert Decimal(filled["avgFilledPrice"]) == bid - 5
    account = client.account()
    assert account["openOrderMargin"] == "0.000000"
    assert account["positions"][0]["size"] == "0.0100"


def test_resting_order_that_may_only_reduce_never_opens_a_position(
    client: Client,
) -> None:
    _, ask = best()
    later = next(
        now_ms
        for now_ms in range(NOW_MS + TRADE_MS, NOW_MS + 10_000 * TRADE_MS, TRADE_MS)
        if best(now_ms=now_ms)[0] >= ask + 5
    )
    client.place(**MARKET_ORDER, size="0.0200")
    sale = {"isBuy": False, "limitPrice": f"{ask + 5:.2f}", "reduceOnly": True}
    first = client.place(**sale, size="0.0150")
    second = client.place(**sale, size="0.0150")
    third = client.place(**sale, size="0.0150")
    assert client.account()["openOrderMargin"] == "0.000000"

    client.now_ms = later
    filled = [client.listed(id=each["id"])[0] for each in (first, second, third)]

    assert [each["status"] for each in filled] == ["FILLED", "CANCELLED", "CANCELLED"]
    sizes = [each["filledSize"] for each in filled]
    assert sizes == ["0.0150", "0.0050", "0.0000"]
    assert client.account()["positions"] == []


def test_order_that_the_account_cannot_pay_for_is_rejected(client: Client) -> None:
    resting = client.place(size="1000.0000")
    market = client.place(**MARKET_ORDER, size="1000.0000")

    assert resting["status"] == "REJECTED"
    assert market["status"] == "REJECTED"
    assert client.account()["positions"] == []


def test_reduce_only_needs_something_to_reduce(client: Client) -> None:
    sale = {"isBuy": False, "orderType": "MARKET", "limitPrice": "50000.00"}
    alone = client.place(**sale, reduceOnly=True)
    client.place(**MARKET_ORDER, size="0.0200")
    half = client.place(**sale, reduceOnly=True, size="0.0100")
    rest = client.place(**sale, reduceOnly=True, size="0.0500")

    assert alone["status"] == "REJECTED"
    assert half["status"] == "FILLED"
    assert (rest["status"], rest["filledSize"]) == ("PARTIALLY_FILLED", "0.0100")
    assert client.account()["positions"] == []


@settings(max_examples=40, deadline=None)
@given(
    trades=st.lists(
        st.tuples(st.booleans(), st.integers(1, 300), st.integers(0, 20)),
        min_size=1,
        max_size=8,
    )
)
def test_balances_follow_from_the_fills(trades: list[tuple[bool, int, int]]) -> None:
    """Cash and holdings, kept apart here, come to the same value as the account's."""
    client = Client().register()
    cash, held = Decimal(client.account()["collateral"]), Decimal(0)
    realized = fees = Decimal(0)
    opening = cash
    for is_buy, units, steps in trades:
        client.now_ms += steps * TRADE_MS
        order = client.place(
            isBuy=is_buy,
            orderType="MARKET",
            size=decimal(units, 4),
            limitPrice="190000.00" if is_buy else "40000.00",
        )
        if order["status"] == "REJECTED":
            continue
        sign = 1 if is_buy else -1
        size = Decimal(order["filledSize"])
        turnover = Decimal(order["fees"]) / FEE
        cash -= sign * turnover + Decimal(order["fees"])
        held += sign * size
        realized += Decimal(order["realizedPnl"])
        fees += Decimal(order["fees"])
    account = client.account()
    tick = MARKET.latest("BTC-PERP", client.now_ms)
    mark = Decimal(tick["markPrice"])

    # The fee of each fill is cut to a millionth, which is 0.01 of its turnover, and no
    # order here goes through more than 9 levels.
    slack = Decimal("0.09") * len(trades)
    assert abs(Decimal(account["totalAccountValue"]) - (cash + held * mark)) <= slack
    assert Decimal(account["collateral"]) == opening + realized - fees
    sizes = {each["isLong"]: Decimal(each["size"]) for each in account["positions"]}
    assert sizes == ({held > 0: abs(held)} if held else {})
    profit = sum(Decimal(each["unrealizedPnl"]) for each in account["positions"])
    total = Decimal(account["totalAccountValue"])
    assert total == Decimal(account["collateral"]) + profit
    locked = Decimal(account["balances"][0]["locked"])
    assert 0 <= Decimal(account["withdrawable"]) <= total - locked


# Listing.


def test_an_order_shows_what_it_met_when_it_was_placed(client: Client) -> None:
    resting = client.place()

    assert resting["initMarginRatio"] == "0.100000"
    ticker = client.ask("GET", "/ticker/latest", symbols="BTC-PERP")[1]["tickers"][0]
    assert resting["markPrice"] == ticker["markPrice"]
    assert [resting[name] for name in ("tpPrice", "slPrice", "code")] == 3 * [None]
    assert resting["settledFunding"] is None


def test_a_filled_order_has_settled_its_funding_and_a_rejected_one_has_a_code(
    client: Client,
) -> None:
    filled = client.place(**MARKET_ORDER)
    killed = client.place(**{**MARKET_ORDER, "limitPrice": "1.00"})
    useless = client.place(**{**MARKET_ORDER, "reduceOnly": True})

    assert (filled["status"], filled["settledFunding"]) == ("FILLED", "0.000000")
    assert filled["code"] is None
    assert (killed["status"], killed["code"]) == ("REJECTED", 3011)
    assert (useless["status"], useless["code"]) == ("REJECTED", 1130)
    assert killed["settledFunding"] is useless["settledFunding"] is None


def test_filters_select(client: Client) -> None:
    first = client.place(symbol="BTC-PERP")
    client.now_ms += 1_000
    second = client.place(symbol="ETH-PERP", size="0.010", limitPrice="2000.00")
    client.now_ms += 1_000
    third = client.place(**MARKET_ORDER)

    def ids(**query: Any) -> list[str]:
        return [each["id"] for each in client.listed(**query)]

    whole = [third["id"], second["id"], first["id"]]
    assert ids() == whole
    assert ids(limit=2) == whole[:2]
    assert ids(id=second["id"]) == [second["id"]]
    assert ids(nonce=third["nonce"]) == [third["id"]]
    assert ids(symbol="ETH-PERP") == [second["id"]]
    assert ids(orderType="MARKET") == [third["id"]]
    assert ids(status="NEW") == whole[1:]
    assert ids(startTime=NOW_MS + 1) == whole[:2]
    assert ids(endTime=NOW_MS + 1_000) == whole[1:]
    assert ids(startTime=NOW_MS + 1, endTime=NOW_MS + 999) == []
    assert ids(symbol="BTC-PERP", status="FILLED") == [third["id"]]
    assert ids(id="0x") == ids(nonce=7) == []


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        (1116, {"orderType": "STOP"}),
        (1121, {"symbol": "X"}),
        (1121, {"symbol": ""}),
        (1130, {"status": "DONE"}),
        (1130, {"nonce": "x"}),
        (1130, {"nonce": "-1"}),
        (1130, {"limit": "0"}),
        (1130, {"limit": "1001"}),
        (1130, {"startTime": "x"}),
        (1130, {"endTime": "-1"}),
        (1130, {"startTime": "2", "endTime": "1"}),
    ],
)
def test_wrong_filter_has_its_documented_code(
    client: Client, wanted: int, query: dict[str, Any]
) -> None:
    assert code(client.ask("GET", "/orders", time=NOW_MS, **query)) == wanted


# Bounds.


def test_orders_of_an_account_are_bounded(client: Client) -> None:
    private = client.application._private
    credential = private.accounts.credential(client.api_key, 0)
    assert credential is not None
    portfolio = credential.account.portfolio
    resting = client.place()
    client.place(timeInForce="FOK")
    latest = [order.request for order in portfolio.orders(NOW_MS)]
    killed, kept = latest

    for _ in range(MAX_OPEN_ORDERS + 10):
        portfolio.place(kept, NOW_MS)
    for _ in range(MAX_ORDERS):
        portfolio.place(killed, NOW_MS)

    found = list(portfolio.orders(NOW_MS))
    assert len(found) == MAX_ORDERS
    assert len(portfolio.resting) == MAX_OPEN_ORDERS
    # Open orders are never forgotten.
    assert portfolio.resting[0].id == resting["id"]
    assert {each.id for each in portfolio.resting} <= {each.id for each in found}


def test_signing_key_is_the_one_that_was_registered() -> None:
    # Guards the refusals above against a client that signs with another key anyway.
    assert Client().signing is SIGNING
