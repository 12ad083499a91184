"""Names with several addresses: which are tried, what that takes, and which is met."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from tests.support.addresses import (
    LIMIT_S,
    LINUX,
    NAME,
    Rotating,
    answering,
    ask,
    silent,
)
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    failed,
    plan,
    sampled,
)
from vestbench.kernel.sockets import Address
from vestbench.model.request import NS_PER_S, FailureKind
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks import httpx_stack
from vestbench.stacks.httpx_stack import Httpx2Stack, HttpxStack
from vestbench.stacks.wire.connecting import SharedAnswers, in_turn

HTTPX = (HttpxStack, Httpx2Stack)

# --- one after the other, as httpcore does -------------------------------------------


@LINUX
def test_the_library_itself_gives_each_address_the_whole_connect_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        resolve = answering("127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, port, *_, **__: [
                (family, socket.SOCK_STREAM, 6, "", address)
                for family, address in resolve(host, port)
            ],
        )
        timeout = httpx.Timeout(PATIENCE_S, connect=LIMIT_S)
        with httpx.Client(timeout=timeout, trust_env=False) as client:
            begin = time.monotonic()
            response = client.get(server.url_of(NAME))
            taken = time.monotonic() - begin

    assert response.status_code == 200
    assert taken >= LIMIT_S  # and not half of it


@LINUX
@pytest.mark.parametrize("make", HTTPX)
def test_an_address_that_does_not_answer_is_a_phase_of_its_own(
    make: type[HttpxStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        httpx_stack, "system_resolver", answering("127.0.0.2", "127.0.0.1")
    )
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        session = make().open(plan(connect_timeout_s=LIMIT_S))
        first, second = (sampled(session.send(ask(server), SLOT)) for _ in range(2))
        session.close()

        assert server.connections == 1
        dead = f"127.0.0.2:{server.port}"
    assert (first.addresses, first.opened, first.unanswered_by) == (2, 1, dead)
    assert first.latency_ns >= LIMIT_S * NS_PER_S
    assert first.unanswered_ns is not None
    assert first.connect_ns is not None
    assert first.latency_ns > first.unanswered_ns + first.connect_ns
    assert first.remote == f"127.0.0.1:{server.port}"
    assert (second.addresses, second.opened, second.unanswered_by) == (0, 0, None)
    assert second.unanswered_ns is None


@LINUX
@pytest.mark.parametrize("make", HTTPX)
def test_a_failure_names_each_address_and_what_it_did(
    make: type[HttpxStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        httpx_stack, "system_resolver", answering("127.0.0.2", "127.0.0.3")
    )
    with ScriptedServer() as server, silent("127.0.0.2", server.port):
        session = make().open(plan(connect_timeout_s=LIMIT_S))
        found = failed(session, ask(server))
        session.close()
        port = server.port

    assert found.kind is FailureKind.CONNECT
    assert found.detail == (
        f"127.0.0.2:{port}: connect timeout; 127.0.0.3:{port}: connection refused"
    )
    assert found.unanswered_by == f"127.0.0.2:{port}, 127.0.0.3:{port}"
    assert found.opened == 0


# --- the same address for all sessions of a round ------------------------------------


def test_sessions_of_a_round_share_its_first_answer_and_each_of_them_asks() -> None:
    name_server = Rotating("10.9.0.1", "10.9.0.2")
    shared = SharedAnswers(name_server)

    met = [
        [shared.of(number)(NAME, 443)[0][1][0] for _ in range(3)]
        for number in (0, 1, 2)
    ]

    assert met == [["10.9.0.1"] * 3, ["10.9.0.2"] * 3, ["10.9.0.1"] * 3]
    assert name_server.asked == 9


def test_without_a_round_each_answer_is_taken_as_it_is() -> None:
    ask = SharedAnswers(Rotating("10.9.0.1", "10.9.0.2")).of(None)

    assert [ask(NAME, 443)[0][1][0] for _ in range(2)] == ["10.9.0.2", "10.9.0.1"]


def test_a_name_server_that_gives_one_address_at_a_time_is_held_to_the_first() -> None:
    name_server = Rotating("10.9.0.1", "10.9.0.2", "10.9.0.3")
    shared = SharedAnswers(lambda host, port: name_server(host, port)[:1])

    met = {shared.of(5)(NAME, 443)[0][1][0] for _ in range(3)}

    assert met == {"10.9.0.2"}


def test_rounds_take_addresses_in_turn_and_leave_the_family_to_the_system() -> None:
    v6, v4 = socket.AF_INET6, socket.AF_INET
    found: list[tuple[int, Address]] = [
        (v6, ("::2", 1)),
        (v6, ("::1", 1)),
        (v4, ("10.0.0.1", 1)),
    ]

    each = [[address[0] for _, address in in_turn(found, n)] for n in range(3)]

    assert each == [
        ["::1", "::2", "10.0.0.1"],
        ["::2", "::1", "10.0.0.1"],
        ["::1", "::2", "10.0.0.1"],
    ]
    assert in_turn([], 3) == []


@LINUX
@pytest.mark.parametrize("make", HTTPX)
def test_two_clients_of_a_round_meet_the_same_server(
    make: type[HttpxStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        httpx_stack, "system_resolver", Rotating("127.0.0.1", "127.0.0.2")
    )
    with (
        ScriptedServer() as one,
        ScriptedServer(host="127.0.0.2", port=one.port) as other,
    ):
        stack = make()
        for number in range(4):
            for strategy in (UNPOOLED, UNPOOLED, UNPOOLED):
                session = stack.open(plan(strategy=strategy, round=number))
                sampled(session.send(ask(one), SLOT))
                session.close()

        assert [one.connections, other.connections] == [6, 6]
        remotes = [visit.number for visit in one.visits]
    assert remotes == [1, 2, 3, 4, 5, 6]
