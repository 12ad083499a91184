"""The exchange's WebSocket over real sockets, counted at the exchange.

The client is `websockets`, which owes nothing to wsproto.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.support.exchange_client import Client
from tests.support.exchange_sockets import FAST, client_context
from tests.support.websocket_talk import (
    QUERY,
    listening,
    tell,
)
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour


class Trader(Client):
    """The client whose requests go over a socket, at the real time."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        super().__init__(application=None)
        self.now_ms = time.time_ns() // 1_000_000
        self._nonce = self.now_ms
        base, context = exchange.base_url(), client_context(exchange)
        self.http = httpx.Client(base_url=base, verify=context, trust_env=False)
        # An account of its own for each test.
        answer = self.http.post(
            "/register", json=self.proof(), headers={"xrestservermm": "restserver0"}
        )
        self.api_key, self.group = answer.json()["apiKey"], answer.json()["accGroup"]
        group = f"restserver{self.group}"
        self.http.headers.update({"xrestservermm": group, "X-API-KEY": self.api_key})

    def query(self) -> str:
        key = self.http.post("/account/listenKey").json()["listenKey"]
        return f"version=1.0&websocketserver=restserver{self.group}&listenKey={key}"


@pytest.fixture
def trader(exchange: ExchangeProcess) -> Iterator[Trader]:
    found = Trader(exchange)
    with closing(found.http):
        yield found


# What is documented.


def test_ping_is_answered_with_pong(exchange: ExchangeProcess) -> None:
    with listening(exchange) as client:
        tell(client, "PING")

        assert client.hear() == {"data": "PONG"}


def test_upgrade_is_counted_with_the_code_of_its_end(exchange: ExchangeProcess) -> None:
    before = exchange.counters()
    with listening(exchange) as client:
        tell(client, "PING")
        client.hear()
    after = exchange.counters()

    assert after.websockets == before.websockets + 1
    assert after.connections == before.connections + 1
    assert after.requests == before.requests + 1
    codes = (before.websocket_closes, after.websocket_closes)
    assert codes[1]["1000"] == codes[0].get("1000", 0) + 1


def test_every_channel_says_at_once_what_it_knows(exchange: ExchangeProcess) -> None:
    channels = ("tickers", "BTC-PERP@depth", "ETH-PERP@kline_1h", "SOL-PERP@trades")
    with listening(exchange) as client:
        tell(client, "SUBSCRIBE", *channels, number=7)
        confirmed, *said = [client.hear() for _ in range(5)]

    assert confirmed == {"result": None, "id": 7}
    assert [each["channel"] for each in said] == list(channels)
    tickers, depth, kline, trade = (each["data"] for each in said)
    assert {"symbol", "markPrice", "priceChange", "priceChangePercent"} <= set(
        tickers[0]
    )
    assert [len(depth["bids"]), len(depth["asks"])] == [20, 20]
    assert [type(each) for each in kline] == [int, *[str] * 4, int, *[str] * 3]
    assert set(trade) == {"id", "price", "qty", "quoteQty", "time"}


def test_channel_is_said_again_until_it_is_unsubscribed(
    exchange: ExchangeProcess,
) -> None:
    with listening(exchange) as client:
        tell(client, "SUBSCRIBE", "BTC-PERP@depth")
        said = [client.hear() for _ in range(3)]
        tell(client, "UNSUBSCRIBE", "BTC-PERP@depth", number=2)
        while client.hear() != {"result": None, "id": 2}:
            pass  # said before the exchange had read that
        assert client.is_silent(1.5)

    assert [each.get("channel") for each in said[1:]] == ["BTC-PERP@depth"] * 2


def test_order_by_rest_is_told_to_its_account_alone(
    exchange: ExchangeProcess, trader: Trader
) -> None:
    with listening(exchange, trader.query()) as own, listening(exchange) as other:
        for client, channel in ((own, "account_private"), (other, "BTC-PERP@trades")):
            tell(client, "SUBSCRIBE", channel)
            assert client.hear()["result"] is None
        other.hear()
        order = trader.order(limitPrice="10.00")
        accepted = trader.http.post("/orders", json=order).json()
        cancel = trader.cancellation(accepted["id"])
        trader.http.post("/orders/cancel", json=cancel)
        told = [own.hear() for _ in range(2)]
        assert other.is_silent(0.2)

    assert {each["channel"] for each in told} == {"account_private"}
    assert [each["data"]["event"] for each in told] == ["ORDER", "ORDER"]
    new, cancelled = (each["data"]["args"] for each in told)
    assert (new["id"], new["status"]) == (accepted["id"], "NEW")
    assert new["nonce"] == order["order"]["nonce"]
    assert (cancelled["id"], cancelled["status"]) == (accepted["id"], "CANCELLED")


def test_event_of_an_order_comes_no_sooner_than_it_is_processed() -> None:
    spec = ExchangeSpec(processing_ms=0.0, order_processing_ms=120.0)
    with ExchangeProcess(spec) as exchange:
        trader = Trader(exchange)
        with closing(trader.http), listening(exchange, trader.query()) as client:
            tell(client, "SUBSCRIBE", "account_private")
            client.hear()
            order = trader.order(limitPrice="10.00")
            begin_s = time.monotonic()
            trader.http.post("/orders", json=order)
            event = client.hear()
            took_s = time.monotonic() - begin_s

    assert event["data"]["args"]["status"] == "NEW"
    assert took_s >= 0.120


def test_order_whose_answer_never_comes_is_told_all_the_same(
    exchange: ExchangeProcess, trader: Trader
) -> None:
    with listening(exchange, trader.query()) as client:
        tell(client, "SUBSCRIBE", "account_private")
        client.hear()
        exchange.behave(Behaviour(fault_close=1.0))
        trader.http.post("/orders", json=trader.order(limitPrice="10.00"))

        assert client.hear()["data"]["args"]["status"] == "NEW"


def test_a_websocket_outlives_the_idle_timeout_of_requests() -> None:
    spec = ExchangeSpec(processing_ms=0.0, idle_timeout_s=0.1)
    with ExchangeProcess(spec) as exchange, listening(exchange) as client:
        time.sleep(0.3)
        tell(client, "PING")

        assert client.hear() == {"data": "PONG"}


def test_client_is_told_that_the_exchange_stops() -> None:
    with ExchangeProcess(FAST) as exchange, listening(exchange) as client:
        tell(client, "PING")
        client.hear()
        exchange.stop()

        assert client.hear_close()[0] == 1012


# Refused, with the documented code.

QUERIES = {
    "no version": ("xwebsocketserver=restserver0", 4000),
    "wrong version": ("version=2.0&xwebsocketserver=restserver0", 4000),
    "no group": ("version=1.0", 4001),
    "group out of range": ("version=1.0&xwebsocketserver=restserver10", 4002),
    "group that is none": ("version=1.0&xwebsocketserver=%00%ff", 4002),
    "empty listen key": (f"{QUERY}&listenKey=", 4004),
    "listen key of nobody": (f"{QUERY}&listenKey={'0' * 64}", 4004),
}


@pytest.mark.parametrize("name", QUERIES)
def test_url_that_cannot_be_served_is_closed_with_its_code(
    exchange: ExchangeProcess, name: str
) -> None:
    query, code = QUERIES[name]
    with listening(exchange, query) as client:
        assert client.hear_close()[0] == code

    assert exchange.counters().websocket_closes[str(code)]


def test_group_of_another_account_is_refused(
    exchange: ExchangeProcess, trader: Trader
) -> None:
    right = f"restserver{trader.group}"
    wrong = trader.query().replace(right, f"restserver{(trader.group + 1) % 10}")
    with listening(exchange, wrong) as client:
        assert client.hear_close()[0] == 4002


def test_deleted_listen_key_closes_whoever_listens_with_it(
    exchange: ExchangeProcess, trader: Trader
) -> None:
    query = trader.query()
    with listening(exchange, query) as client:
        trader.http.delete("/account/listenKey")
        assert client.hear_close()[0] == 4005
    with listening(exchange, query) as late:
        assert late.hear_close()[0] == 4005


def test_private_channel_needs_a_listen_key(exchange: ExchangeProcess) -> None:
    with listening(exchange) as client:
        tell(client, "SUBSCRIBE", "account_private")

        assert client.hear_close()[0] == 4003


MESSAGES = {
    "no JSON": "hello",
    "no object": "[]",
    "no method": "{}",
    "unknown method": '{"method": "ORDER", "params": ["tickers"], "id": 1}',
    "no channels": '{"method": "SUBSCRIBE", "params": [], "id": 1}',
    "unknown channel": '{"method": "SUBSCRIBE", "params": ["DOGE@depth"], "id": 1}',
    "private method": '{"method": "SUBSCRIBE", "params": ["BTC-PERP@_x"], "id": 1}',
    "channel of no string": '{"method": "SUBSCRIBE", "params": [{}], "id": 1}',
    "half a surrogate": '{"method": "SUBSCRIBE", "params": ["\\ud800"], "id": 1}',
    "no id": '{"method": "SUBSCRIBE", "params": ["tickers"]}',
    "boolean id": '{"method": "SUBSCRIBE", "params": ["tickers"], "id": true}',
    "endless id": '{"method": "SUBSCRIBE", "params": ["tickers"], "id": %s}'
    % ("9" * 5_000),
    "brackets": "[" * 60_000,
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message_that_means_nothing_is_closed_with_a_word(
    exchange: ExchangeProcess, name: str
) -> None:
    with listening(exchange) as client:
        client.send(MESSAGES[name])
        code, reason = client.hear_close()

    assert code == 1008
    assert reason
