"""What is outside of a sample: building the client, trust, and peers that are gone."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

import httpx
import pytest

from tests.support.records import known
from tests.support.servers import PATIENCE_S, ScriptedServer, opened, tls_pair
from tests.support.timed import MS, send, wait_for_visits
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.wire.connection import Connection
from vestbench.stacks.wire.stream import TimedStream


def test_building_the_client_is_not_in_the_sample(
    stack: HttpxStack, tls_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = httpx.Client.__init__

    def slow(*arguments: Any, **values: Any) -> None:
        time.sleep(0.05)
        build(*arguments, **values)

    monkeypatch.setattr(httpx.Client, "__init__", slow)
    with opened(stack) as session:
        built_ns = time.perf_counter_ns() - stack.facts.origin_ns
        [sample] = send(session, tls_server.get())
        after_ns = time.perf_counter_ns() - stack.facts.origin_ns

    assert session.build_ns >= 50 * MS
    assert built_ns <= sample.start_ns
    assert sample.start_ns + sample.latency_ns <= after_ns


def test_sessions_share_one_tls_context_that_is_built_once(
    tls_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = HttpxStack(tls_pair().ca_pem)
    used: list[ssl.SSLContext] = []
    start_tls = TimedStream.start_tls

    def note(stream: TimedStream, context: ssl.SSLContext, host: str | None) -> None:
        used.append(context)
        start_tls(stream, context, host)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a TLS context was built after the start")

    monkeypatch.setattr(TimedStream, "start_tls", note)
    monkeypatch.setattr(ssl, "create_default_context", refuse)
    monkeypatch.setattr(ssl.SSLContext, "__new__", refuse)
    for _ in range(3):
        with opened(stack) as session:
            send(session, tls_server.get())

    assert len(used) == 3
    assert len({id(context) for context in used}) == 1
    assert used[0].verify_mode is ssl.CERT_REQUIRED
    assert used[0].check_hostname


@pytest.mark.parametrize("ca_pem", ["", tls_pair().ca_pem], ids=["usual", "given"])
def test_certificates_are_verified_whatever_is_trusted(ca_pem: str) -> None:
    stack = HttpxStack(ca_pem)

    assert stack._context.verify_mode is ssl.CERT_REQUIRED
    assert stack._context.check_hostname
    assert known(stack.facts.tls_context_ns) > 0
    assert (stack.facts.default_context_ns is None) is (not ca_pem)


def test_a_connection_keeps_the_name_of_a_peer_that_is_gone() -> None:
    with ScriptedServer(lambda visit: visit.reset()) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with sock:
            wait_for_visits(server, 1)
            server.visits[0].ended.wait(PATIENCE_S)
            connection = Connection.made(1, sock, ("127.0.0.1", server.port))

    assert connection.remote == f"127.0.0.1:{server.port}"
    assert connection.local_port == server.visits[0].client_port
