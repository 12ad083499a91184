"""The endpoints that need a key, and the registration that gives one.

Keys and groups are checked first, then what can be signed at all, then who has signed
it, then what it says, and at last what the account is. So the sender of a wrong
signature learns nothing of the account, and a refused request changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from functools import partial
from itertools import islice
from typing import Any

from vestbench.simulator.http.messages import Deferred, Request, Response
from vestbench.simulator.vest import signatures
from vestbench.simulator.vest.accounts import (
    ANYBODY,
    LISTEN_KEY_MS,
    Accounts,
    Credential,
)
from vestbench.simulator.vest.answers import (
    ApiError,
    ErrorCode,
    encode,
    invalid,
    refusal,
)
from vestbench.simulator.vest.market import Market
from vestbench.simulator.vest.orders import (
    CancelRequest,
    Order,
    OrderForm,
    OrderType,
    Status,
    read_cancel,
    read_order,
)
from vestbench.simulator.vest.parameters import (
    END_OF_TIME_MS,
    body_integer,
    body_object,
    body_text,
    query_integer,
    query_stretch,
    query_time,
)
from vestbench.simulator.vest.portfolio import Portfolio

ROUTING = "xrestservermm"
_NO_ADDRESS = "0x" + 40 * "0"
_MAX_APPROVAL_MS = 365 * 24 * 3_600_000
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")

Handler = Callable[[Request, int], Any]


class PrivateApi:
    """Accounts, and orders that are filled in `market`.

    Registrations are those of `contract`, an environment: production or development.
    With `any_key`, API keys that were registered elsewhere are taken too.
    """

    def __init__(self, market: Market, contract: str, *, any_key: bool = False) -> None:
        if contract not in signatures.CONTRACTS:
            known = ", ".join(sorted(signatures.CONTRACTS))
            raise ValueError(f"contract {contract} is not one of {known}")
        self._market = market
        self._any_key = any_key
        self._contract = signatures.CONTRACTS[contract]
        self.accounts = Accounts()
        self.routes: dict[str, dict[str, Handler]] = {
            "/v2/register": {"POST": self._register},
            "/v2/account": {"GET": self._account},
            "/v2/account/nonce": {"GET": self._nonce},
            "/v2/account/leverage": {"POST": self._leverage},
            "/v2/account/listenKey": dict.fromkeys(
                ("POST", "PUT", "DELETE"), self._listen_key
            ),
            "/v2/orders": {"GET": self._orders, "POST": self._place},
            "/v2/orders/cancel": {"POST": self._cancel},
            "/v2/lp": dict.fromkeys(("GET", "POST"), _not_simulated),
            "/v2/transfer": {"GET": _not_simulated},
            "/v2/transfer/withdraw": {"POST": _not_simulated},
        }

    def client(self, request: Request, now_ms: int) -> str:
        """Return whom a request counts for: an account, or else an address."""
        found = self.accounts.credential(_api_key(request), now_ms)
        return found.account.address if found else request.peer

    def _register(self, request: Request, now_ms: int) -> Any:
        body = body_object(request)
        signer, primary = _address(body, "signingAddr"), _address(body, "primaryAddr")
        end_ms = body_integer(body, "expiryTime")
        network = body.get("networkType")
        if type(network) is not int or network != 0:
            raise refusal(ErrorCode.INVALID_NETWORK_TYPE)
        if primary == _NO_ADDRESS:
            raise refusal(ErrorCode.ACCOUNT_NOT_FOUND)
        if signer == _NO_ADDRESS:
            raise invalid("signingAddr is nobody's")
        if end_ms <= now_ms:
            raise invalid("expiryTime is in the past")
        if end_ms - now_ms > _MAX_APPROVAL_MS:
            raise invalid("expiryTime is more than 365 days away")

        def answer() -> Response:
            portfolio = Portfolio(self._market)
            key, group = self.accounts.register(primary, signer, end_ms, portfolio)
            return Response(200, encode({"apiKey": key, "accGroup": group}))

        proof = (signer, end_ms, self._contract)
        return _signed(body, lambda: signatures.proof_digest(*proof), {primary}, answer)

    def _account(self, request: Request, now_ms: int) -> Any:
        account = self._credential(request, now_ms).account
        query_time(request, "time")
        return {
            "address": account.address,
            **account.portfolio.view(now_ms),
            "lp": dict.fromkeys(("balance", "shares", "unrealizedPnl"), "0.000000"),
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
        symbol = self._market.instrument(body.get("symbol")).symbol
        value = body_integer(body, "value", low=1, high=portfolio.max_leverage(symbol))
        portfolio.leverages[symbol] = value
        return {"symbol": symbol, "value": value}

    def _listen_key(self, request: Request, now_ms: int) -> Any:
        account = self._credential(request, now_ms).account
        if request.method == "POST":
            return {"listenKey": account.open_listen_key(now_ms)}
        if request.method == "PUT":
            return {"listenKey": account.limit_listen_key(now_ms, LISTEN_KEY_MS)}
        account.limit_listen_key(now_ms, 0)
        return {}

    def _place(self, request: Request, now_ms: int) -> Any:
        credential, body = self._credential(request, now_ms), body_object(request)
        form = read_order(body, now_ms)

        def act() -> Order:
            order = form.checked(self._market, now_ms)
            credential.account.nonces.use(form.nonce)
            return credential.account.portfolio.place(order, now_ms)

        return _ordered(credential, body, form, act, now_ms)

    def _cancel(self, request: Request, now_ms: int) -> Any:
        credential, body = self._credential(request, now_ms), body_object(request)
        asked = read_cancel(body, now_ms)

        def act() -> Order:
            credential.account.nonces.use(asked.nonce)
            return credential.account.portfolio.cancel(asked.order_id, now_ms)

        return _ordered(credential, body, asked, act, now_ms)

    def _orders(self, request: Request, now_ms: int) -> Any:
        portfolio = self._credential(request, now_ms).account.portfolio
        query_time(request, "time")
        query, nonce = request.query, None
        if "nonce" in query:
            nonce = query_integer(request, "nonce", low=0, high=2**64 - 1)
        if "symbol" in query:
            self._market.instrument(query["symbol"])
        if query.get("orderType", OrderType.LIMIT) not in set(OrderType):
            raise refusal(ErrorCode.INVALID_ORDER_TYPE)
        if query.get("status", Status.NEW) not in set(Status):
            raise invalid(f"status must be one of {', '.join(Status)}")
        start_ms, end_ms, limit = query_stretch(request, END_OF_TIME_MS)

        def wanted(order: Order) -> bool:
            asked = order.request
            known = {
                "id": order.id,
                "symbol": asked.instrument.symbol,
                "orderType": asked.type,
                "status": order.status,
            }
            return (
                nonce in (None, asked.nonce)
                and all(
                    query.get(name, value) == value for name, value in known.items()
                )
                and start_ms <= order.posted_ms <= end_ms
            )

        found = filter(wanted, portfolio.orders(now_ms))
        return [order.view() for order in islice(found, limit)]

    def _credential(self, request: Request, now_ms: int) -> Credential:
        """Return whose key a request carries, if it came to the server of its group."""
        key, group = _api_key(request), request.headers.get(ROUTING)
        found = self.accounts.credential(key, now_ms)
        if found is None and self._any_key and key and group:
            # The application has looked at the group.
            portfolio = Portfolio(self._market)
            found = self.accounts.adopt(key, int(group[-1]), portfolio)
        if found is None:
            raise refusal(ErrorCode.UNAUTHORIZED)
        if group != f"restserver{found.account.group}":
            wanted = "restserver and the accGroup that /register answered"
            what = "is missing" if group is None else "is of another account"
            raise refusal(
                ErrorCode.INVALID_ACCOUNT_GROUP,
                f"the header {ROUTING} {what}: it must be {wanted}",
            )
        return found


def _not_simulated(_request: Request, _now_ms: int) -> Any:
    raise ApiError(501, 501, "Not simulated: no request to measure needs it")


def _api_key(request: Request) -> str:
    return request.headers.get("x-api-key", "")


def _address(body: Mapping[str, Any], name: str) -> str:
    text = body_text(body, name, most=42)
    if not _ADDRESS.fullmatch(text):
        raise invalid(f"{name} must be 0x and 40 hexadecimal digits in lower case")
    return text


def _ordered(
    credential: Credential,
    body: Mapping[str, Any],
    asked: OrderForm | CancelRequest,
    act: Callable[[], Order],
    now_ms: int,
) -> Deferred:
    account = credential.account

    def answer() -> Response:
        accepted = {"id": act().id}
        # Told when the answer is due, to whoever listens then.
        news = account.portfolio.take_news(now_ms)
        return Response(200, encode(accepted), besides=lambda: account.tell(news))

    digest = partial(signatures.message_digest, *asked.signed)
    return _signed(body, digest, {credential.signer, account.address}, answer)


def _signed(
    body: Mapping[str, Any],
    digest: Callable[[], bytes],
    signers: Set[str],
    answer: Callable[[], Response],
) -> Deferred:
    """Return an answer for whoever can sign as one of these, in lower case."""
    signature = body.get("signature")
    if not isinstance(signature, str):
        raise invalid("signature is required")

    def finish(found: str | None) -> Response:
        try:
            if found is None or (found not in signers and ANYBODY not in signers):
                raise refusal(ErrorCode.INVALID_SIGNATURE)
            return answer()
        except ApiError as error:
            return error.response

    return Deferred(lambda: signatures.signer(digest(), signature), finish)
