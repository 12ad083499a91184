"""The exchange as a process: TLS."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing

import pytest

from tests.support.exchange_sockets import ask, client_context, connect
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_only_the_specified_version_is_spoken_and_sessions_resume(
    version: str,
) -> None:
    spec = ExchangeSpec(processing_ms=0.0, tls=version)
    with ExchangeProcess(spec) as exchange:
        context = client_context(exchange)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with connect(exchange, context) as first:
            full = ask(first)[1]
            session = first.session
            assert first.version() == f"TLSv{version}"
            assert first.selected_alpn_protocol() == "http/1.1"
        with connect(exchange, context, session) as second:
            resumed = ask(second)[1]
            assert second.session_reused
        with connect(exchange, context) as third:
            ask(third)
        other = client_context(exchange)
        if version == "1.3":
            other.maximum_version = ssl.TLSVersion.TLSv1_2
        else:
            other.minimum_version = ssl.TLSVersion.TLSv1_3
        with pytest.raises(ssl.SSLError):
            connect(exchange, other)
        counters = exchange.counters()

    assert full["x-vestbench-resumed"] == "0"
    assert resumed["x-vestbench-resumed"] == "1"
    assert (counters.connections, counters.handshakes) == (4, 3)
    assert counters.resumed == 1


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_without_tickets_no_session_resumes(version: str) -> None:
    spec = ExchangeSpec(processing_ms=0.0, tls=version, tickets=False)
    with ExchangeProcess(spec) as exchange:
        context = client_context(exchange)
        with connect(exchange, context) as first:
            ask(first)
            session = first.session
        reused = []
        for _ in range(3):  # more than are made beforehand
            with connect(exchange, context, session) as again:
                reused.append(ask(again)[1]["x-vestbench-resumed"])
        counters = exchange.counters()

    assert reused == ["0", "0", "0"]
    assert (counters.handshakes, counters.resumed) == (4, 0)


def test_leaf_is_not_the_authority_and_is_valid_for_the_names_asked_for() -> None:
    names = ("10.55.0.1", "exchange.test")
    with ExchangeProcess(ExchangeSpec(names=names)) as exchange:
        context = client_context(exchange)
        for name in (*names, "localhost", "127.0.0.1", "::1"):
            tcp = socket.create_connection((exchange.host, exchange.port), 10.0)
            with context.wrap_socket(tcp, server_hostname=name) as stream:
                leaf = stream.getpeercert()
        tcp = socket.create_connection((exchange.host, exchange.port), 10.0)
        with closing(tcp), pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(tcp, server_hostname="elsewhere.test")

    assert leaf is not None
    assert leaf["subject"] != leaf["issuer"]
