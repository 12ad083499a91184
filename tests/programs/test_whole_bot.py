"""A bot of Vest inside, from its warm-up to the events of its orders."""

from __future__ import annotations

import sys

import pytest

from tests.support.inside import inside
from tests.support.paths import ROOT
from vestbench.model.traffic import UPGRADED
from vestbench.programs.account import traffic_of

pytestmark = pytest.mark.link

BOT = str(ROOT / "tests" / "programs" / "clients" / "whole_bot.py")
URL = "https://server-dev.hz.vestmarkets.com/v2"
WEBSOCKET = "wss://ws-dev.hz.vestmarkets.com/ws-api"
NS_PER_MS = 1_000_000


def test_a_whole_bot_is_seen_with_its_websocket_and_the_events_of_its_orders() -> None:
    ran = inside(sys.executable, BOT, URL, WEBSOCKET, "3", rtt_ms=20.0)

    assert ran.run.status == 0, ran.err
    traffic = traffic_of([ran.run])
    assert [(each.host, each.port) for each in traffic.connections] == [
        ("server-dev.hz.vestmarkets.com", 443),
        ("ws-dev.hz.vestmarkets.com", 443),
    ]
    asked = [(each.method, each.path.partition("?")[0]) for each in traffic.requests]
    assert asked == [
        ("GET", "/v2/account"),
        ("POST", "/v2/register"),
        ("POST", "/v2/account/listenKey"),
        ("GET", "/v2/account"),
        ("GET", "/ws-api"),
        *[("POST", "/v2/orders")] * 3,
    ]
    assert [each.status for each in traffic.requests if each.upgraded] == [UPGRADED]
    orders = [each for each in traffic.requests if each.event_ns is not None]
    assert [each.path for each in orders] == ["/v2/orders"] * 3
    for order, said in zip(orders, ran.said["orders"], strict=True):
        assert order.end_ns is not None
        event_ns = (order.event_ns or 0) - order.start_ns
        # A round trip at least; and what the bot sees begins before and ends later.
        assert 20 * NS_PER_MS <= event_ns <= said["event"] * NS_PER_MS
        assert order.end_ns - order.start_ns <= said["answered"] * NS_PER_MS


def test_no_key_of_a_bot_is_in_its_account() -> None:
    ran = inside(sys.executable, BOT, URL, WEBSOCKET, "1")

    assert ran.run.status == 0, ran.err
    (upgrade,) = [each for each in ran.run.seen.requests if "ws-api" in each.path]
    assert upgrade.path == "/ws-api?version&xwebsocketserver&listenKey"
