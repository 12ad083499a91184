"""The market of the exchange: what its endpoints say agrees."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.market_answers import MARKET, NOW_MS, SYMBOLS, found
from vestbench.simulator.vest.instruments import INSTRUMENTS, decimal
from vestbench.simulator.vest.market import (
    INTERVALS,
    INTERVALS_MS,
    LISTED_MS,
    TRADE_MS,
    WEEK_MS,
    Market,
)

FEW = settings(max_examples=30, deadline=None)


def places(text: str) -> int:
    return len(text.partition(".")[2])


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_decimals_are_those_that_exchange_info_says(symbol: str) -> None:
    listing = found("/v2/exchangeInfo", symbols=symbol)["symbols"][0]
    price, size = listing["priceDecimals"], listing["sizeDecimals"]
    latest = found("/v2/ticker/latest", symbols=symbol)["tickers"][0]
    day = found("/v2/ticker/24hr", symbols=symbol)["tickers"][0]
    depth = found("/v2/depth", symbol=symbol)
    trades = found("/v2/trades", symbol=symbol, limit="20")
    klines = found("/v2/klines", symbol=symbol, limit="20")

    prices = [latest["markPrice"], latest["indexPrice"], day["highPrice"]]
    prices += [day["openPrice"], day["closePrice"], day["priceChange"]]
    prices += [level[0] for side in depth.values() for level in side]
    prices += [trade["price"] for trade in trades]
    prices += [each for kline in klines for each in kline[1:5]]
    sizes = [latest["imbalance"], day["volume"]]
    sizes += [level[1] for side in depth.values() for level in side]
    sizes += [trade["qty"] for trade in trades]
    signed = [trade[name] for trade in trades for name in ("qty", "quoteQty")]
    assert min(map(Decimal, signed)) > 0
    sizes += [kline[6] for kline in klines]
    assert {places(each) for each in prices} == {price}
    assert {places(each) for each in sizes} == {size}


TIMES = st.integers(LISTED_MS + 40 * 86_400_000, LISTED_MS + 4_000 * 86_400_000)


@FEW
@given(now_ms=TIMES, symbol=st.sampled_from(SYMBOLS), limit=st.integers(1, 100))
def test_depth_is_ordered_and_holds_the_ticker_in_its_spread(
    now_ms: int, symbol: str, limit: int
) -> None:
    depth = found("/v2/depth", now_ms, symbol=symbol, limit=str(limit))
    latest = found("/v2/ticker/latest", now_ms, symbols=symbol)["tickers"][0]
    bids = [Decimal(price) for price, _ in depth["bids"]]
    asks = [Decimal(price) for price, _ in depth["asks"]]

    assert len(bids) == len(asks) == limit
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < Decimal(latest["markPrice"]) < asks[0]
    assert all(Decimal(size) > 0 for side in depth.values() for _, size in side)
    assert bids[-1] > 0


@FEW
@given(now_ms=TIMES, symbol=st.sampled_from(SYMBOLS), limit=st.integers(1, 99))
def test_fewer_levels_are_the_first_of_many(
    now_ms: int, symbol: str, limit: int
) -> None:
    few = found("/v2/depth", now_ms, symbol=symbol, limit=str(limit))
    many = found("/v2/depth", now_ms, symbol=symbol, limit="100")

    assert few == {side: levels[:limit] for side, levels in many.items()}


@FEW
@given(now_ms=TIMES, symbol=st.sampled_from(SYMBOLS))
def test_imbalance_is_what_the_default_depth_adds_up_to(
    now_ms: int, symbol: str
) -> None:
    depth = found("/v2/depth", now_ms, symbol=symbol)
    latest = found("/v2/ticker/latest", now_ms, symbols=symbol)["tickers"][0]
    bids, asks = (
        sum(Decimal(size) for _, size in depth[side]) for side in ("bids", "asks")
    )

    assert Decimal(latest["imbalance"]) == bids - asks


@FEW
@given(now_ms=TIMES, symbol=st.sampled_from(SYMBOLS))
def test_ticker_trades_klines_and_day_agree_on_the_last_price(
    now_ms: int, symbol: str
) -> None:
    mark = found("/v2/ticker/latest", now_ms, symbols=symbol)["tickers"][0]["markPrice"]
    day = found("/v2/ticker/24hr", now_ms, symbols=symbol)["tickers"][0]
    trade = found("/v2/trades", now_ms, symbol=symbol, limit="1")[0]
    kline = found("/v2/klines", now_ms, symbol=symbol, limit="1")[0]

    assert mark == day["closePrice"] == trade["price"] == kline[4]
    assert trade["time"] <= now_ms < trade["time"] + TRADE_MS
    assert kline[0] <= now_ms <= kline[5]


@FEW
@given(
    now_ms=TIMES,
    symbol=st.sampled_from(SYMBOLS),
    interval=st.sampled_from(["1m", "5m", "1h", "8h"]),
    limit=st.integers(1, 4),
)
def test_klines_are_made_of_the_trades(
    now_ms: int, symbol: str, interval: str, limit: int
) -> None:
    query = {"symbol": symbol, "interval": interval, "limit": str(limit)}
    for opens, start, high, low, end, closes, volume, quote, count in found(
        "/v2/klines", now_ms, **query
    ):
        stretch = {"startTime": str(opens), "endTime": str(min(closes, now_ms))}
        trades = found("/v2/trades", now_ms, symbol=symbol, **stretch)
        prices = [Decimal(trade["price"]) for trade in trades]

        assert count == len(trades)
        assert [Decimal(each) for each in (start, high, low, end)] == [
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
        ]
        assert Decimal(volume) == sum(abs(Decimal(each["qty"])) for each in trades)
        assert Decimal(quote) == sum(abs(Decimal(each["quoteQty"])) for each in trades)


@settings(max_examples=8, deadline=None)
@given(now_ms=TIMES, symbol=st.sampled_from(SYMBOLS))
def test_the_day_is_made_of_the_trades_of_24_hours(now_ms: int, symbol: str) -> None:
    day = found("/v2/ticker/24hr", now_ms, symbols=symbol)["tickers"][0]
    trades: list[Any] = []
    while len(trades) < 86_400_000 // TRADE_MS:
        before = str(trades[0]["time"] - 1) if trades else str(now_ms)
        trades = found("/v2/trades", now_ms, symbol=symbol, endTime=before) + trades
    trades = trades[-86_400_000 // TRADE_MS :]
    prices = [Decimal(trade["price"]) for trade in trades]

    assert day["openTime"] == trades[0]["time"]
    assert Decimal(day["openPrice"]) == prices[0]
    assert Decimal(day["highPrice"]) == max(prices)
    assert Decimal(day["lowPrice"]) == min(prices)
    assert Decimal(day["priceChange"]) == prices[-1] - prices[0]
    assert Decimal(day["volume"]) == sum(abs(Decimal(each["qty"])) for each in trades)


@FEW
@given(
    now_ms=TIMES,
    interval=st.sampled_from(INTERVALS),
    limit=st.integers(1, 60),
)
def test_klines_follow_one_another_without_gap_and_are_plausible(
    now_ms: int, interval: str, limit: int
) -> None:
    klines = found(
        "/v2/klines", now_ms, symbol="BTC-PERP", interval=interval, limit=str(limit)
    )

    assert 1 <= len(klines) <= limit
    for earlier, later in pairwise(klines):
        assert earlier[5] + 1 == later[0]
    for opens, *prices, closes, _, _, count in klines:
        start, high, low, end = map(Decimal, prices)
        assert low <= min(start, end) <= max(start, end) <= high
        assert count > 0
        assert LISTED_MS <= opens <= now_ms
        if interval in INTERVALS_MS:
            assert closes + 1 - opens == INTERVALS_MS[interval]


def test_months_and_weeks_begin_where_the_calendar_says() -> None:
    month = found("/v2/klines", symbol="BTC-PERP", interval="1M", limit="2")
    week = found("/v2/klines", symbol="BTC-PERP", interval="1w", limit="1")

    assert [each[0] for each in month] == [1_764_547_200_000, 1_767_225_600_000]
    assert week[0][0] == 1_766_966_400_000  # Monday, 29 December 2025


@FEW
@given(start=TIMES, length=st.integers(0, 10**9), limit=st.integers(1, 1000))
def test_history_stays_within_the_stretch_asked_for(
    start: int, length: int, limit: int
) -> None:
    query = {"symbol": "ETH-PERP", "startTime": str(start), "limit": str(limit)}
    query["endTime"] = str(start + length)
    now_ms = start + length + 1
    trades = found("/v2/trades", now_ms, **query)
    rates = found("/v2/funding/history", now_ms, interval="1h", **query)

    for rows in (trades, rates):
        times = [row["time"] for row in rows]
        assert len(times) <= limit
        assert times == sorted(set(times))
        assert all(start <= each <= start + length for each in times)


def test_nothing_is_told_of_the_future_or_of_the_time_before_the_listing() -> None:
    later = str(NOW_MS + WEEK_MS)
    last = found("/v2/trades", symbol="BTC-PERP", endTime=later)[-1]
    early = found("/v2/klines", symbol="BTC-PERP", endTime=str(LISTED_MS - 1))
    first = found("/v2/trades", symbol="BTC-PERP", endTime=str(LISTED_MS + TRADE_MS))

    assert last["time"] <= NOW_MS
    assert early == []
    assert [each["time"] for each in first] == [LISTED_MS, LISTED_MS + TRADE_MS]


def test_funding_of_the_ticker_is_the_last_of_its_history() -> None:
    latest = found("/v2/ticker/latest", symbols="BTC-PERP")["tickers"][0]
    rates = found("/v2/funding/history", symbol="BTC-PERP", interval="1h", limit="2")
    hour_ago = found("/v2/ticker/latest", NOW_MS - 3_600_000, symbols="BTC-PERP")
    before = hour_ago["tickers"][0]

    assert latest["oneHrFundingRate"] == rates[-1]["oneHrFundingRate"]
    paid = Decimal(latest["cumFunding"]) - Decimal(before["cumFunding"])
    assert paid == Decimal(latest["oneHrFundingRate"])


def test_the_market_is_decided_by_the_seed_and_the_clock() -> None:
    again, other = Market(seed=7), Market(seed=8)

    for symbol in SYMBOLS:
        known = MARKET.latest(symbol, NOW_MS)
        assert again.latest(symbol, NOW_MS) == known
        assert other.latest(symbol, NOW_MS) != known
        assert MARKET.latest(symbol, NOW_MS + TRADE_MS) != known


def test_prices_stay_near_where_they_began() -> None:
    for each in INSTRUMENTS:
        tape = MARKET.klines(each.symbol, "1w", 0, NOW_MS, 1)[0]
        start = Decimal(decimal(each.price, each.price_decimals))
        assert start * Decimal("0.8") < Decimal(tape[3])
        assert Decimal(tape[2]) < start * Decimal("1.2")


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 2, "0.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (-123_456, 4, "-12.3456")],
)
def test_decimals_are_written_with_all_their_places(
    units: int, decimals: int, text: str
) -> None:
    assert decimal(units, decimals) == text
