"""The endpoints that need a key, and the registration that gives one.

Keys and groups are checked first, then what the request says, then who has signed it,
and at last what the account is: so a wrong signature never learns anything of it, and
a refused request changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vestbench.simulator.http.messages import Request
from vestbench.simulator.vest import signatures
from vestbench.simulator.vest.accounts import (
    NO_ADDRESS,
    Accounts,
    Credential,
    check_approval,
)
from vestbench.simulator.vest.answers import ErrorCode, invalid, refusal
from vestbench.simulator.vest.market import Market
from vestbench.simulator.vest.orders import (
    Order,
    OrderType,
    Status,
    read_cancel,
    read_order,
)
from vestbench.simulator.vest.parameters import (
    body_integer,
    body_object,
    body_text,
    query_integer,
    query_time,
)
from vestbench.simulator.vest.portfolio import Portfolio

MAX_LISTED = 1_000
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_ROUTE = "restserver"


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """An answer that depends on who has signed."""

    digest: Callable[[], bytes] = field(repr=False)
    signature: str = field(repr=False)
    signer: str  # who must have signed: an address in lower case
    answer: Callable[[], Any] = field(repr=False)

    def recover(self) -> str | None:
        """Return who has signed; takes milliseconds, and may run in any thread."""
        return signatures.signer(self.digest(), self.signature)

    def finish(self, signer: str | None) -> Any:
        """Return the answer, given who has signed.

        Raises:
            ApiError: It is somebody else, or the answer is an error in any case.
        """
        if signer != self.signer:
            raise refusal(ErrorCode.INVALID_SIGNATURE)
        return self.answer()


Handler = Callable[[Request, int], Any]


class PrivateApi:
    """Accounts and orders.

    Args:
        market: Where orders are filled.
        contract: The environment whose registrations are accepted: production or
            development.
    """

    def __init__(self, market: Market, contract: str = "development") -> None:
        if contract not in signatures.CONTRACTS:
            known = ", ".join(sorted(signatures.CONTRACTS))
            raise ValueError(f"contract {contract} is not one of {known}")
        self._market = market
        self._contract = signatures.CONTRACTS[contract]
        self.accounts = Accounts()
        self.routes: dict[str, dict[str, Handler]] = {
            "/v2/register": {"POST": self._register},
            "/v2/account": {"GET": self._account},
            "/v2/account/nonce": {"GET": self._nonce},
            "/v2/account/leverage": {"POST": self._leverage},
            "/v2/account/listenKey": {
                "POST": self._open_listen_key,
                "PUT": self._extend_listen_key,
                "DELETE": self._close_listen_key,
            },
            "/v2/orders": {"GET": self._orders, "POST": self._place},
            "/v2/orders/cancel": {"POST": self._cancel},
        }

    def client(self, request: Request, now_ms: int) -> str:
        """Return whom a request counts for: an account, or else an address."""
        found = self.accounts.credential(_api_key(request), now_ms)
        return found.account.address if found else request.peer

    def _register(self, request: Request, now_ms: int) -> Any:
        body = body_object(request)
        signer, primary = (
            _address(body_text(body, name, most=42), name)
            for name in ("signingAddr", "primaryAddr")
        )
        end_ms = body_integer(body, "expiryTime")
        network = body.get("networkType")
        if type(network) is not int or network != 0:
            raise refusal(ErrorCode.INVALID_NETWORK_TYPE)
        if primary == NO_ADDRESS:
            raise refusal(ErrorCode.ACCOUNT_NOT_FOUND)
        if signer == NO_ADDRESS:
            raise invalid("signingAddr is nobody's")
        check_approval(end_ms, now_ms)

        def digest() -> bytes:
            return signatures.proof_digest(signer, end_ms, self._contract)

        def answer() -> Any:
            portfolio = Portfolio(self._market)
            key, group = self.accounts.register(primary, signer, end_ms, portfolio)
            return {"apiKey": key, "accGroup": group}

        return SignatureCheck(digest, _signature(body), primary, answer)

    def _account(self, request: Request, now_ms: int) -> Any:
        account = self._credential(request, now_ms).account
        query_time(request, "time")
        return {
            "address": account.address,
            **account.portfolio.view(now_ms),
            "lp": {"balance": "0.000000", "shares": "0.000000"}
            | {"unrealizedPnl": "0.000000"},
            "time": now_ms,
            "twitterUsername": "",
            "discordUsername": "",
        }

    def _nonce(self, request: Request, now_ms: int) -> Any:
        account = self._credential(request, now_ms).account
        query_time(request, "time")
        return {"lastNonce": account.nonces.last}

    def _leverage(self, request: Request, now_ms: int) -> Any:
        portfolio = self._credential(request, now_ms).account.portfolio
        body = body_object(request)
        body_integer(body, "time")
        symbol = self._symbol(body.get("symbol"))
        value = body_integer(body, "value", low=1, high=portfolio.max_leverage(symbol))
        portfolio.set_leverage(symbol, value)
        return {"symbol": symbol, "value": value}

    def _open_listen_key(self, request: Request, now_ms: int) -> Any:
        account = self._credential(request, now_ms).account
        return {"listenKey": account.open_listen_key(now_ms)}

    def _extend_listen_key(self, request: Request, now_ms: int) -> Any:
        self._credential(request, now_ms).account.extend_listen_key(now_ms)
        return {}

    def _close_listen_key(self, request: Request, now_ms: int) -> Any:
        self._credential(request, now_ms).account.close_listen_key(now_ms)
        return {}

    def _place(self, request: Request, now_ms: int) -> Any:
        credential = self._credential(request, now_ms)
        account, body = credential.account, body_object(request)
        order = read_order(body, self._market, now_ms)

        def answer() -> Any:
            account.nonces.use(order.nonce)
            return {"id": account.portfolio.place(order, now_ms).id}

        return SignatureCheck(order.digest, _signature(body), credential.signer, answer)

    def _cancel(self, request: Request, now_ms: int) -> Any:
        credential = self._credential(request, now_ms)
        account, body = credential.account, body_object(request)
        wanted = read_cancel(body, now_ms)

        def answer() -> Any:
            account.nonces.use(wanted.nonce)
            return {"id": account.portfolio.cancel(wanted.order_id, now_ms).id}

        return SignatureCheck(
            wanted.digest, _signature(body), credential.signer, answer
        )

    def _orders(self, request: Request, now_ms: int) -> Any:
        portfolio = self._credential(request, now_ms).account.portfolio
        query_time(request, "time")
        query = request.query
        nonce = None
        if "nonce" in query:
            nonce = query_integer(request, "nonce", low=0, high=2**64 - 1)
        if "symbol" in query:
            self._symbol(query["symbol"])
        if query.get("orderType", OrderType.LIMIT) not in set(OrderType):
            raise refusal(ErrorCode.INVALID_ORDER_TYPE)
        if query.get("status", Status.NEW) not in set(Status):
            raise invalid(f"status must be one of {', '.join(Status)}")
        start_ms = query_time(request, "startTime", 0)
        end_ms = query_time(request, "endTime", max(start_ms, now_ms))
        if start_ms > end_ms:
            raise invalid("startTime must not be after endTime")
        limit = query_integer(
            request, "limit", default=MAX_LISTED, low=1, high=MAX_LISTED
        )

        def wanted(order: Order) -> bool:
            asked = order.request
            return (
                query.get("id", order.id) == order.id
                and nonce in (None, asked.nonce)
                and query.get("symbol", asked.instrument.symbol)
                == asked.instrument.symbol
                and query.get("orderType", asked.type) == asked.type
                and query.get("status", order.status) == order.status
                and start_ms <= order.posted_ms <= end_ms
            )

        found = filter(wanted, portfolio.orders(now_ms))
        return [order.view() for order, _ in zip(found, range(limit), strict=False)]

    def _credential(self, request: Request, now_ms: int) -> Credential:
        """Return whose key a request carries.

        Raises:
            ApiError: Nobody's, or it was routed to another group's server.
        """
        found = self.accounts.credential(_api_key(request), now_ms)
        if found is None:
            raise refusal(ErrorCode.UNAUTHORIZED)
        if request.headers.get("xrestservermm") != f"{_ROUTE}{found.account.group}":
            raise refusal(ErrorCode.INVALID_ACCOUNT_GROUP)
        return found

    def _symbol(self, given: Any) -> str:
        if not isinstance(given, str) or given not in self._market.symbols:
            raise refusal(ErrorCode.BAD_SYMBOL)
        return given


def _api_key(request: Request) -> str:
    return request.headers.get("x-api-key", "")


def _address(text: str, name: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise invalid(f"{name} must be 0x and 40 hexadecimal digits in lower case")
    return text


def _signature(body: Any) -> str:
    given = body.get("signature")
    if not isinstance(given, str):
        raise invalid("signature is required")
    return given
