"""Public market data of the simulated exchange: made up, but in accord with itself.

Every instrument has one tape: a week of trades, one each 30 seconds, that repeats for
ever. All other figures are computed from the tape, so that a kline's high is the
highest of its trades, the ticker's price lies within the spread of the depth, and a
client that checks one endpoint against another finds no contradiction. The tape comes
from the seed; what is seen of it depends on the time given and on nothing else.

Prices are whole ticks and sizes whole lots until they are written as decimals.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from operator import mul
from typing import Any

TRADE_MS = 30_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
# Nothing was traded before: Monday, 1 January 2024.
LISTED_MS = 1_704_067_200_000

INTERVALS_MS = {
    **{f"{n}m": n * 60_000 for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    **{"1d": DAY_MS, "3d": 3 * DAY_MS, "1w": WEEK_MS},
}
MONTH = "1M"  # the only interval that is not always of the same length
INTERVALS = (*INTERVALS_MS, MONTH)

_WEEK_TRADES = WEEK_MS // TRADE_MS
_HOUR_TRADES = HOUR_MS // TRADE_MS
_WEEK_HOURS = WEEK_MS // HOUR_MS
# The epoch was a Thursday; weeks start on Mondays.
_MONDAY_MS = 4 * DAY_MS
_IMBALANCE_LEVELS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One perpetual future, as `/exchangeInfo` describes it."""

    symbol: str
    base: str
    price_decimals: int
    size_decimals: int
    price: int  # ticks, at the start of the tape's week
    step: int  # ticks; about what the price moves by from trade to trade
    gap: int  # ticks between two levels of the depth
    lot: int  # lots; sizes are small multiples of it
    init_margin: str
    maint_margin: str
    isolated: bool = False


INSTRUMENTS = (
    Instrument(
        symbol="BTC-PERP",
        base="BTC",
        price_decimals=2,
        size_decimals=4,
        price=9_512_340,
        step=950,
        gap=150,
        lot=37,
        init_margin="0.020000",
        maint_margin="0.010000",
    ),
    Instrument(
        symbol="ETH-PERP",
        base="ETH",
        price_decimals=2,
        size_decimals=3,
        price=334_510,
        step=32,
        gap=6,
        lot=53,
        init_margin="0.020000",
        maint_margin="0.010000",
    ),
    Instrument(
        symbol="SOL-PERP",
        base="SOL",
        price_decimals=3,
        size_decimals=2,
        price=187_420,
        step=20,
        gap=4,
        lot=71,
        init_margin="0.050000",
        maint_margin="0.025000",
    ),
    Instrument(
        symbol="AAPL-USD-PERP",
        base="AAPL-USD",
        price_decimals=2,
        size_decimals=3,
        price=22_731,
        step=3,
        gap=1,
        lot=41,
        init_margin="0.040000",
        maint_margin="0.020000",
        isolated=True,
    ),
)


def decimal(units: int, decimals: int) -> str:
    """Write a whole number of units of 10^-decimals as the API writes decimals."""
    whole, part = divmod(abs(units), 10**decimals)
    return f"{'-' if units < 0 else ''}{whole}.{part:0{decimals}d}"


@dataclass(frozen=True, slots=True)
class _Summary:
    """What was traded in a stretch of the tape; prices in ticks, volume in lots."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int  # ticks times lots
    trades: int


class _Tape:
    """The week of trades of one instrument, and sums that make asking for it cheap.

    Trade number k happens at k times 30 s since the epoch. The tape closes on itself:
    its last price is a step away from its first.
    """

    def __init__(self, instrument: Instrument, seed: int) -> None:
        # A string seed does not depend on the interpreter's hash randomisation.
        rng = random.Random(f"{seed}/{instrument.symbol}")
        # Bytes, maps and sums run in C: 15 ms a tape, where a loop over random numbers
        # takes 60; and the exchange is not ready before.
        walk = list(accumulate(rng.randbytes(_WEEK_TRADES)))
        start, step, drift = instrument.price, instrument.step, walk[-1]
        self.prices = [
            start + (place - drift * i // _WEEK_TRADES) * step // 64
            for i, place in enumerate(walk)
        ]
        lots = [instrument.lot * n for n in (-8, -5, -2, -1, 1, 2, 5, 8)] * 32
        self.lots = list(map(lots.__getitem__, rng.randbytes(_WEEK_TRADES)))
        sizes = list(map(abs, self.lots))
        self._volume = [0, *accumulate(sizes)]
        self._turnover = [0, *accumulate(map(mul, self.prices, sizes))]
        hours = [
            self.prices[i : i + _HOUR_TRADES]
            for i in range(0, _WEEK_TRADES, _HOUR_TRADES)
        ]
        self._highs, self._lows = list(map(max, hours)), list(map(min, hours))
        # Funding of each hour of the week, in units of 10^-8.
        self.rates = [rng.randrange(-1_200, 3_600) for _ in range(_WEEK_HOURS)]
        self._paid = [0, *accumulate(self.rates)]

    def price(self, trade: int) -> int:
        return self.prices[trade % _WEEK_TRADES]

    def funding(self, first_hour: int, end_hour: int) -> int:
        """Sum up the rates of some hours since the epoch."""
        return _between(self._paid, first_hour, end_hour)

    def summary(self, first: int, end: int) -> _Summary:
        """Sum up the trades from number `first` up to, not including, `end`."""
        # Whole hours are known; only what is left of the first and last is looked at.
        first_hour, end_hour = -(-first // _HOUR_TRADES), end // _HOUR_TRADES
        if first_hour < end_hour:
            rest = (
                *_cut(self.prices, first, first_hour * _HOUR_TRADES),
                *_cut(self.prices, end_hour * _HOUR_TRADES, end),
            )
            high = max((*_cut(self._highs, first_hour, end_hour), *rest))
            low = min((*_cut(self._lows, first_hour, end_hour), *rest))
        else:
            traded = _cut(self.prices, first, end)
            high, low = max(traded), min(traded)
        return _Summary(
            open=self.price(first),
            high=high,
            low=low,
            close=self.price(end - 1),
            volume=_between(self._volume, first, end),
            turnover=_between(self._turnover, first, end),
            trades=end - first,
        )


def _cut(values: list[int], start: int, end: int) -> list[int]:
    """Return the part of an endlessly repeated list, each element at most once."""
    length = end - start
    if length >= len(values):
        return values
    start %= len(values)
    beyond = start + length - len(values)
    return values[start : start + length] + values[: max(0, beyond)]


def _between(sums: Sequence[int], start: int, end: int) -> int:
    """Return the sum over a part of an endlessly repeated list of partial sums."""
    length = len(sums) - 1
    start_turns, start_rest = divmod(start, length)
    end_turns, end_rest = divmod(end, length)
    return (end_turns - start_turns) * sums[-1] + sums[end_rest] - sums[start_rest]


class Market:
    """All instruments, and what the public endpoints say of them.

    Args:
        seed: Decides all prices, sizes and rates.
    """

    def __init__(self, seed: int = 1) -> None:
        self._instruments = {each.symbol: each for each in INSTRUMENTS}
        self._tapes = {each.symbol: _Tape(each, seed) for each in INSTRUMENTS}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that are traded, in the order of the listing."""
        return tuple(self._instruments)

    def exchange_info(self, symbols: Sequence[str]) -> dict[str, Any]:
        """Return the listing of some symbols, and the exchange's own figures."""
        return {
            "symbols": [_listing(self._instruments[symbol]) for symbol in symbols],
            "exchange": {
                "lp": "25000000.000000",
                "insurance": "1500000.000000",
                "collateralDecimals": 6,
            },
        }

    def latest(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """Return the mark price, and what goes with it, at one instant.

        The mark price is the last trade's. The index lies off it by the premium that
        the funding rate answers to, and the imbalance is bids minus asks of the depth.
        """
        instrument, tape = self._instruments[symbol], self._tapes[symbol]
        mark = tape.price(now_ms // TRADE_MS)
        hour = now_ms // HOUR_MS
        rate = tape.rates[hour % _WEEK_HOURS]
        bids, asks = self._levels(symbol, now_ms, _IMBALANCE_LEVELS)
        imbalance = sum(lots for _, lots in bids) - sum(lots for _, lots in asks)
        paid = tape.funding(LISTED_MS // HOUR_MS, hour + 1)
        return {
            "symbol": symbol,
            "markPrice": decimal(mark, instrument.price_decimals),
            "indexPrice": decimal(
                mark - mark * rate * 8 // 10**8, instrument.price_decimals
            ),
            "imbalance": decimal(imbalance, instrument.size_decimals),
            "oneHrFundingRate": decimal(rate, 8),
            "cumFunding": decimal(paid, 8),
            "status": "TRADING",
        }

    def day(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """Return the sums over the trades of the last 24 hours."""
        instrument = self._instruments[symbol]
        end = now_ms // TRADE_MS + 1
        day = self._tapes[symbol].summary(end - DAY_MS // TRADE_MS, end)
        change = day.close - day.open
        places = instrument.price_decimals
        return {
            "symbol": symbol,
            "openPrice": decimal(day.open, places),
            "highPrice": decimal(day.high, places),
            "lowPrice": decimal(day.low, places),
            "closePrice": decimal(day.close, places),
            "volume": decimal(day.volume, instrument.size_decimals),
            "quoteVolume": _money(day.turnover, instrument),
            "priceChange": decimal(change, places),
            "priceChangePercent": decimal(round(change * 10_000 / day.open), 2),
            "openTime": (end - day.trades) * TRADE_MS,
            "closeTime": now_ms,
        }

    def depth(self, symbol: str, limit: int, now_ms: int) -> dict[str, Any]:
        """Return the best bids and asks, the best ones first."""
        bids, asks = self._levels(symbol, now_ms, limit)
        instrument = self._instruments[symbol]
        return {
            side: [
                [
                    decimal(price, instrument.price_decimals),
                    decimal(lots, instrument.size_decimals),
                ]
                for price, lots in levels
            ]
            for side, levels in (("bids", bids), ("asks", asks))
        }

    def trades(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> list[dict[str, Any]]:
        """Return the last trades of a stretch of time, the oldest first.

        Sizes are signed: negative where the taker sold, as the exchange writes them.
        """
        instrument, tape = self._instruments[symbol], self._tapes[symbol]
        end = end_ms // TRADE_MS + 1
        first = max(-(-max(start_ms, LISTED_MS) // TRADE_MS), end - limit)
        found: list[Any] = []
        for number in range(first, end):
            price, lots = tape.price(number), tape.lots[number % _WEEK_TRADES]
            found.append(
                {
                    "id": f"0x{number:016x}",
                    "price": decimal(price, instrument.price_decimals),
                    "qty": decimal(lots, instrument.size_decimals),
                    "quoteQty": _money(price * lots, instrument),
                    "time": number * TRADE_MS,
                }
            )
        return found

    def klines(
        self, symbol: str, interval: str, start_ms: int, end_ms: int, limit: int
    ) -> list[list[Any]]:
        """Return the last klines that opened in a stretch of time, the oldest first.

        Each is open time, open, high, low, close, close time, volume, quote volume,
        number of trades. The kline that `end_ms` falls into holds what was traded
        until then.
        """
        instrument, tape = self._instruments[symbol], self._tapes[symbol]
        found: list[Any] = []
        now = end_ms // TRADE_MS + 1
        for opens_ms, closes_ms in _spans_back(interval, end_ms):
            if opens_ms < max(start_ms, LISTED_MS) or len(found) == limit:
                break
            traded = tape.summary(opens_ms // TRADE_MS, min(now, closes_ms // TRADE_MS))
            prices = (traded.open, traded.high, traded.low, traded.close)
            found.append(
                [
                    opens_ms,
                    *(decimal(price, instrument.price_decimals) for price in prices),
                    closes_ms - 1,
                    decimal(traded.volume, instrument.size_decimals),
                    _money(traded.turnover, instrument),
                    traded.trades,
                ]
            )
        return found[::-1]

    def funding(
        self, symbol: str, interval: str, start_ms: int, end_ms: int, limit: int
    ) -> list[dict[str, Any]]:
        """Return the last funding rates of a stretch of time, the oldest first."""
        rates = self._tapes[symbol].rates
        found: list[dict[str, Any]] = []
        for time_ms, _ in _spans_back(interval, end_ms):
            if time_ms < max(start_ms, LISTED_MS) or len(found) == limit:
                break
            rate = decimal(rates[time_ms // HOUR_MS % _WEEK_HOURS], 8)
            found.append({"symbol": symbol, "time": time_ms, "oneHrFundingRate": rate})
        return found[::-1]

    def _levels(
        self, symbol: str, now_ms: int, limit: int
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return bids and asks as ticks and lots, around the last trade's price."""
        instrument, tape = self._instruments[symbol], self._tapes[symbol]
        trade = now_ms // TRADE_MS
        mark = tape.price(trade)
        # Sizes are borrowed from elsewhere on the tape; they change with each trade.
        sizes = _cut(tape.lots, trade * 101, trade * 101 + 2 * limit)
        levels = range(1, limit + 1)
        gap = instrument.gap
        bids = [(mark - gap * i, abs(sizes[i - 1]) * i) for i in levels]
        asks = [(mark + gap * i, abs(sizes[limit + i - 1]) * i) for i in levels]
        return bids, asks


def _listing(instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "displayName": instrument.symbol,
        "base": instrument.base,
        "quote": "USDC",
        "sizeDecimals": instrument.size_decimals,
        "priceDecimals": instrument.price_decimals,
        "initMarginRatio": instrument.init_margin,
        "maintMarginRatio": instrument.maint_margin,
        "takerFee": "0.000100",
        "isolated": instrument.isolated,
    }


def _money(turnover: int, instrument: Instrument) -> str:
    """Write ticks times lots as an amount of the collateral, which has 6 decimals."""
    surplus = 6 - instrument.price_decimals - instrument.size_decimals
    return decimal(turnover * 10**surplus, 6)


def _spans_back(interval: str, time_ms: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the interval that holds `time_ms`, then earlier ones."""
    if interval == MONTH:
        yield from _months_back(time_ms)
        return
    length = INTERVALS_MS[interval]
    offset = _MONDAY_MS if length == WEEK_MS else 0
    start = (time_ms - offset) // length * length + offset
    while True:
        yield start, start + length
        start -= length


def _months_back(time_ms: int) -> Iterator[tuple[int, int]]:
    now = datetime.fromtimestamp(time_ms / 1000, UTC)
    start = datetime(now.year, now.month, 1, tzinfo=UTC)
    end = (start + timedelta(days=32)).replace(day=1)
    while True:
        yield int(start.timestamp()) * 1000, int(end.timestamp()) * 1000
        end = start
        start = (start - timedelta(days=1)).replace(day=1)
