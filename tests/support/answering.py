"""The simulated exchange as it answers a client, without a socket."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from tests.support.market_answers import finished
from vestbench.model.request import RequestSpec
from vestbench.simulator.http.messages import Request, Response
from vestbench.simulator.vest.application import Application
from vestbench.simulator.vest.market import Market
from vestbench.venues import find_venue

NOW_MS = 1_772_360_100_000
MARKET = Market(seed=7)
VENUE = find_venue("sim", simulated_url="https://sim.test/v2")


def respond(exchange: Application, spec: RequestSpec) -> Response:
    url = urlsplit(spec.url)
    headers = {name.lower(): value for name, value in spec.headers}
    query = dict(parse_qsl(url.query))
    return finished(
        exchange.begin(
            Request(spec.method, url.path, query, headers, spec.body, "127.0.0.1")
        )
    )
