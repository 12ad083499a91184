"""The tape: a week of made-up trades of one instrument, and sums over it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

from vestbench.simulator.vest.instruments import Instrument

TRADE_MS = 30_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
WEEK_TRADES = WEEK_MS // TRADE_MS
WEEK_HOURS = WEEK_MS // HOUR_MS
_HOUR_TRADES = HOUR_MS // TRADE_MS


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
            before = cut(self.prices, first, first_hour * _HOUR_TRADES)
            rest = before + cut(self.prices, end_hour * _HOUR_TRADES, end)
        else:
            rest = cut(self.prices, first, end)
        return Summary(
            open=self.price(first),
            high=max(cut(self._highs, first_hour, end_hour) + rest),
            low=min(cut(self._lows, first_hour, end_hour) + rest),
            close=self.price(end - 1),
            volume=_between(self._volume, first, end),
            turnover=_between(self._turnover, first, end),
            trades=end - first,
        )


def cut(values: list[int], start: int, end: int) -> list[int]:
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
