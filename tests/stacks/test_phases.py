"""Phases on real connections, and what is outside of a sample."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, cast

import httpcore
import pytest

from tests.support.records import known
from tests.support.servers import (
    PATIENCE_S,
    ScriptedServer,
    Visit,
    free_port,
    get,
    has_ipv6,
    opened,
    tls_pair,
)
from tests.support.timed import MS, send, wait_for_visits
from vestbench.kernel.sockets import Address
from vestbench.model.client import PoolSettings
from vestbench.model.columns import client_ns, network_ns
from vestbench.stacks.httpcore_backend import CoreStream, TimedBackend
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.wire.instrument import Instrument


def test_only_the_first_request_of_a_session_has_connect_and_tls(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack) as session:
        first, *later = send(session, *[tls_server.get()] * 4)

    assert first.connect_ns is not None
    assert first.tls_ns is not None
    assert min(first.connect_ns, first.tls_ns) > 0
    assert {(s.dns_ns, s.connect_ns, s.tls_ns) for s in later} == {(None, None, None)}


def test_a_plain_connection_has_no_tls_phase(stack: HttpxStack) -> None:
    with ScriptedServer() as server, opened(stack) as session:
        [sample] = send(session, server.get())

    assert sample.connect_ns is not None
    assert (sample.tls_ns, sample.tls_version, sample.cipher) == (None, "", "")


@pytest.mark.parametrize(
    ("host", "resolves"),
    [("127.0.0.1", False), ("localhost", True)],
    ids=["literal", "name"],
)
def test_only_a_name_is_resolved(
    stack: HttpxStack, tls_server: ScriptedServer, host: str, resolves: bool
) -> None:
    with opened(stack) as session:
        [sample] = send(session, get(tls_server.url_of(host)))

    assert (sample.dns_ns is not None) is resolves


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
@pytest.mark.parametrize("host", ["[::1]", "localhost"], ids=["literal", "name"])
def test_ipv6_addresses_work_as_literals_and_behind_names(
    stack: HttpxStack, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def resolve(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        address = ("::1", port, 0, 0)
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        ScriptedServer(tls=tls_pair().server, host="::1") as server,
        opened(stack) as session,
    ):
        [sample] = send(session, get(server.url_of(host)))

    assert sample.remote == f"[::1]:{server.port}"
    assert (sample.dns_ns is None) is (host == "[::1]")


def test_a_dead_address_is_passed_over_for_a_live_one() -> None:
    dead = free_port()
    with ScriptedServer() as server:

        def resolve(host: str, port: int) -> list[tuple[int, Address]]:
            return [
                (socket.AF_INET, ("127.0.0.1", dead)),
                (socket.AF_INET, ("127.0.0.1", port)),
            ]

        instrument = Instrument(PoolSettings(), resolve=resolve)
        stamps = instrument.begin()
        backend = TimedBackend(instrument, httpcore)
        with httpcore.ConnectionPool(network_backend=cast(Any, backend)) as pool:
            response = pool.request("GET", server.url_of("localhost"))

    assert response.status == 200
    assert stamps.opened == 1
    assert stamps.connection is not None
    assert stamps.connection.remote == f"127.0.0.1:{server.port}"


def test_the_phases_and_the_clients_own_time_make_up_the_latency(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack) as session:
        samples = send(session, *[tls_server.get()] * 3)

    for sample in samples:
        assert (
            min(known(sample.send_ns), known(sample.wait_ns), known(client_ns(sample)))
            > 0
        )
        assert known(sample.receive_ns) >= 0
        assert known(network_ns(sample)) + known(client_ns(sample)) == sample.latency_ns


def test_a_server_that_thinks_for_30_ms_shows_in_wait(stack: HttpxStack) -> None:
    def think(visit: Visit) -> None:
        while visit.request():
            time.sleep(0.03)
            visit.answer()

    with ScriptedServer(think) as server, opened(stack) as session:
        samples = send(session, *[server.get()] * 5)

    # The stamp after a send may come late, when the server thinks already.
    assert all(
        known(sample.send_ns) + known(sample.wait_ns) >= 30 * MS for sample in samples
    )
    assert max(known(sample.wait_ns) for sample in samples) >= 30 * MS


def test_a_pause_between_header_and_body_shows_in_receive(stack: HttpxStack) -> None:
    def pause(visit: Visit) -> None:
        while visit.request():
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            time.sleep(0.06)
            visit.send(b"body")

    with ScriptedServer(pause) as server, opened(stack) as session:
        [sample] = send(session, server.get())

    # The header may be read late, but never by as much as half of the pause here.
    assert known(sample.receive_ns) >= 30 * MS
    assert sample.body_bytes == 4


def test_an_answer_that_came_before_the_request_could_be_sent_has_sane_phases(
    stack: HttpxStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = TimedBackend.connect_tcp

    connected = threading.Event()

    def refuse(visit: Visit) -> None:
        connected.wait(PATIENCE_S)
        visit.answer(status="408 Request Timeout")
        visit.reset()

    with ScriptedServer(refuse) as server, opened(stack) as session:

        def slow(*arguments: Any, **values: Any) -> CoreStream:
            stream = connect(*arguments, **values)
            connected.set()
            wait_for_visits(server, 1)
            server.visits[0].ended.wait(PATIENCE_S)
            return stream

        monkeypatch.setattr(TimedBackend, "connect_tcp", slow)
        [sample] = send(session, server.get(accept=(408,)))

    assert (
        min(known(sample.send_ns), known(sample.wait_ns), known(sample.receive_ns)) >= 0
    )
    assert known(client_ns(sample)) > 0
