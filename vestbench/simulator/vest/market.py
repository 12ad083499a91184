"""Public market data of the simulated exchange: made up, but in accord with itself.

Every instrument has one tape: a week of trades, one each 30 seconds, that repeats for
ever. All other figures are computed from the tape, so that a kline's high is the
highest of its trades, the ticker's price lies within the spread of the depth, and a
client that checks one endpoint against another finds no contradiction. The tape comes
from the seed; what is seen of it depends on the time given and on nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count, islice, takewhile
from operator import mul
from typing import Any

from vestbench.simulator.vest.answers import ErrorCode, refusal
from vestbench.simulator.vest.instruments import INSTRUMENTS, Instrument, decimal, money

TRADE_MS = 30_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
WEEK_TRADES = WEEK_MS // TRADE_MS
WEEK_HOURS = WEEK_MS // HOUR_MS
_HOUR_TRADES = HOUR_MS // TRADE_MS
# Nothing was traded before: Monday, 1 January 2024.
LISTED_MS = 1_704_067_200_000

INTERVALS_MS = {
    **{f"{n}m": n * 60_000 for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    **{"1d": DAY_MS, "3d": 3 * DAY_MS, "1w": WEEK_MS},
}
MONTH = "1M"  # the only interval that is not always of the same length
INTERVALS = (*INTERVALS_MS, MONTH)
# The epoch was a Thursday; weeks start on Mondays.
_MONDAY_MS = 4 * DAY_MS
_IMBALANCE_LEVELS = 20

Levels = list[tuple[int, int]]  # prices in ticks, sizes in lots


@dataclass(frozen=True, slots=True)
class Summary:
    """What was traded in a stretch of the tape; prices in ticks, volume in lots."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int  # ticks times lots
    trades: int


class Tape:
    """The week of trades of one instrument, and sums that make asking for it cheap.

    Trade number k happens at k times 30 s since the epoch. The tape closes on itself:
    its last price is a step away from its first.
    """

    def __init__(self, instrument: Instrument, seed: int) -> None:
        # A string seed does not depend on the interpreter's hash randomisation.
        rng = random.Random(f"{seed}/{instrument.symbol}")
        # Bytes, maps and sums run in C: 15 ms a tape, where a loop over random numbers
        # takes 60; and the exchange is not ready before.
        walk = list(accumulate(rng.randbytes(WEEK_TRADES)))
        start, step, drift = instrument.price, instrument.step, walk[-1]
        self.prices = [
            start + (place - drift * i // WEEK_TRADES) * step // 64
            for i, place in enumerate(walk)
        ]
        lots = [instrument.lot * n for n in (-8, -5, -2, -1, 1, 2, 5, 8)] * 32
        self.lots = list(map(lots.__getitem__, rng.randbytes(WEEK_TRADES)))
        sizes = list(map(abs, self.lots))
        self._volume = [0, *accumulate(sizes)]
        self._turnover = [0, *accumulate(map(mul, self.prices, sizes))]
        hours = [
            self.prices[i : i + _HOUR_TRADES]
            for i in range(0, WEEK_TRADES, _HOUR_TRADES)
        ]
        self._highs, self._lows = list(map(max, hours)), list(map(min, hours))
        # Funding of each hour of the week, in units of 10^-8.
        self.rates = [rng.randrange(-1_200, 3_600) for _ in range(WEEK_HOURS)]
        self._paid = [0, *accumulate(self.rates)]

    def price(self, trade: int) -> int:
        """Return the price of a trade, by its number since the epoch."""
        return self.prices[trade % WEEK_TRADES]

    def funding(self, first_hour: int, end_hour: int) -> int:
        """Sum up the rates of some hours since the epoch."""
        return _between(self._paid, first_hour, end_hour)

    def summary(self, first: int, end: int) -> Summary:
        """Sum up the trades from number `first` up to, not including, `end`."""
        # Whole hours are known; only what is left of the first and last is looked at.
        first_hour, end_hour = -(-first // _HOUR_TRADES), end // _HOUR_TRADES
        end_hour = max(first_hour, end_hour)
        if first_hour < end_hour:
            before = _cut(self.prices, first, first_hour * _HOUR_TRADES)
            rest = before + _cut(self.prices, end_hour * _HOUR_TRADES, end)
        else:
            rest = _cut(self.prices, first, end)
        return Summary(
            open=self.price(first),
            high=max(_cut(self._highs, first_hour, end_hour) + rest),
            low=min(_cut(self._lows, first_hour, end_hour) + rest),
            close=self.price(end - 1),
            volume=_between(self._volume, first, end),
            turnover=_between(self._turnover, first, end),
            trades=end - first,
        )


class Market:
    """All instruments, whose prices, sizes and rates the seed decides."""

    def __init__(self, seed: int = 1) -> None:
        self._instruments = {each.symbol: each for each in INSTRUMENTS}
        self._tapes = {each.symbol: Tape(each, seed) for each in INSTRUMENTS}

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
        mark, hour = tape.price(now_ms // TRADE_MS), now_ms // HOUR_MS
        rate = tape.rates[hour % WEEK_HOURS]
        bids, asks = self.levels(symbol, now_ms, _IMBALANCE_LEVELS)
        imbalance = sum(lots for _, lots in bids) - sum(lots for _, lots in asks)
        paid = tape.funding(LISTED_MS // HOUR_MS, hour + 1)
        return {
            "symbol": symbol,
            "markPrice": instrument.written_price(mark),
            "indexPrice": instrument.written_price(mark - mark * rate * 8 // 10**8),
            "imbalance": instrument.written_size(imbalance),
            "oneHrFundingRate": decimal(rate, 8),
            "cumFunding": decimal(paid, 8),
            "status": "TRADING",
        }

    def day(self, symbol: str, now_ms: int) -> dict[str, Any]:
        """Return the sums over the trades of the last 24 hours."""
        instrument = self._instruments[symbol]
        end = now_ms // TRADE_MS + 1
        day = self._tapes[symbol].summary(end - DAY_MS // TRADE_MS, end)
        change, price = day.close - day.open, instrument.written_price
        return {
            "symbol": symbol,
            "openPrice": price(day.open),
            "highPrice": price(day.high),
            "lowPrice": price(day.low),
            "closePrice": price(day.close),
            "volume": instrument.written_size(day.volume),
            "quoteVolume": money(instrument.worth(1, day.turnover)),
            "priceChange": price(change),
            "priceChangePercent": decimal(round(change * 10_000 / day.open), 2),
            "openTime": (end - day.trades) * TRADE_MS,
            "closeTime": now_ms,
        }

    def depth(self, symbol: str, limit: int, now_ms: int) -> dict[str, Any]:
        """Return the best bids and asks, the best ones first."""
        bids, asks = self.levels(symbol, now_ms, limit)
        instrument = self._instruments[symbol]
        price, size = instrument.written_price, instrument.written_size
        return {
            "bids": [[price(ticks), size(lots)] for ticks, lots in bids],
            "asks": [[price(ticks), size(lots)] for ticks, lots in asks],
        }

    def trades(
        self, symbol: str, start_ms: int, end_ms: int, limit: int
    ) -> list[dict[str, Any]]:
        """Return the last trades of a stretch of time, the oldest first."""
        instrument, tape = self._instruments[symbol], self._tapes[symbol]
        end = end_ms // TRADE_MS + 1
        first = max(-(-max(start_ms, LISTED_MS) // TRADE_MS), end - limit)
        found: list[Any] = []
        for number in range(first, end):
            price, lots = tape.price(number), abs(tape.lots[number % WEEK_TRADES])
            found.append(
                {
                    "id": number,
                    "price": instrument.written_price(price),
                    "qty": instrument.written_size(lots),
                    "quoteQty": money(instrument.worth(lots, price)),
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
        for opens_ms, closes_ms in _spans(interval, start_ms, end_ms, limit):
            traded = tape.summary(opens_ms // TRADE_MS, min(now, closes_ms // TRADE_MS))
            prices = (traded.open, traded.high, traded.low, traded.close)
            found.append(
                [
                    opens_ms,
                    *map(instrument.written_price, prices),
                    closes_ms - 1,
                    instrument.written_size(traded.volume),
                    money(instrument.worth(1, traded.turnover)),
                    traded.trades,
                ]
            )
        return found

    def funding(
        self, symbol: str, interval: str, start_ms: int, end_ms: int, limit: int
    ) -> list[dict[str, Any]]:
        """Return the last funding rates of a stretch of time, the oldest first."""
        rates = self._tapes[symbol].rates
        found: list[dict[str, Any]] = []
        for time_ms, _ in _spans(interval, start_ms, end_ms, limit):
            rate = decimal(rates[time_ms // HOUR_MS % WEEK_HOURS], 8)
            found.append({"symbol": symbol, "time": time_ms, "oneHrFundingRate": rate})
        return found

    def instrument(self, symbol: Any) -> Instrument:
        """Return the instrument of a symbol that a client has sent, if there is one."""
        if not isinstance(symbol, str) or symbol not in self._instruments:
            raise refusal(ErrorCode.BAD_SYMBOL)
        return self._instruments[symbol]

    def mark(self, symbol: str, now_ms: int) -> int:
        """Return the mark price, in ticks."""
        return self._tapes[symbol].price(now_ms // TRADE_MS)

    def levels(self, symbol: str, now_ms: int, limit: int) -> tuple[Levels, Levels]:
        """Return bids and asks around the last trade's price, the best ones first."""
        gap, tape = self._instruments[symbol].gap, self._tapes[symbol]
        trade = now_ms // TRADE_MS
        mark = tape.price(trade)
        # Sizes are borrowed from elsewhere on the tape; they change with each trade.
        sizes = _cut(tape.lots, trade * 101, trade * 101 + 2 * limit)
        levels = range(1, limit + 1)
        bids = [(mark - gap * i, abs(sizes[2 * i - 2]) * i) for i in levels]
        asks = [(mark + gap * i, abs(sizes[2 * i - 1]) * i) for i in levels]
        return bids, asks


def _listing(instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "displayName": instrument.symbol,
        "base": instrument.symbol.removesuffix("-PERP"),
        "quote": "USDC",
        "sizeDecimals": instrument.size_decimals,
        "priceDecimals": instrument.price_decimals,
        "initMarginRatio": money(instrument.init_margin),
        "maintMarginRatio": money(instrument.maint_margin),
        "takerFee": "0.000100",
        "isolated": instrument.isolated,
    }


def _spans(
    interval: str, start_ms: int, end_ms: int, limit: int
) -> list[tuple[int, int]]:
    """Return start and end of the last intervals that began in a stretch of time."""
    first_ms = max(start_ms, LISTED_MS)
    found = takewhile(lambda span: span[0] >= first_ms, _spans_back(interval, end_ms))
    return list(islice(found, limit))[::-1]


def _spans_back(interval: str, time_ms: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of the interval that holds `time_ms`, then earlier ones."""
    if interval == MONTH:
        yield from _months_back(time_ms)
        return
    length = INTERVALS_MS[interval]
    offset = _MONDAY_MS if length == WEEK_MS else 0
    start = (time_ms - offset) // length * length + offset
    for opens in count(start, -length):
        yield opens, opens + length


def _months_back(time_ms: int) -> Iterator[tuple[int, int]]:
    now = datetime.fromtimestamp(time_ms / 1000, UTC)
    start = datetime(now.year, now.month, 1, tzinfo=UTC)
    end = (start + timedelta(days=32)).replace(day=1)
    while True:
        yield int(start.timestamp()) * 1000, int(end.timestamp()) * 1000
        end = start
        start = (start - timedelta(days=1)).replace(day=1)


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
