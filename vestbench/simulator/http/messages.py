"""What the parts of the simulated exchange pass to each other: requests and answers.

The documented error codes have their home here, and the one way to write an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

# The requests that have a service time of their own.
ORDER_PATHS = frozenset({"/v2/orders", "/v2/orders/cancel"})


class ErrorCode(IntEnum):
    """The codes of the Vest API that are simulated."""

    UNAUTHORIZED = 1002
    TOO_MANY_REQUESTS = 1003
    INVALID_SIGNATURE = 1022
    INVALID_NONCE = 1023
    INVALID_NETWORK_TYPE = 1024
    ACCOUNT_NOT_FOUND = 1099
    BAD_DECIMALS = 1111
    INVALID_ORDER_TYPE = 1116
    BAD_SYMBOL = 1121
    INVALID_LISTEN_KEY = 1125
    INVALID_PARAMETER = 1130
    BAD_RECV_WINDOW = 1131
    ORDER_EXPIRED = 1132
    INVALID_TIME_IN_FORCE = 1133
    INVALID_ACCOUNT_GROUP = 1146
    INVALID_LIMIT_PRICE = 3011
    DUPLICATE = 3015
    ORDER_NOT_FOUND = 3017


# What the documentation calls them. More is added only where it says what to change.
_NAMES = {
    ErrorCode.UNAUTHORIZED: "Unauthorized",
    ErrorCode.TOO_MANY_REQUESTS: "Too many requests",
    ErrorCode.INVALID_SIGNATURE: "Invalid signature",
    ErrorCode.INVALID_NONCE: "Invalid nonce",
    ErrorCode.INVALID_NETWORK_TYPE: "Invalid network type",
    ErrorCode.ACCOUNT_NOT_FOUND: "Account not found",
    ErrorCode.BAD_DECIMALS: "Bad decimals",
    ErrorCode.INVALID_ORDER_TYPE: "Invalid order type",
    ErrorCode.BAD_SYMBOL: "Bad symbol",
    ErrorCode.INVALID_LISTEN_KEY: "Invalid listen key",
    ErrorCode.INVALID_PARAMETER: "Invalid parameter",
    ErrorCode.BAD_RECV_WINDOW: "Bad recvWindow",
    ErrorCode.ORDER_EXPIRED: "Order expired",
    ErrorCode.INVALID_TIME_IN_FORCE: "Invalid timeInForce",
    ErrorCode.INVALID_ACCOUNT_GROUP: "Invalid account group",
    ErrorCode.INVALID_LIMIT_PRICE: "Invalid limit price",
    ErrorCode.DUPLICATE: "Duplicate order",
    ErrorCode.ORDER_NOT_FOUND: "Order not found",
}
_STATUSES = {ErrorCode.UNAUTHORIZED: 401, ErrorCode.TOO_MANY_REQUESTS: 429}

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as `request_reader` has read it."""

    method: str
    path: str  # decoded, without the query
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Names in lower case. Never shown: one of them is the API key.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    peer: str = ""  # the client's address


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered: always JSON."""

    status: int
    body: bytes = field(repr=False)
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Deferred:
    """An answer that first takes some computing.

    `work` may run in any thread, as it touches nothing that others do; what it returns
    goes to `finish`, which gives the response and runs where the exchange runs.
    """

    work: Callable[[], Any] = field(repr=False)
    finish: Callable[[Any], Response] = field(repr=False)


class ApiError(Exception):
    """An answer that is not what was asked for."""

    def __init__(
        self, status: int, code: int, message: str, headers: Headers = ()
    ) -> None:
        super().__init__(message)
        self.response = error_response(status, code, message, headers)


def refusal(code: ErrorCode, detail: str = "", headers: Headers = ()) -> ApiError:
    """Return a documented error under its documented name.

    Args:
        code: Decides the status as well.
        detail: What to change about the request. Never repeats what it holds.
        headers: Of the response.
    """
    message = f"{_NAMES[code]}: {detail}" if detail else _NAMES[code]
    return ApiError(_STATUSES.get(code, 400), code, message, headers)


def invalid(detail: str) -> ApiError:
    """Return the error of a parameter that is absent or malformed."""
    return refusal(ErrorCode.INVALID_PARAMETER, detail)


def error_response(
    status: int, code: int, message: str, headers: Headers = ()
) -> Response:
    """Return an error in the documented form.

    The documentation has no code for what HTTP itself can say (not found, method not
    allowed, …). Deployments were seen to repeat the status there; so does this.
    """
    return Response(status, encode({"code": int(code), "msg": message}), headers)


def too_many_requests(retry_after_s: int) -> ApiError:
    """Return the error of a client that asks too often."""
    headers = (("Retry-After", str(retry_after_s)),)
    return refusal(ErrorCode.TOO_MANY_REQUESTS, headers=headers)


# `json.dumps` with separators would make one for each response.
_encoder = json.JSONEncoder(separators=(",", ":"))


def encode(value: Any) -> bytes:
    """Write a value as compact JSON."""
    return _encoder.encode(value).encode()
