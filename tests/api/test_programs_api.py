"""Programs and clients of a Python program's own: what they send, in its tests."""

from __future__ import annotations

import http.client
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.support.inside import environment
from tests.support.machine import need_link
from vestbench import run_program, simulated_exchange
from vestbench.api import Account, Exchange
from vestbench.errors import UsageError
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.verdict import Verdict
from vestbench.studies.registry import load_run

BARE = "import urllib.request as u; [u.urlopen('https://a.example/x') for _ in 'abc']"
POOLED = (
    "import http.client; c = http.client.HTTPSConnection('a.example')\n"
    "for _ in 'abc': c.request('GET', '/x'); c.getresponse().read()"
)
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with simulated_exchange(ExchangeSpec(processing_ms=0.0)) as found:
        yield found


class Client:
    """A client that keeps its connection, unless it is told not to."""

    def __init__(self, exchange: Exchange) -> None:
        self._url = urlsplit(exchange.base_url)
        self._context = ssl.create_default_context(cafile=exchange.ca_file)
        self.connection = self._new()

    def _new(self) -> http.client.HTTPSConnection:
        address = self._url.hostname or ""
        return http.client.HTTPSConnection(
            address, self._url.port, context=self._context
        )

    def ask(self, connection: http.client.HTTPSConnection | None = None) -> None:
        connection = connection or self.connection
        connection.request("GET", "/v2/ticker/latest")
        connection.getresponse().read()


def test_a_client_that_pools_opens_nothing_without_need(exchange: Exchange) -> None:
    client = Client(exchange)
    for _ in range(5):
        client.ask()

    found = exchange.traffic
    client.connection.close()

    assert (found.requests, found.connections, found.reused) == (5, 1, 4)
    assert found.needless == 0
    assert found.reasons == {"first": 1}
    assert found.hosts["127.0.0.1"].connections == 1


def test_a_client_that_closes_is_told_so(exchange: Exchange) -> None:
    context = ssl.create_default_context(cafile=exchange.ca_file)
    for _ in range(4):
        urlopen(  # noqa: S310, its scheme is https
            f"{exchange.base_url}/ticker/latest", context=context
        ).close()

    found = exchange.traffic

    assert (found.requests, found.connections, found.needless) == (4, 4, 3)
    assert found.reasons == {"asked": 3, "first": 1}
    assert found.told == (
        "4 requests over 4 connections, 3 of them needless (3 asked, 1 first)"
    )


def test_a_second_client_object_is_told_from_a_closed_connection(
    exchange: Exchange,
) -> None:
    one, other = Client(exchange), Client(exchange)
    one.ask()
    other.ask()

    found = exchange.traffic
    one.connection.close()
    other.connection.close()

    assert found.reasons == {"first": 1, "other-pool": 1}
    assert found.needless == 1


def test_an_exchange_that_nobody_has_asked_has_seen_nothing(
    exchange: Exchange,
) -> None:
    found = exchange.traffic

    nothing = Account(
        requests=0, connections=0, reused=0, needless=0, unused=0, reasons={}, hosts={}
    )
    assert found == nothing


def test_a_program_is_a_list_of_words() -> None:
    with pytest.raises(UsageError, match="as a list"):
        run_program("curl https://a.example/")


@pytest.fixture(scope="module")
def can_keep_programs_inside() -> None:
    need_link("packet")


@pytest.mark.link
@pytest.mark.usefixtures("can_keep_programs_inside")
class TestInside:
    def test_a_program_says_what_it_sent(self) -> None:
        found = run_program([PYTHON, "-c", BARE], rtt="5ms", env=environment())

        assert found.status == 0
        assert (found.traffic.requests, found.traffic.connections) == (3, 3)
        assert found.traffic.needless == 2
        assert found.traffic.hosts["a.example"].reasons == {"asked": 2, "first": 1}
        assert found.path is None
        assert repr(found).startswith("<ProgramResult python3: 3 requests over 3")
        assert "3 requests over 3 connections" in found.report()

    def test_each_start_of_several_counts(self, tmp_path: Path) -> None:
        found = run_program(
            [PYTHON, "-c", POOLED],
            rtt="5ms",
            runs=2,
            env=environment(),
            assertions=["needless == 0", "connections <= 2"],
            results=tmp_path,
        )

        assert (found.traffic.requests, found.traffic.connections) == (6, 2)
        assert found.acceptance is Verdict.PASS
        assert found.path is not None
        assert load_run(found.path).conclusion == found.run.conclusion

    def test_how_a_program_ended_is_told(self) -> None:
        argv = [PYTHON, "-c", f"{POOLED}\nraise SystemExit(7)"]

        assert run_program(argv, rtt="5ms", env=environment()).status == 7

    def test_a_program_that_is_ended_as_asked_for_counts_as_ended_well(self) -> None:
        argv = [PYTHON, "-c", f"{POOLED}\nimport time; time.sleep(600)"]

        found = run_program(
            argv, rtt="5ms", until="requests >= 3", env=environment(), cwd="/"
        )

        assert found.status == 0
        assert found.traffic.requests == 3
