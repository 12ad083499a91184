"""The simulated exchange as an application: a request in, a response out.

No sockets and no clock of its own; what HTTP needs is in `http11`, what the data says
in `market`. A route is one line in `Application.__init__` and one method.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from vestbench.simulator.exchange.market import INTERVALS, Market


class ErrorCode(IntEnum):
    """The codes of the Vest API, as far as they are used here."""

    UNAUTHORIZED = 1002
    TOO_MANY_REQUESTS = 1003
    BAD_SYMBOL = 1121
    INVALID_PARAMETER = 1130
    INVALID_ACCOUNT_GROUP = 1146


@dataclass(frozen=True, slots=True)
class Request:
    """One request as `http11` has read it."""

    method: str
    path: str  # decoded, without the query
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: always JSON."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request, int], Any]


class ApiError(Exception):
    """An answer that is not what was asked for."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.response = error_response(status, code, message, headers)


def error_response(
    status: int,
    code: int,
    message: str,
    headers: tuple[tuple[str, str], ...] = (),
) -> Response:
    """Return an error in the documented form.

    The documentation has no code for what HTTP itself can say (not found, method not
    allowed, …). Deployments were seen to repeat the status there; so does this.
    """
    return Response(status, _json({"code": int(code), "msg": message}), headers)


def wall_clock_ms() -> int:
    """Return the time as the API writes it: milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Application:
    """The routes of the exchange.

    Args:
        market: The public data.
        clock_ms: The time, in milliseconds since the epoch. It is read once for each
            request, so that all figures of a response are of the same instant.
    """

    def __init__(
        self, market: Market, clock_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        self._market = market
        self._clock_ms = clock_ms
        self._routes: dict[str, dict[str, Handler]] = {
            "/v2/exchangeInfo": {"GET": self._exchange_info},
            "/v2/ticker/latest": {"GET": self._ticker_latest},
            "/v2/ticker/24hr": {"GET": self._ticker_day},
            "/v2/funding/history": {"GET": self._funding_history},
            "/v2/klines": {"GET": self._klines},
            "/v2/trades": {"GET": self._trades},
            "/v2/depth": {"GET": self._depth},
            "/v2/account": {"GET": self._account},
            "/v1/system/time": {"GET": self._system_time},
        }

    def respond(self, request: Request) -> Response:
        """Answer a request."""
        try:
            return Response(200, _json(self._answer(request)))
        except ApiError as error:
            return error.response

    def _answer(self, request: Request) -> Any:
        # The routing header is read by what stands in front of the servers, hence
        # before anything else is looked at.
        if request.path.startswith("/v2/"):
            _check_account_group(request)
        methods = self._routes.get(request.path)
        if methods is None:
            raise ApiError(404, 404, "Not found")
        handler = methods.get(request.method)
        if handler is None:
            allow = (("Allow", ", ".join(sorted(methods))),)
            raise ApiError(405, 405, "Method not allowed", allow)
        return handler(request, self._clock_ms())

    def _exchange_info(self, request: Request, now_ms: int) -> Any:
        del now_ms  # the listing never changes
        return self._market.exchange_info(self._symbols(request))

    def _ticker_latest(self, request: Request, now_ms: int) -> Any:
        symbols = self._symbols(request)
        return {"tickers": [self._market.latest(each, now_ms) for each in symbols]}

    def _ticker_day(self, request: Request, now_ms: int) -> Any:
        symbols = self._symbols(request)
        return {"tickers": [self._market.day(each, now_ms) for each in symbols]}

    def _funding_history(self, request: Request, now_ms: int) -> Any:
        symbol, interval = self._symbol(request), _interval(request)
        return self._market.funding(symbol, interval, *_stretch(request, now_ms))

    def _klines(self, request: Request, now_ms: int) -> Any:
        symbol, interval = self._symbol(request), _interval(request)
        return self._market.klines(symbol, interval, *_stretch(request, now_ms))

    def _trades(self, request: Request, now_ms: int) -> Any:
        return self._market.trades(self._symbol(request), *_stretch(request, now_ms))

    def _depth(self, request: Request, now_ms: int) -> Any:
        symbol = self._symbol(request)
        limit = _integer(request, "limit", default=20, low=1, high=100)
        return self._market.depth(symbol, limit, now_ms)

    def _account(self, request: Request, now_ms: int) -> Any:
        del request, now_ms
        # No key is ever issued, so none can be valid.
        raise ApiError(401, ErrorCode.UNAUTHORIZED, "Unauthorized")

    def _system_time(self, request: Request, now_ms: int) -> Any:
        """Answer as Paradex does, the venue of the precedent: a string."""
        del request
        return {"server_time": str(now_ms)}

    def _symbols(self, request: Request) -> Sequence[str]:
        given = request.query.get("symbols")
        if given is None:
            return self._market.symbols
        return [self._known(symbol) for symbol in given.split(",")]

    def _symbol(self, request: Request) -> str:
        given = request.query.get("symbol")
        if given is None:
            raise _invalid("symbol is required")
        return self._known(given)

    def _known(self, symbol: str) -> str:
        if symbol not in self._market.symbols:
            raise ApiError(400, ErrorCode.BAD_SYMBOL, "Bad symbol")
        return symbol


_ACCOUNT_GROUP = re.compile(r"restserver[0-9]")
_INTEGER = re.compile(r"-?[0-9]{1,16}")


def _check_account_group(request: Request) -> None:
    if not _ACCOUNT_GROUP.fullmatch(request.headers.get("xrestservermm", "")):
        raise ApiError(400, ErrorCode.INVALID_ACCOUNT_GROUP, "Invalid account group")


def _invalid(message: str) -> ApiError:
    return ApiError(400, ErrorCode.INVALID_PARAMETER, f"Invalid parameter: {message}")


def _integer(request: Request, name: str, *, default: int, low: int, high: int) -> int:
    given = request.query.get(name)
    if given is None:
        return default
    if not _INTEGER.fullmatch(given):
        raise _invalid(f"{name} must be an integer")
    value = int(given)
    if not low <= value <= high:
        raise _invalid(f"{name} must be between {low} and {high}")
    return value


def _interval(request: Request) -> str:
    given = request.query.get("interval", "1m")
    if given not in INTERVALS:
        raise _invalid(f"interval must be one of {', '.join(INTERVALS)}")
    return given


_END_OF_TIME_MS = 253_402_300_799_999  # the last millisecond of the year 9999


def _stretch(request: Request, now_ms: int) -> tuple[int, int, int]:
    """Return start and end, which is never in the future, and how many at most."""
    bounds = {"low": 0, "high": _END_OF_TIME_MS}
    start_ms = _integer(request, "startTime", default=0, **bounds)
    end_ms = _integer(request, "endTime", default=now_ms, **bounds)
    if start_ms > end_ms:
        raise _invalid("startTime must not be after endTime")
    limit = _integer(request, "limit", default=1000, low=1, high=1000)
    return start_ms, min(end_ms, now_ms), limit


# `json.dumps` with separators would make one for each response.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def _json(value: Any) -> bytes:
    return _encode(value).encode()
