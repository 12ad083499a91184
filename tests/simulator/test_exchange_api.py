"""The application of the exchange: the shapes of its answers, and refusals."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.support.market_answers import (
    MARKET,
    NOW_MS,
    ROUTED,
    SYMBOLS,
    answer,
    finished,
    found,
)
from vestbench.simulator.http.messages import Request
from vestbench.simulator.vest.application import Application

# Shapes.


def test_exchange_info_lists_every_symbol_with_the_documented_fields() -> None:
    info = found("/v2/exchangeInfo")

    assert set(info) == {"symbols", "exchange"}
    assert [each["symbol"] for each in info["symbols"]] == list(SYMBOLS)
    for each in info["symbols"]:
        assert set(each) == {
            "symbol",
            "displayName",
            "base",
            "quote",
            "sizeDecimals",
            "priceDecimals",
            "initMarginRatio",
            "maintMarginRatio",
            "takerFee",
            "isolated",
        }
        assert isinstance(each["sizeDecimals"], int)
        assert isinstance(each["takerFee"], str)
        assert Decimal(each["maintMarginRatio"]) < Decimal(each["initMarginRatio"])
    assert set(info["exchange"]) == {"lp", "insurance", "collateralDecimals"}


def test_latest_ticker_has_the_documented_fields() -> None:
    tickers = found("/v2/ticker/latest")["tickers"]

    assert [each["symbol"] for each in tickers] == list(SYMBOLS)
    for each in tickers:
        assert set(each) == {
            "symbol",
            "markPrice",
            "indexPrice",
            "imbalance",
            "oneHrFundingRate",
            "cumFunding",
            "status",
        }
        assert all(isinstance(value, str) for value in each.values())


@pytest.mark.parametrize(
    "path", ["/v2/ticker/latest", "/v2/ticker/24hr", "/v2/exchangeInfo"]
)
def test_symbols_selects_and_orders(path: str) -> None:
    body = found(path, symbols="SOL-PERP,BTC-PERP")
    listed = body.get("tickers") or body["symbols"]

    assert [each["symbol"] for each in listed] == ["SOL-PERP", "BTC-PERP"]


def test_times_are_integers_and_decimals_are_strings() -> None:
    day = found("/v2/ticker/24hr", symbols="BTC-PERP")["tickers"][0]
    trade = found("/v2/trades", symbol="BTC-PERP", limit="1")[0]
    kline = found("/v2/klines", symbol="BTC-PERP", limit="1")[0]
    rate = found("/v2/funding/history", symbol="BTC-PERP", limit="1")[0]

    assert {name for name, value in day.items() if isinstance(value, int)} == {
        "openTime",
        "closeTime",
    }
    kinds = [type(trade[each]) for each in ("id", "price", "qty", "quoteQty", "time")]
    assert kinds == [int, str, str, str, int]
    assert [type(each) for each in kline] == [int, *[str] * 4, int, str, str, int]
    assert set(rate) == {"symbol", "time", "oneHrFundingRate"}
    assert isinstance(rate["time"], int)


def test_paradex_time_is_a_string_of_milliseconds_and_needs_no_routing_header() -> None:
    assert answer("/v1/system/time", headers={}) == (
        200,
        {"server_time": str(NOW_MS)},
    )


# Refusals.


@pytest.mark.parametrize(
    "value",
    [
        "",
        "restserver",
        "restserver10",
        "restserverx",
        "Restserver1",
        "restserver1 ",
    ],
)
def test_malformed_account_group_is_1146(value: str) -> None:
    status, body = answer("/v2/ticker/latest", headers={"xrestservermm": value})

    assert (status, body["code"]) == (400, 1146)
    assert "xrestservermm must be restserver0 to restserver9" in body["msg"]


@pytest.mark.parametrize("path", ["/ticker/latest", "/ticker/24hr", "/exchangeInfo"])
def test_public_endpoints_need_no_routing_header(path: str) -> None:
    assert answer(f"/v2{path}", headers={})[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_not_simulated_is_501(method: str) -> None:
    request = Request(method, "/v2/lp", {}, ROUTED)

    response = finished(Application(MARKET).begin(request))

    assert (response.status, json.loads(response.body)["code"]) == (501, 501)


@pytest.mark.parametrize("group", range(10))
def test_every_account_group_is_served(group: int) -> None:
    headers = {"xrestservermm": f"restserver{group}"}

    assert answer("/v2/exchangeInfo", headers=headers)[0] == 200


@pytest.mark.parametrize("key", [None, "", "0123456789abcdef"])
def test_account_is_unauthorized_as_no_key_was_ever_issued(key: str | None) -> None:
    headers = ROUTED if key is None else {**ROUTED, "x-api-key": key}

    status, body = answer("/v2/account", {"time": str(NOW_MS)}, headers=headers)

    assert (status, body) == (401, {"code": 1002, "msg": "Unauthorized"})


@pytest.mark.parametrize("path", ["/", "/v2/", "/v2/ping", "/v2/depth/", "/v1/time"])
def test_unknown_path_is_404_in_the_documented_form(path: str) -> None:
    assert answer(path) == (404, {"code": 404, "msg": "Not found"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_wrong_method_is_405_and_says_which_one_is_allowed(method: str) -> None:
    application = Application(MARKET)

    response = finished(application.begin(Request(method, "/v2/depth", {}, ROUTED)))

    assert response.status == 405
    assert response.headers == (("Allow", "GET"),)
    assert json.loads(response.body)["code"] == 405


@pytest.mark.parametrize("path", ["/v2/depth", "/v2/klines", "/v2/trades"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param({}, 1130, id="no symbol"),
        pytest.param({"symbol": ""}, 1121, id="empty symbol"),
        pytest.param({"symbol": "DOGE-PERP"}, 1121, id="unknown symbol"),
        pytest.param({"symbol": "btc-perp"}, 1121, id="lower case"),
        pytest.param({"symbol": "BTC-PERP", "limit": "0"}, 1130, id="limit 0"),
        pytest.param({"symbol": "BTC-PERP", "limit": "-1"}, 1130, id="negative limit"),
        pytest.param(
            {"symbol": "BTC-PERP", "limit": "1001"}, 1130, id="over the limit"
        ),
        pytest.param({"symbol": "BTC-PERP", "limit": "ten"}, 1130, id="no number"),
        pytest.param({"symbol": "BTC-PERP", "limit": "1.5"}, 1130, id="no integer"),
        pytest.param({"symbol": "BTC-PERP", "limit": "٣"}, 1130, id="arabic digit"),
        pytest.param({"symbol": "BTC-PERP", "limit": ""}, 1130, id="empty limit"),
    ],
)
def test_invalid_parameters_have_their_documented_code(
    path: str, query: dict[str, str], code: int
) -> None:
    status, body = answer(path, query)

    assert (status, body["code"]) == (400, code)


def test_depth_takes_at_most_100_levels() -> None:
    query = {"symbol": "BTC-PERP"}

    assert len(found("/v2/depth", **query, limit="100")["bids"]) == 100
    assert answer("/v2/depth", {**query, "limit": "101"})[1]["code"] == 1130
    assert len(found("/v2/depth", **query)["asks"]) == 20


@pytest.mark.parametrize(
    "query",
    [
        {"interval": "2m"},
        {"interval": ""},
        {"startTime": "2", "endTime": "1"},
        {"startTime": "-1"},
        {"endTime": "99999999999999999"},
        {"startTime": "yesterday"},
    ],
)
@pytest.mark.parametrize("path", ["/v2/klines", "/v2/funding/history"])
def test_invalid_stretches_of_time_are_1130(path: str, query: dict[str, str]) -> None:
    status, body = answer(path, {"symbol": "BTC-PERP", **query})

    assert (status, body["code"]) == (400, 1130)


def test_an_unknown_symbol_among_known_ones_is_1121() -> None:
    assert answer("/v2/ticker/latest", {"symbols": "BTC-PERP,X"})[1]["code"] == 1121
