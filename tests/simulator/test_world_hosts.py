"""Who answers: the venues by their names, all others as the user says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.exchange_talk import Answering
from vestbench.model.simulated import CannedAnswer, WorldSpec
from vestbench.simulator.http.messages import Request, Response
from vestbench.simulator.world.hosts import CONTRACTS, Hosts, host_of
from vestbench.venues import find_venue


def asked(host: str, path: str = "/x", method: str = "GET", **query: str) -> Request:
    return Request(method, path, query, {"host": host})


def hosts(**spec: Any) -> tuple[Hosts, list[str]]:
    """Return hosts whose venues answer with their contract, and which were made."""
    made: list[str] = []

    def venue(contract: str) -> Answering:
        made.append(contract)
        return Answering(lambda _: Response(200, contract.encode()))

    return Hosts(WorldSpec(**spec), venue), made


def body(found: Any) -> bytes:
    assert isinstance(found, Response)
    return found.body


@pytest.mark.parametrize(("host", "contract"), CONTRACTS.items())
def test_a_venue_takes_registrations_of_its_own_contract(
    host: str, contract: str
) -> None:
    world, made = hosts()

    found = {body(world.begin(asked(name))) for name in (host, f"{host.upper()}:443")}

    assert found == {contract.encode()}
    assert made == [contract]


@pytest.mark.parametrize("name", ["vest", "vest-dev", "paradex"])
def test_every_venue_that_is_known_is_one(name: str) -> None:
    assert find_venue(name).host in CONTRACTS


@pytest.mark.parametrize(
    ("header", "host"),
    [("A.x:8443", "a.x"), ("a.x", "a.x"), ("[::1]:9", "[::1]"), ("[::1]", "[::1]")],
)
def test_a_host_is_known_without_its_port(header: str, host: str) -> None:
    assert host_of(asked(header)) == host


def canned(path: str = "/x", text: bytes = b"1", **query: str) -> CannedAnswer:
    return CannedAnswer(
        method="GET",
        host="a.x",
        path=path,
        query=query,
        status=203,
        content_type="text/plain",
        body=text,
    )


def test_an_answer_is_found_by_query_and_else_by_path() -> None:
    world, _ = hosts(answers=(canned(text=b"first"), canned(text=b"second", q="2")))

    assert body(world.begin(asked("a.x", q="2"))) == b"second"
    assert body(world.begin(asked("a.x", q="3"))) == b"first"
    assert body(world.begin(asked("a.x", method="POST"))) == b"{}"
    assert body(world.begin(asked("b.x"))) == b"{}"


def test_an_answer_may_be_that_of_a_venue() -> None:
    host = next(iter(CONTRACTS))
    given = CannedAnswer(
        method="GET",
        host=host,
        path="/x",
        query={},
        status=503,
        content_type="text/plain",
        body=b"down",
    )
    world, _ = hosts(answers=(given,))

    assert body(world.begin(asked(host))) == b"down"
    assert body(world.begin(asked(host, "/y"))) == CONTRACTS[host].encode()


@pytest.mark.parametrize(("status", "text"), [(200, b"{}"), (501, b"{}"), (204, b"")])
def test_all_else_has_the_status_that_is_wanted(status: int, text: bytes) -> None:
    world, _ = hosts(answer_status=status)

    found = world.begin(asked("a.x"))

    assert isinstance(found, Response)
    assert (found.status, found.body) == (status, text)
