"""The application of the exchange without sockets, at a time that is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vestbench.simulator.http.messages import Deferred, Request, Response
from vestbench.simulator.vest.application import Application
from vestbench.simulator.vest.instruments import INSTRUMENTS
from vestbench.simulator.vest.market import Market

NOW_MS = 1_767_225_612_345
ROUTED = {"xrestservermm": "restserver0"}
SYMBOLS = tuple(each.symbol for each in INSTRUMENTS)
MARKET = Market(seed=7)


def finished(answer: Response | Deferred) -> Response:
    """Return an answer, however long it takes to compute."""
    if isinstance(answer, Deferred):
        return answer.finish(answer.work())
    return answer


def answer(
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] = ROUTED,
    now_ms: int = NOW_MS,
) -> tuple[int, Any]:
    application = Application(MARKET, lambda: now_ms)
    request = Request("GET", path, query or {}, headers)
    response = finished(application.begin(request))
    return response.status, json.loads(response.body)


def found(path: str, now_ms: int = NOW_MS, /, **query: str) -> Any:
    status, body = answer(path, query, now_ms=now_ms)
    assert status == 200, body
    return body
