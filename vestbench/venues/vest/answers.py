"""The parts of Vest's answers that later requests or verdicts depend on.

No message repeats an answer: it may hold a key.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from vestbench.errors import UsageError, VenueError
from vestbench.model.request import Failure, FailureKind, Outcome, RequestSpec, Sample
from vestbench.venues.secret import Secret
from vestbench.venues.vest.credentials import Credentials, parse
from vestbench.venues.vest.orders import ORDER_NOT_FOUND, Instrument
from vestbench.venues.vest.private import CANCEL, ORDER
from vestbench.venues.vest.signing import decimal_text

# The documented error codes, in our words: the exchange's own text is not repeated.
MEANINGS = {
    1002: "unauthorized",
    1003: "too many requests",
    1022: "invalid signature",
    1023: "invalid nonce",
    1024: "invalid network type",
    1099: "account not found",
    1111: "bad decimals",
    1116: "invalid order type",
    1121: "bad symbol",
    1125: "invalid listen key",
    1130: "invalid parameter",
    1131: "bad recvWindow",
    1132: "order expired",
    1133: "invalid timeInForce",
    1146: "invalid account group",
    3011: "invalid limit price",
    3015: "duplicate",
    ORDER_NOT_FOUND: "order not found",
}
# No answer has more; `/exchangeInfo` has one for each symbol.
_MOST_BRACKETS = 100_000
_DEEPEST = 32
_MARKS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def judged(spec: RequestSpec, outcome: Outcome, body: bytes) -> Outcome:
    """Return `outcome`, or a failure where the body says that the request failed.

    A cancel has succeeded if the answer is "order not found", and an order if the
    answer holds its id; any other answer is a failure, whatever its status. The detail
    of a failure names the exchange's error code, where there is one.
    """
    if isinstance(outcome, Failure):
        code = error_code(body)
        if code is None:
            return outcome
        return replace(outcome, detail=f"{outcome.detail}, {_coded(code)}")
    problem = ""
    if spec.endpoint == CANCEL.name and error_code(body) != ORDER_NOT_FOUND:
        problem = "an order that cannot exist was cancelled"
    elif spec.endpoint == ORDER.name and order_id(body) is None:
        problem = "the answer holds no order id"
    return _refused(outcome, body, problem) if problem else outcome


def _refused(sample: Sample, body: bytes, problem: str) -> Failure:
    code = error_code(body)
    if code is None and sample.status >= 300:
        problem = "without an error code"
    said = problem if code is None else _coded(code)
    return sample.failed(FailureKind.STATUS, f"HTTP {sample.status}, {said}")


def _coded(code: int) -> str:
    meaning = MEANINGS.get(code)
    return f"code {code}" + (f" ({meaning})" if meaning else "")


def registration(body: bytes, credentials: Credentials) -> Credentials:
    """Return the credentials with the API key and group that `/register` answered.

    Raises:
        VenueError: The answer holds none, or ones that cannot be used.
    """
    answer = _object(body)
    key, group = answer.get("apiKey"), answer.get("accGroup")
    if not isinstance(key, str) or type(group) is not int:
        raise VenueError("the answer to /register holds no API key and account group")
    sources = {"api_key": "the API key", "account_group": "the account group"}
    try:
        found = parse({"api_key": key, "account_group": str(group)}, sources)
    except UsageError as error:
        why = str(error)
    else:
        return found.over(credentials)
    raise VenueError(f"the answer to /register cannot be used: {why}")


def listen_key(body: bytes) -> Secret:
    """Return the listen key that `/account/listenKey` answered.

    Raises:
        VenueError: There is none.
    """
    key = _object(body).get("listenKey")
    if not isinstance(key, str) or not key:
        raise VenueError("the answer to /account/listenKey holds no listen key")
    return Secret(key)


def leverage(body: bytes, symbol: str) -> int:
    """Return the leverage of a symbol in an answer to `/account`.

    Raises:
        VenueError: There is none.
    """
    value = _named(_object(body).get("leverages"), symbol).get("value")
    if type(value) is not int or value < 1:
        raise VenueError(f"/account has no leverage for {symbol}")
    return value


def order_states(body: bytes) -> tuple[str, ...] | None:
    """Return the states of the orders that `/orders` lists; None for another answer."""
    orders = _parsed(body)
    if not isinstance(orders, list):
        return None
    states = [each.get("status") for each in orders if isinstance(each, dict)]
    return tuple(state for state in states if isinstance(state, str))


def order_id(body: bytes) -> str | None:
    """Return the id of the order that was placed or cancelled, or None."""
    found = _object(body).get("id")
    return found if isinstance(found, str) and found else None


def check_order_event(event: bytes, *, order_id: str | None) -> None:
    """Check that an event of the WebSocket is of an order.

    Raises:
        VenueError: It is not.
    """
    data = _object(event).get("data")
    said = data if isinstance(data, dict) else {}
    args = said.get("args")
    told = args if isinstance(args, dict) else {}
    if said.get("event") != "ORDER" or told.get("id") != order_id:
        raise VenueError("the event on the WebSocket is not of this order")


def error_code(body: bytes) -> int | None:
    """Return the exchange's error code in an answer, or None where there is none.

    Some deployments nest it in `detail`.
    """
    answer = _object(body)
    detail = answer.get("detail")
    code = (detail if isinstance(detail, dict) else answer).get("code")
    return code if type(code) is int else None


def instrument(body: bytes, symbol: str) -> Instrument:
    """Return what `/exchangeInfo` says of a symbol.

    Raises:
        VenueError: It says nothing usable.
    """
    found = _named(_object(body).get("symbols"), symbol)
    price, size = found.get("priceDecimals"), found.get("sizeDecimals")
    if type(price) is int and type(size) is int:
        try:
            return Instrument(symbol=symbol, price_decimals=price, size_decimals=size)
        except ValueError:
            pass  # reported below
    raise VenueError(f"/exchangeInfo has no usable decimals for {symbol}")


def ticker_price(body: bytes, symbol: str) -> Decimal:
    """Return the mark price of a symbol in an answer to `/ticker/latest`.

    Raises:
        VenueError: There is none.
    """
    text = _named(_object(body).get("tickers"), symbol).get("markPrice")
    if isinstance(text, str):
        try:
            decimal_text(text, 20)  # a plain decimal, not "NaN" or "1e9"
        except ValueError:
            pass  # reported below
        else:
            return Decimal(text)
    raise VenueError(f"/ticker/latest has no price for {symbol}")


def _named(entries: object, symbol: str) -> dict[str, Any]:
    if isinstance(entries, list):
        for entry in entries:
            if isinstance(entry, dict) and entry.get("symbol") == symbol:
                return entry
    return {}


def _object(body: bytes) -> dict[str, Any]:
    answer = _parsed(body)
    return answer if isinstance(answer, dict) else {}


def _parsed(body: bytes) -> Any:
    """Return the value that a JSON text holds, or None."""
    # `eth_account` raises the recursion limit, which turns lists in lists in lists
    # into the end of the process, so they are not even read.
    if _depth(body) > _DEEPEST:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # ValueError: no JSON, or not UTF-8
        return None


def _depth(body: bytes) -> int:
    """Return how deep a JSON text is nested, as far as a parser would read it."""
    opening = body.count(b"[") + body.count(b"{")
    if opening <= _DEEPEST:
        return opening
    if opening > _MOST_BRACKETS:
        return opening
    deep = deepest = 0
    for mark in _MARKS.findall(body):
        if mark[0] != ord('"'):
            deep += 1 if mark in b"[{" else -1
            deepest = max(deepest, deep)
    return deepest
