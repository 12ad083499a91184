"""How the exchange writes its answers: as JSON, and errors as they are documented."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

from vestbench.simulator.http.messages import Headers, Response


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


# The documentation names them as here, but for these. More is added only where it says
# what to change.
_NAMES = {
    ErrorCode.BAD_RECV_WINDOW: "Bad recvWindow",
    ErrorCode.INVALID_TIME_IN_FORCE: "Invalid timeInForce",
    ErrorCode.DUPLICATE: "Duplicate order",
}
_STATUSES = {ErrorCode.UNAUTHORIZED: 401, ErrorCode.TOO_MANY_REQUESTS: 429}


class ApiError(Exception):
    """An answer that is not what was asked for."""

    def __init__(
        self, status: int, code: int, message: str, headers: Headers = ()
    ) -> None:
        super().__init__(message)
        self.response = error_response(status, code, message, headers)


def refusal(code: ErrorCode, detail: str = "", headers: Headers = ()) -> ApiError:
    """Return a documented error under its documented name.

    The detail says what to change about the request, and never repeats what it holds.
    """
    name = _NAMES.get(code) or code.name.replace("_", " ").capitalize()
    message = f"{name}: {detail}" if detail else name
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


# `json.dumps` with separators would make one for each response.
_encoder = json.JSONEncoder(separators=(",", ":"))


def encode(value: Any) -> bytes:
    """Write a value as compact JSON."""
    return _encoder.encode(value).encode()
