"""What Vest answers, as far as the next request depends on it.

No message repeats an answer: it may hold a key.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from vestbench.errors import UsageError, VenueError
from vestbench.venues.credentials import Credentials
from vestbench.venues.orders import Instrument
from vestbench.venues.secret import Secret
from vestbench.venues.signing import decimal_text


def registration(body: bytes, credentials: Credentials) -> Credentials:
    """Return the credentials with the API key and group that `/register` answered.

    Raises:
        VenueError: The answer holds none, or ones that cannot be used.
    """
    answer = _object(body)
    key, group = answer.get("apiKey"), answer.get("accGroup")
    if not isinstance(key, str) or type(group) is not int:
        raise VenueError("the answer to /register holds no API key and account group")
    try:
        return credentials.registered(key, group)
    except UsageError as error:
        why = str(error)
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


def last_nonce(body: bytes) -> int:
    """Return the last nonce that `/account/nonce` answered.

    Raises:
        VenueError: There is none.
    """
    nonce = _object(body).get("lastNonce")
    if type(nonce) is not int or nonce < 0:
        raise VenueError("the answer to /account/nonce holds no nonce")
    return nonce


def order_id(body: bytes) -> str | None:
    """Return the id of the order that was placed or cancelled, or None."""
    found = _object(body).get("id")
    return found if isinstance(found, str) and found else None


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
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):  # ValueError: no JSON, or not UTF-8
        return {}
    return answer if isinstance(answer, dict) else {}
