"""The simulated exchange as an application: a request in, a response out.

No sockets and no clock of its own; what HTTP needs is in `request_reader` and `http11`,
what the public data says in `market`, who may ask for more in `private`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from vestbench.simulator.http.messages import Deferred, Headers, Request, Response
from vestbench.simulator.vest import signatures
from vestbench.simulator.vest.accounts import RateLimit
from vestbench.simulator.vest.answers import (
    ApiError,
    ErrorCode,
    encode,
    error_response,
    invalid,
    refusal,
)
from vestbench.simulator.vest.feeds import Feeds
from vestbench.simulator.vest.market import INTERVALS, Market
from vestbench.simulator.vest.parameters import query_integer, query_stretch
from vestbench.simulator.vest.private import ROUTING, Handler, PrivateApi
from vestbench.simulator.websocket.handshake import RefusedUpgradeError, accepted

ORDER_PATHS = frozenset({"/v2/orders", "/v2/orders/cancel"})
_ACCOUNT_GROUP = re.compile(r"restserver[0-9]")


class Application:
    """The routes of the exchange, with `market` as its public data.

    The clock, in milliseconds since the epoch, is read once for each request, so that
    all figures of a response are of the same instant. Registrations are those of
    `contract`, production or development. An account or address may send `rate_limit`
    requests per second, without a limit if that is 0. With `any_key`, API keys that
    were registered elsewhere are taken too.
    """

    def __init__(
        self,
        market: Market,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        *,
        contract: str = "development",
        rate_limit: float = 0.0,
        any_key: bool = False,
    ) -> None:
        self._market = market
        self._clock_ms = clock_ms
        self._limit = RateLimit(rate_limit)
        self._private = PrivateApi(market, contract, any_key=any_key)
        self._feeds = Feeds(market, self._private.accounts, clock_ms)
        self._routes: dict[str, dict[str, Handler]] = {
            "/v2/exchangeInfo": {
                "GET": lambda request, _: market.exchange_info(self._symbols(request))
            },
            "/v2/ticker/latest": {"GET": self._tickers(market.latest)},
            "/v2/ticker/24hr": {"GET": self._tickers(market.day)},
            "/v2/funding/history": {"GET": self._history(market.funding)},
            "/v2/klines": {"GET": self._history(market.klines)},
            "/v2/trades": {"GET": self._trades},
            "/v2/depth": {"GET": self._depth},
            # As Paradex answers, the venue of the precedent: a string.
            "/v1/system/time": {"GET": lambda _, now: {"server_time": str(now)}},
            "/ws-api": {"GET": self._websocket},
            **self._private.routes,
        }

    def begin(self, request: Request) -> Response | Deferred:
        """Answer a request, or say what has to be computed first."""
        try:
            answer = self._answer(request)
        except ApiError as error:
            return error.response
        if isinstance(answer, Deferred | Response):
            return answer
        return Response(200, encode(answer))

    @staticmethod
    def refusal(status: int, message: str, headers: Headers = ()) -> Response:
        """Word an error that HTTP found, in the documented form."""
        code = int(ErrorCode.TOO_MANY_REQUESTS) if status == 429 else status
        return error_response(status, code, message, headers)

    @staticmethod
    def is_order(request: Request) -> bool:
        """Say whether a request places or cancels an order."""
        return request.method == "POST" and request.path in ORDER_PATHS

    prepare = staticmethod(signatures.prepare)

    def _answer(self, request: Request) -> Any:
        now_ms = self._clock_ms()
        client = self._private.client(request, now_ms)
        if wait_s := self._limit.take(client, now_ms):
            headers = (("Retry-After", str(wait_s)),)
            raise refusal(ErrorCode.TOO_MANY_REQUESTS, headers=headers)
        # The routing header is read by what stands in front of the servers, hence
        # before anything else is looked at.
        # Public clients send it where an account is asked for, and nowhere else.
        group = request.headers.get(ROUTING, "restserver0")
        if request.path.startswith("/v2/") and not _ACCOUNT_GROUP.fullmatch(group):
            detail = f"{ROUTING} must be restserver0 to restserver9"
            raise refusal(ErrorCode.INVALID_ACCOUNT_GROUP, detail)
        if (methods := self._routes.get(request.path)) is None:
            raise ApiError(404, 404, "Not found")
        if (handler := methods.get(request.method)) is None:
            allow = (("Allow", ", ".join(sorted(methods))),)
            raise ApiError(405, 405, "Method not allowed", allow)
        return handler(request, now_ms)

    def _tickers(self, ticker: Callable[[str, int], Any]) -> Handler:
        def answer(request: Request, now_ms: int) -> Any:
            symbols = self._symbols(request)
            return {"tickers": [ticker(each, now_ms) for each in symbols]}

        return answer

    def _history(self, of: Callable[[str, str, int, int, int], Any]) -> Handler:
        def answer(request: Request, now_ms: int) -> Any:
            symbol, interval = self._symbol(request), _interval(request)
            return of(symbol, interval, *_stretch(request, now_ms))

        return answer

    def _trades(self, request: Request, now_ms: int) -> Any:
        return self._market.trades(self._symbol(request), *_stretch(request, now_ms))

    def _depth(self, request: Request, now_ms: int) -> Any:
        symbol = self._symbol(request)
        limit = query_integer(request, "limit", default=20, low=1, high=100)
        return self._market.depth(symbol, limit, now_ms)

    def _websocket(self, request: Request, _now_ms: int) -> Response:
        try:
            headers = accepted(request.headers)
        except RefusedUpgradeError as refused:
            message, more = str(refused), refused.headers
            raise ApiError(refused.status, refused.status, message, more) from None
        return Response(101, b"", headers, talk=self._feeds.talk(request.query))

    def _symbols(self, request: Request) -> Sequence[str]:
        given = request.query.get("symbols")
        if given is None:
            return self._market.symbols
        return [self._market.instrument(each).symbol for each in given.split(",")]

    def _symbol(self, request: Request) -> str:
        given = request.query.get("symbol")
        if given is None:
            raise invalid("symbol is required")
        return self._market.instrument(given).symbol


def _interval(request: Request) -> str:
    given = request.query.get("interval", "1m")
    if given not in INTERVALS:
        raise invalid(f"interval must be one of {', '.join(INTERVALS)}")
    return given


def _stretch(request: Request, now_ms: int) -> tuple[int, int, int]:
    """Return what `query_stretch` does, but the end is never in the future."""
    start_ms, end_ms, limit = query_stretch(request, now_ms)
    return start_ms, min(end_ms, now_ms), limit
