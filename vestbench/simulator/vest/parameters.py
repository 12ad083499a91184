"""Reading what clients send: queries and JSON bodies, checked before they are used.

JSON is read strictly: no NaN, no floats where the API has integers, and a boolean is
not a number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from vestbench.simulator.http.messages import Request
from vestbench.simulator.vest.answers import invalid

END_OF_TIME_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_MAX_BRACKETS = 64  # no documented body has more than 2
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_JSON_TYPES = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json(?:\s*;.*)?", re.I)


def query_integer(
    request: Request, name: str, *, default: int | None = None, low: int, high: int
) -> int:
    """Return an integer of the query.

    An `ApiError` says that it is absent and has no default, or is no integer in range;
    so do the others below of what they read.
    """
    given = request.query.get(name)
    if given is None:
        if default is None:
            raise invalid(f"{name} is required")
        return default
    value = int(given) if _INTEGER.fullmatch(given) else None
    return _within(value, name, low, high)


def query_time(request: Request, name: str, default: int | None = None) -> int:
    """Return a time of the query, in milliseconds since the epoch."""
    return query_integer(request, name, default=default, low=0, high=END_OF_TIME_MS)


def query_stretch(request: Request, end_ms: int) -> tuple[int, int, int]:
    """Return the start, the end (by default `end_ms`) and the most that is wanted."""
    start_ms = query_time(request, "startTime", 0)
    end_ms = query_time(request, "endTime", end_ms)
    if start_ms > end_ms:
        raise invalid("startTime must not be after endTime")
    limit = query_integer(request, "limit", default=1000, low=1, high=1000)
    return start_ms, end_ms, limit


def body_object(request: Request) -> Mapping[str, Any]:
    """Return the JSON object that the body of a request is."""
    kind = request.headers.get("content-type")
    if kind is not None and not _JSON_TYPES.fullmatch(kind.strip()):
        raise invalid("Content-Type must be application/json")
    # A library that raises the recursion limit turns lists in lists in lists into the
    # end of the process, so they are not even read.
    if request.body.count(b"[") + request.body.count(b"{") > _MAX_BRACKETS:
        raise invalid("the body is too complex")
    try:
        # A number of thousands of digits ends here too.
        found = json.loads(request.body, parse_constant=_no_constant)
    except ValueError:
        raise invalid("the body must be JSON") from None
    return as_object(found, "the body")


def as_object(value: Any, name: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object."""
    if not isinstance(value, dict):
        raise invalid(f"{name} must be an object")
    return value


def body_integer(
    body: Mapping[str, Any], name: str, *, low: int = 0, high: int = END_OF_TIME_MS
) -> int:
    """Return an integer of a body."""
    return _within(body.get(name), name, low, high)


def _within(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int:
        raise invalid(f"{name} must be an integer")
    if not low <= value <= high:
        raise invalid(f"{name} must be between {low} and {high}")
    return value


def body_boolean(body: Mapping[str, Any], name: str) -> bool:
    """Return a boolean of a body."""
    value = body.get(name)
    if not isinstance(value, bool):
        raise invalid(f"{name} must be true or false")
    return value


def body_text(body: Mapping[str, Any], name: str, *, most: int) -> str:
    """Return a string of a body: not empty, not too long, and sound Unicode."""
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise invalid(f"{name} must be a string of 1 to {most} characters")
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise invalid(f"{name} must be Unicode") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
