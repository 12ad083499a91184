"""The account that an exchange keeps of clients from outside."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from vestbench.model.simulated import ExchangeSpec
from vestbench.model.traffic import Traffic
from vestbench.programs.account import served_traffic
from vestbench.simulator.http.seen import MAX_HOSTS, Account
from vestbench.simulator.venue import ServedExchange, SimulatedVenue


@pytest.fixture
def served() -> Iterator[ServedExchange]:
    with ServedExchange(ExchangeSpec(processing_ms=0.0), None, port=0) as found:
        yield found


Connect = Callable[[], http.client.HTTPSConnection]


@pytest.fixture
def connect(served: ServedExchange) -> Iterator[Connect]:
    context = ssl.create_default_context(cadata=served.ca_pem)
    port = urlsplit(served.base_url()).port
    with ExitStack() as stack:

        def connect() -> http.client.HTTPSConnection:
            found = http.client.HTTPSConnection("127.0.0.1", port, context=context)
            stack.callback(found.close)
            return found

        yield connect


def ask(connection: http.client.HTTPSConnection, path: str, **headers: str) -> int:
    connection.request("GET", f"/v2{path}", headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def account(served: ServedExchange, began_ns: int) -> Traffic:
    return served_traffic(
        served.seen(), began_ns=began_ns, ended_ns=time.perf_counter_ns()
    )


def test_requests_and_their_connections_are_kept(
    served: ServedExchange, connect: Connect
) -> None:
    began = time.perf_counter_ns()
    one, other = connect(), connect()
    agent = {"User-Agent": "bot/1"}
    assert ask(one, "/ticker/latest?a=secret", **agent) == 200
    assert ask(one, "/nothing") == 404
    assert ask(other, "/exchangeInfo") == 200

    found = account(served, began)

    assert [(r.connection, r.method, r.path) for r in found.requests] == [
        (0, "GET", "/v2/ticker/latest?a"),
        (0, "GET", "/v2/nothing"),
        (1, "GET", "/v2/exchangeInfo"),
    ]
    assert [r.status for r in found.requests] == [200, 404, 200]
    assert found.requests[0].agent == "bot/1"
    assert [c.client_port for c in found.connections] == [
        each.sock.getsockname()[1] for each in (one, other)
    ]
    assert {(c.host, c.tls, c.speech) for c in found.connections} == {
        ("127.0.0.1", "1.3", "http/1.1")
    }
    assert found.programs == ()


def test_who_has_closed_a_connection_is_kept(
    served: ServedExchange, connect: Connect
) -> None:
    began = time.perf_counter_ns()
    left, asked, still = connect(), connect(), connect()
    ask(left, "/ticker/latest")
    ask(asked, "/ticker/latest", Connection="close")
    ask(still, "/ticker/latest")
    left.close()
    while served.counters().open_connections > 1:
        time.sleep(0.001)

    found = account(served, began).connections

    ends = [(each.closed_by, each.reason) for each in found]
    assert ends == [("client", ""), ("server", "asked"), ("", "")]


def test_an_exchange_that_is_measured_keeps_no_account() -> None:
    with SimulatedVenue(ExchangeSpec(), None) as venue:
        seen = venue.exchange.seen()

    assert (seen.connections, seen.requests) == ([], [])


def test_requests_are_counted_for_each_host_with_those_that_reused(
    served: ServedExchange, connect: Connect
) -> None:
    one, other = connect(), connect()
    for name in ("a.example", "a.example", "b.example"):
        ask(one, "/ticker/latest", Host=name)
    ask(other, "/ticker/latest", Host="a.example")

    found = served.counters().hosts

    sent = {name: (h.connections, h.requests, h.reused) for name, h in found.items()}
    assert sent == {"a.example": (2, 3, 1), "b.example": (0, 1, 1)}


def test_hosts_that_a_client_makes_up_are_counted_together() -> None:
    account = Account()
    for number in range(MAX_HOSTS + 5):
        account.count(f"host-{number}", first=False)

    assert len(account.hosts) == MAX_HOSTS + 1
    assert account.hosts["others"].requests == 5
