"""What the exchange says over its WebSocket, at times that a test says."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.support.exchange_client import MARKET, NOW_MS, Client
from tests.support.orders import MARKET_ORDER
from tests.support.websocket_talk import Listening
from vestbench.simulator.http.messages import Conversation, Deferred, Request, Response
from vestbench.simulator.vest.accounts import LISTEN_KEY_MS
from vestbench.simulator.vest.market import TRADE_MS


def joined(client: Client, *, key: str = "") -> tuple[Conversation, Listening]:
    """Begin a conversation, with the listen key of the client's account if given."""
    query = {"version": "1.0", "xwebsocketserver": f"restserver{client.group}"}
    if key:
        query["listenKey"] = key
    sent = {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = client.application.begin(Request("GET", "/ws-api", query, sent))
    assert isinstance(answer, Response)
    assert answer.talk is not None
    listener = Listening()
    return answer.talk(listener), listener


def subscribe(conversation: Conversation, *channels: str, method: str = "") -> None:
    asked = {"method": method or "SUBSCRIBE", "params": channels, "id": 1}
    conversation.heard(json.dumps(asked))


def listen_key(client: Client) -> str:
    status, body = client.ask("POST", "/account/listenKey")
    assert status == 200
    return str(body["listenKey"])


def ask(client: Client, path: str, body: Any) -> Response:
    """Send a request and do what else its answer brings about when it is due."""
    key, group = client.api_key, f"restserver{client.group}"
    headers = {"xrestservermm": group, "x-api-key": key}
    content = json.dumps(body).encode()
    request = Request("POST", f"/v2{path}", {}, headers, content)
    answer = client.application.begin(request)
    assert isinstance(answer, Deferred)
    response = answer.finish(answer.work())
    if response.besides is not None:
        response.besides()
    return response


def told(listener: Listening) -> list[Any]:
    """Return the orders of the events that were heard, in order."""
    return [each["data"]["args"] for each in listener.heard if "data" in each]


@pytest.fixture
def private(client: Client) -> tuple[Conversation, Listening]:
    conversation, listener = joined(client, key=listen_key(client))
    subscribe(conversation, "account_private")
    return conversation, listener


def test_order_that_is_filled_is_told_as_new_and_then_with_its_fill(
    client: Client, private: tuple[Conversation, Listening]
) -> None:
    ask(client, "/orders", client.order(**MARKET_ORDER, size="0.0001"))

    new, filled = told(private[1])
    asked = {"symbol", "isBuy", "orderType", "limitPrice", "size", "reduceOnly"}
    common = {"id", "status", "postTime", "nonce", "initMarginRatio", *asked}
    fill = {"lastFilledSize", "lastFilledPrice", "lastFilledTime", "avgFilledPrice"}
    assert set(new) == common
    assert set(filled) == {*common, *fill, "cumFunding", "fees"}
    assert (new["status"], filled["status"]) == ("NEW", "FILLED")
    assert filled["avgFilledPrice"] == client.listed()[0]["avgFilledPrice"]


def test_rejected_order_is_told_with_its_code(
    client: Client, private: tuple[Conversation, Listening]
) -> None:
    order = client.order(timeInForce="FOK", limitPrice="10.00")
    ask(client, "/orders", order)

    (rejected,) = told(private[1])
    assert set(rejected) == {"id", "status", "code", "postTime", "nonce"}
    assert (rejected["status"], rejected["code"]) == ("REJECTED", 3011)


def test_resting_order_is_told_when_the_market_reaches_it(
    client: Client, private: tuple[Conversation, Listening]
) -> None:
    conversation, listener = private
    bid = Decimal(MARKET.depth("BTC-PERP", 1, NOW_MS)["bids"][0][0])
    ask(client, "/orders", client.order(limitPrice=f"{bid:.2f}"))
    assert [each["status"] for each in told(listener)] == ["NEW"]

    for _ in range(100):
        client.now_ms += TRADE_MS
        assert client.ask("PUT", "/account/listenKey")[0] == 200
        conversation.turn()
        if len(told(listener)) > 1:
            break

    assert [each["status"] for each in told(listener)] == ["NEW", "FILLED"]


def test_nothing_of_what_was_before_is_told(client: Client) -> None:
    ask(client, "/orders", client.order(**MARKET_ORDER))
    conversation, listener = joined(client, key=listen_key(client))
    subscribe(conversation, "account_private")
    conversation.turn()

    assert told(listener) == []


@pytest.mark.parametrize("leaves", [True, False])
def test_who_has_gone_is_told_no_more(
    client: Client, private: tuple[Conversation, Listening], *, leaves: bool
) -> None:
    conversation, listener = private
    if leaves:
        conversation.left()
    else:
        subscribe(conversation, "account_private", method="UNSUBSCRIBE")
    ask(client, "/orders", client.order(**MARKET_ORDER))

    assert told(listener) == []


def test_all_who_listen_are_told_once(
    client: Client, private: tuple[Conversation, Listening]
) -> None:
    conversation, second = joined(client, key=listen_key(client))
    subscribe(conversation, "account_private")
    subscribe(conversation, "account_private")
    ask(client, "/orders", client.order(limitPrice="10.00"))
    for each in (conversation, private[0]):
        each.turn()

    assert [len(told(each)) for each in (private[1], second)] == [1, 1]


def test_listen_key_ends_its_websocket_after_an_hour(
    client: Client, private: tuple[Conversation, Listening]
) -> None:
    conversation, listener = private
    client.now_ms += LISTEN_KEY_MS - 1
    conversation.turn()
    assert listener.closed is None
    client.now_ms += 1
    conversation.turn()

    assert listener.closed == 4005


def test_listen_key_that_is_extended_keeps_it_open(
    client: Client, private: tuple[Conversation, Listening]
) -> None:
    conversation, listener = private
    client.now_ms += LISTEN_KEY_MS - 1
    assert client.ask("PUT", "/account/listenKey")[0] == 200
    client.now_ms += LISTEN_KEY_MS - 1
    conversation.turn()

    assert listener.closed is None


def test_trades_are_told_as_they_happen_and_once(client: Client) -> None:
    conversation, listener = joined(client)
    subscribe(conversation, "BTC-PERP@trades")
    for _ in range(4):
        conversation.turn()
    client.now_ms += 2 * TRADE_MS
    for _ in range(4):
        conversation.turn()

    said = [each["data"] for each in listener.heard[1:]]
    first = NOW_MS // TRADE_MS
    assert [int(each["id"], 16) for each in said] == [first, first + 1, first + 2]
    listed = MARKET.trades("BTC-PERP", NOW_MS - TRADE_MS, client.now_ms, 10)
    assert [{**each, "id": int(each["id"], 16)} for each in said] == listed


def test_channels_say_what_the_endpoints_say(client: Client) -> None:
    conversation, listener = joined(client)
    subscribe(conversation, "tickers", "BTC-PERP@depth", "BTC-PERP@kline_5m")

    tickers, depth, kline = (each["data"] for each in listener.heard[1:])
    _, latest = client.ask("GET", "/ticker/latest")
    assert [latest["tickers"][0].items() <= tickers[0].items(), len(tickers)] == [
        True,
        len(latest["tickers"]),
    ]
    assert (200, depth) == client.ask("GET", "/depth", symbol="BTC-PERP")
    _, klines = client.ask("GET", "/klines", symbol="BTC-PERP", interval="5m", limit=1)
    assert kline[:-1] == klines[0][:-1]
    assert int(kline[-1]) == klines[0][-1]
