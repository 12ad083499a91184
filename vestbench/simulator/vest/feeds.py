"""What the exchange says over its WebSocket: public channels, and one's own orders.

Who joins, and with which listen key, is in the query of the URL. A channel says what it
knows when it is subscribed to; after that trades come as they happen, the others about
once a second, and orders when the answer to their request is due.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from typing import Any

from vestbench.simulator.http.messages import Listener, Talk
from vestbench.simulator.vest.accounts import Account, Accounts
from vestbench.simulator.vest.answers import encode
from vestbench.simulator.vest.market import INTERVALS, TRADE_MS, Market

VERSION = "1.0"
PRIVATE = "account_private"
_TICKERS = "tickers"
_DEPTH_LEVELS = 20
_MOST_CHANNELS = 200  # of one client
_MAX_BRACKETS = 64
_GROUP = re.compile(r"restserver([0-9])")
_ID_END = 2**63


class CloseCode(IntEnum):
    """Why the exchange closes a WebSocket; from 4000 on as it is documented."""

    POLICY = 1008  # of RFC 6455, for what the documentation has no code for
    WRONG_VERSION = 4000
    GROUP_NOT_FOUND = 4001
    GROUP_INVALID = 4002
    LISTEN_KEY_REQUIRED = 4003
    LISTEN_KEY_NOT_FOUND = 4004
    LISTEN_KEY_EXPIRED = 4005


class RefusedError(Exception):
    """The conversation ends, with a code and a word."""

    def __init__(self, code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code


# Returns what a channel says now, given the time up to which it has been said.
Source = Callable[[int, int], list[Any]]


class Feeds:
    """All that can be listened to."""

    def __init__(
        self, market: Market, accounts: Accounts, clock_ms: Callable[[], int]
    ) -> None:
        self._market = market
        self._accounts = accounts
        self.clock_ms = clock_ms

    def talk(self, query: Mapping[str, str]) -> Talk:
        """Return the conversation with a client whose URL has this query."""
        return lambda listener: Feed(self, listener, query)

    def account(self, query: Mapping[str, str]) -> Account | None:
        """Return whose listen key a query has; None without one.

        Raises:
            RefusedError: It cannot be served: its version, its group, its key.
        """
        if query.get("version") != VERSION:
            raise RefusedError(CloseCode.WRONG_VERSION, f"version must be {VERSION}")
        # The documentation's own example has the second name.
        named = query.get("xwebsocketserver", query.get("websocketserver"))
        if named is None:
            wanted = "xwebsocketserver=restserver{account group} is required"
            raise RefusedError(CloseCode.GROUP_NOT_FOUND, wanted)
        group = _GROUP.fullmatch(named)
        if group is None:
            wanted = "xwebsocketserver must be restserver0 to restserver9"
            raise RefusedError(CloseCode.GROUP_INVALID, wanted)
        if "listenKey" not in query:
            return None
        account = self._accounts.listening(query["listenKey"])
        if account is None:
            raise RefusedError(CloseCode.LISTEN_KEY_NOT_FOUND, "no such listenKey")
        if account.group != int(group[1]):
            wanted = "xwebsocketserver is not the accGroup of the listenKey"
            raise RefusedError(CloseCode.GROUP_INVALID, wanted)
        return account

    def source(self, channel: str) -> Source:
        """Return what says the news of a public channel.

        Raises:
            RefusedError: There is no such channel.
        """
        if channel == _TICKERS:
            return self._tickers
        symbol, _, kind = channel.partition("@")
        kind, _, interval = kind.partition("_")
        if symbol in self._market.symbols:
            if kind == "kline" and interval in INTERVALS:
                return partial(self._kline, symbol, interval)
            if not interval and kind in ("depth", "trades"):
                return partial(getattr(self, f"_{kind}"), symbol)
        raise RefusedError(CloseCode.POLICY, "no such channel")

    def _tickers(self, _since_ms: int, now_ms: int) -> list[Any]:
        each = [self._ticker(symbol, now_ms) for symbol in self._market.symbols]
        return [each]

    def _ticker(self, symbol: str, now_ms: int) -> dict[str, Any]:
        day = self._market.day(symbol, now_ms)
        changes = {name: day[name] for name in ("priceChange", "priceChangePercent")}
        return self._market.latest(symbol, now_ms) | changes

    def _depth(self, symbol: str, _since_ms: int, now_ms: int) -> list[Any]:
        return [self._market.depth(symbol, _DEPTH_LEVELS, now_ms)]

    def _kline(
        self, symbol: str, interval: str, _since_ms: int, now_ms: int
    ) -> list[Any]:
        (*figures, trades) = self._market.klines(symbol, interval, 0, now_ms, 1)[0]
        return [[*figures, str(trades)]]

    def _trades(self, symbol: str, since_ms: int, now_ms: int) -> list[Any]:
        found = self._market.trades(symbol, since_ms + 1, now_ms, 10)
        return [{**each, "id": hex(each["id"])} for each in found]


class Feed:
    """The conversation with one client; it is a `Conversation`."""

    def __init__(
        self, feeds: Feeds, listener: Listener, query: Mapping[str, str]
    ) -> None:
        self._feeds = feeds
        self._listener = listener
        self._account: Account | None = None
        self._channels: dict[str, tuple[Source, int]] = {}  # and what it has said last
        try:
            self._account = feeds.account(query)
            self._key = query.get("listenKey", "")
            self._check_key()
        except RefusedError as refused:
            listener.close(refused.code, str(refused))

    def heard(self, text: str) -> None:
        """Do what the client asks for, or close."""
        try:
            asked = _question(text)
            method = asked.get("method")
            if method == "PING":
                self._say({"data": "PONG"})
                return
            number, channels = _number(asked), _channels(asked)
            if method == "SUBSCRIBE":
                found = {each: self._source(each) for each in channels}
                self._say({"result": None, "id": number})
                self._subscribe(found)
            elif method == "UNSUBSCRIBE":
                self._unsubscribe(channels)
                self._say({"result": None, "id": number})
            else:
                known = "method must be PING, SUBSCRIBE or UNSUBSCRIBE"
                raise RefusedError(CloseCode.POLICY, known)
        except RefusedError as refused:
            self._listener.close(refused.code, str(refused))

    def turn(self) -> None:
        """Say what is new, unless the listen key has expired."""
        now_ms = self._feeds.clock_ms()
        try:
            self._check_key()
        except RefusedError as refused:
            self._listener.close(refused.code, str(refused))
            return
        if self._account is not None and self._account.listeners:
            self._account.tell(self._account.portfolio.take_news(now_ms))
        for channel in self._channels:
            self._report(channel, now_ms)

    def left(self) -> None:
        """Stop."""
        self._channels.clear()
        if self._account is not None:
            self._account.listeners.discard(self._tell)

    def _check_key(self) -> None:
        """Refuse a key that has expired, or in whose place there is another one."""
        account = self._account
        if account is None:
            return
        if not (account.knows(self._key) and account.listens(self._feeds.clock_ms())):
            raise RefusedError(CloseCode.LISTEN_KEY_EXPIRED, "the listenKey expired")

    def _source(self, channel: str) -> Source | None:
        """Return what says the news of a channel; None for the private one."""
        if channel != PRIVATE:
            return self._feeds.source(channel)
        if self._account is None:
            wanted = f"{PRIVATE} wants listenKey in the URL"
            raise RefusedError(CloseCode.LISTEN_KEY_REQUIRED, wanted)
        return None

    def _subscribe(self, found: Mapping[str, Source | None]) -> None:
        now_ms = self._feeds.clock_ms()
        for channel, source in found.items():
            if source is not None:
                before_ms = now_ms // TRADE_MS * TRADE_MS - 1  # the last trade is said
                self._channels.setdefault(channel, (source, before_ms))
                self._report(channel, now_ms)
            elif self._account is not None:
                # What happened before is of no interest to a new listener.
                if not self._account.listeners:
                    self._account.portfolio.take_news(now_ms)
                self._account.listeners.add(self._tell)
        if len(self._channels) > _MOST_CHANNELS:
            raise RefusedError(CloseCode.POLICY, "too many channels")

    def _unsubscribe(self, channels: list[str]) -> None:
        for channel in channels:
            self._source(channel)  # there must be such a channel
            self._channels.pop(channel, None)
            if channel == PRIVATE and self._account is not None:
                self._account.listeners.discard(self._tell)

    def _report(self, channel: str, now_ms: int) -> None:
        source, said_ms = self._channels[channel]
        self._channels[channel] = (source, now_ms)
        for data in source(said_ms, now_ms):
            self._say({"channel": channel, "data": data})

    def _tell(self, order: Any) -> Listener:
        self._say({"channel": PRIVATE, "data": {"event": "ORDER", "args": order}})
        return self._listener

    def _say(self, message: Mapping[str, Any]) -> None:
        self._listener.say(encode(message).decode())


def _question(text: str) -> Mapping[str, Any]:
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise RefusedError(CloseCode.POLICY, "the message is too complex")
    try:
        found = json.loads(text)
    except ValueError:
        raise RefusedError(CloseCode.POLICY, "a message must be JSON") from None
    if not isinstance(found, dict):
        raise RefusedError(CloseCode.POLICY, "a message must be an object")
    return found


def _number(asked: Mapping[str, Any]) -> int:
    number = asked.get("id")
    if type(number) is not int or not -_ID_END <= number < _ID_END:
        raise RefusedError(CloseCode.POLICY, "id must be an integer")
    return number


def _channels(asked: Mapping[str, Any]) -> list[str]:
    channels = asked.get("params")
    if not isinstance(channels, list) or not channels:
        raise RefusedError(CloseCode.POLICY, "params must be a list of channels")
    if not all(isinstance(each, str) for each in channels):
        raise RefusedError(CloseCode.POLICY, "a channel must be a string")
    return channels
