"""The exchange as a process: the connections that it counts, and how they end.

All over real sockets on loopback.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import ssl
import time
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.exchange_sockets import GET, ask, client_context, connect
from tests.support.exchange_talk import Answering
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.certificates import Contexts
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.tls import TlsProtocol


def raw_end(stream: ssl.SSLSocket) -> closing[socket.socket]:
    """Return the socket under TLS, to see what the kernel does."""
    raw = socket.socket(fileno=os.dup(stream.fileno()))
    raw.settimeout(10.0)
    return closing(raw)


# Counted at the server.


def test_requests_on_one_connection_are_counted_there(
    exchange: ExchangeProcess,
) -> None:
    before = exchange.counters()

    with connect(exchange) as stream:
        answers = [ask(stream)[1] for _ in range(20)]
        during = exchange.counters()

    assert during.connections == before.connections + 1
    assert during.handshakes == before.handshakes + 1
    assert during.requests == before.requests + 20
    assert during.requests_per_connection[-1] == 20
    assert during.open_connections == before.open_connections + 1
    serial = str(len(during.requests_per_connection))
    assert {each["x-vestbench-connection"] for each in answers} == {serial}
    assert [each["x-vestbench-request"] for each in answers] == [
        str(n) for n in range(1, 21)
    ]


def test_a_pooling_client_uses_one_connection_and_an_unpooled_one_many(
    exchange: ExchangeProcess,
) -> None:
    headers = {"xrestservermm": "restserver3"}
    url, context = exchange.base_url("/v2/ticker/latest"), client_context(exchange)
    before = exchange.counters()

    with httpx.Client(verify=context, headers=headers, trust_env=False) as pooled:
        assert {pooled.get(url).status_code for _ in range(5)} == {200}
    between = exchange.counters()
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(
        verify=context, headers=headers, limits=limits, trust_env=False
    ) as unpooled:
        assert {unpooled.get(url).status_code for _ in range(5)} == {200}
    after = exchange.counters()

    assert between.connections - before.connections == 1
    assert after.connections - between.connections == 5
    assert after.requests_per_connection[-6:] == (5, 1, 1, 1, 1, 1)


def test_maximum_of_requests_gives_the_connections_that_arithmetic_says() -> None:
    spec = ExchangeSpec(processing_ms=0.0, max_requests=4)
    with ExchangeProcess(spec) as exchange:
        context = client_context(exchange)
        with httpx.Client(verify=context, trust_env=False) as client:
            url = exchange.base_url("/v1/system/time")
            assert {client.get(url).status_code for _ in range(10)} == {200}
        counters = exchange.counters()

    assert counters.requests_per_connection == (4, 4, 2)
    assert len(counters.requests_per_connection) == math.ceil(10 / 4)
    assert counters.closes["max_requests"] == 2


def test_idle_connection_is_closed_after_the_timeout_and_not_before() -> None:
    spec = ExchangeSpec(processing_ms=0.0, idle_timeout_s=0.15)
    with ExchangeProcess(spec) as exchange, connect(exchange) as stream:
        # What is idle begins after this, however late the answer is noticed here.
        begin_s = time.monotonic()
        ask(stream)
        assert stream.recv(1) == b""
        elapsed_s = time.monotonic() - begin_s
        counters = exchange.counters()

    assert elapsed_s >= 0.15
    assert counters.closes == {"idle": 1}
    assert counters.open_connections == 0


def test_connection_close_of_the_client_is_followed(exchange: ExchangeProcess) -> None:
    before = exchange.counters().closes.get("asked", 0)

    with connect(exchange) as stream:
        asking = GET.replace(b"Host: h", b"Host: h\r\nConnection: close")
        assert ask(stream, asking)[1]["connection"] == "close"
        assert stream.recv(1) == b""

    assert exchange.counters().closes["asked"] == before + 1


# On the wire.


def test_close_sends_close_notify_and_fin_without_waiting_for_the_client(
    exchange: ExchangeProcess,
) -> None:
    exchange.behave(Behaviour(after_response="fin"))
    with connect(exchange) as stream, raw_end(stream) as raw:
        assert ask(stream)[1]["connection"] == "close"
        raw.settimeout(1.0)  # it would be closed after 2 s in any case
        alert, end = raw.recv(1_024), raw.recv(1_024)

    # A record of TLS 1.3, which hides that it is an alert, and the end of the stream,
    # although the client has said nothing.
    assert alert[:3] == b"\x17\x03\x03"
    assert end == b""


def test_reset_is_a_reset(exchange: ExchangeProcess) -> None:
    exchange.behave(Behaviour(after_response="rst"))

    with connect(exchange) as stream, raw_end(stream) as raw:
        assert ask(stream)[0] == "HTTP/1.1 200 OK"
        # OpenSSL reports a reset as an end of file.
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


def test_bare_end_is_a_fin_without_close_notify(exchange: ExchangeProcess) -> None:
    exchange.behave(Behaviour(after_response="bare-fin"))

    with connect(exchange) as stream, raw_end(stream) as raw:
        assert "connection" not in ask(stream)[1]
        assert raw.recv(1_024) == b""


@pytest.mark.parametrize("how", ["fin", "bare-fin", "rst"])
def test_idle_connection_ends_on_the_wire_as_told(how: Any) -> None:
    spec = ExchangeSpec(processing_ms=0.0, idle_timeout_s=1.0)
    behaviour = Behaviour(idle_close=how)
    with (
        ExchangeProcess(spec, behaviour=behaviour) as exchange,
        connect(exchange) as stream,
        raw_end(stream) as raw,
    ):
        ask(stream)
        if how == "rst":
            with pytest.raises(ConnectionResetError):
                raw.recv(1_024)
        else:
            seen = [raw.recv(1_024)[:3]]
            seen += [raw.recv(1_024)] if seen[0] else []
            # A record of TLS 1.3, which hides that it is an alert.
            assert seen == [b"\x17\x03\x03", b""][how != "fin" :]
        counters = exchange.counters()

    assert counters.closes == {"idle": 1}


@pytest.mark.parametrize("how", ["fin", "bare-fin", "rst"])
def test_request_in_the_race_with_the_end_gets_the_end(
    exchange: ExchangeProcess, how: Any
) -> None:
    # Long enough that the request is there before the end, however busy the machine.
    behaviour = Behaviour(after_response=how, announce=False, close_delay_ms=1_000.0)
    exchange.behave(behaviour)
    before = exchange.counters()

    with connect(exchange) as stream:
        assert "connection" not in ask(stream)[1]
        if how == "fin":
            stream.sendall(GET)
            assert stream.recv(1) == b""
        else:
            with pytest.raises(OSError, match=r"EOF|reset"):
                ask(stream)
    after = exchange.counters()

    assert after.requests == before.requests + 1
    assert after.closes["behaviour"] == before.closes.get("behaviour", 0) + 1


def test_close_unanswered_reads_the_request_and_says_nothing(
    exchange: ExchangeProcess,
) -> None:
    exchange.behave(Behaviour(after_response="close-unanswered"))
    before = exchange.counters().requests

    with connect(exchange) as stream:
        stream.sendall(GET)
        assert stream.recv(1) == b""

    assert exchange.counters().requests == before + 1


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour(garbage=True), httpx.RemoteProtocolError),
        (Behaviour(after_response="close-unanswered"), httpx.RemoteProtocolError),
        (Behaviour(stall=True), httpx.ReadTimeout),
    ],
    ids=["garbage", "close-unanswered", "stall"],
)
def test_a_real_client_sees_each_fault_as_what_it_is(
    exchange: ExchangeProcess, behaviour: Behaviour, error: type[Exception]
) -> None:
    exchange.behave(behaviour)
    context = client_context(exchange)

    with (
        httpx.Client(verify=context, timeout=0.2, trust_env=False) as client,
        pytest.raises(error),
    ):
        client.get(exchange.base_url("/v1/system/time"))


@pytest.mark.parametrize(
    "behaviour", [Behaviour(chunked=True), Behaviour(trickle_ms=1.0)]
)
def test_a_real_client_reads_every_encoding_of_the_body(
    exchange: ExchangeProcess, behaviour: Behaviour
) -> None:
    exchange.behave(behaviour)

    with httpx.Client(verify=client_context(exchange), trust_env=False) as client:
        answer = client.get(exchange.base_url("/v1/system/time"))

    assert set(answer.json()) == {"server_time"}


def test_status_and_retry_after_can_be_asked_for(exchange: ExchangeProcess) -> None:
    exchange.behave(Behaviour(status=429, retry_after_s=2))

    with connect(exchange) as stream:
        first, headers = ask(stream)

    assert first == "HTTP/1.1 429 Too Many Requests"
    assert headers["retry-after"] == "2"


def test_large_refused_body_still_gets_its_answer(exchange: ExchangeProcess) -> None:
    body = b"x" * 3_000_000

    with httpx.Client(verify=client_context(exchange), trust_env=False) as client:
        answer = client.post(exchange.base_url("/v2/account"), content=body)

    assert (answer.status_code, answer.json()["code"]) == (413, 413)


def test_slow_reader_gets_all_of_its_responses_before_the_close(
    exchange: ExchangeProcess,
) -> None:
    trades = GET.replace(b"/exchangeInfo", b"/trades?symbol=BTC-PERP")
    last = trades.replace(b"Host: h", b"Host: h\r\nConnection: close")

    with connect(exchange) as stream:
        stream.sendall(trades * 39 + last)
        # 4 MB: more than the kernel takes, so the exchange has to wait for the client.
        received = bytearray()
        while data := stream.recv(65_536):
            received += data

    assert received.count(b"HTTP/1.1 200 OK") == 40
    assert received.endswith(b"}]")


def test_garbage_before_the_handshake_harms_nobody(exchange: ExchangeProcess) -> None:
    before = exchange.counters()

    with socket.create_connection((exchange.host, exchange.port), 10.0) as tcp:
        tcp.sendall(GET)
        while tcp.recv(1_024):
            pass
    with connect(exchange) as stream:
        assert ask(stream)[0] == "HTTP/1.1 200 OK"

    after = exchange.counters()
    assert after.connections == before.connections + 2
    assert after.handshakes == before.handshakes + 1


def test_nagle_is_off_on_accepted_sockets_even_if_asyncio_did_not_make_them() -> None:
    contexts = Contexts(ExchangeSpec(tls="1.3"))
    trusting = ssl.create_default_context(cadata=contexts.ca_pem)
    accepted: list[TlsProtocol] = []

    async def nodelay() -> list[int]:
        loop = asyncio.get_running_loop()
        service = Service(application=Answering(_never), timers=loop)

        def accept() -> TlsProtocol:
            accepted.append(TlsProtocol(service, contexts.take()))
            return accepted[-1]

        listener = socket.create_server(("127.0.0.1", 0))
        server = await loop.create_server(accept, sock=listener)
        _, writer = await asyncio.open_connection(
            *listener.getsockname(), ssl=trusting, server_hostname="localhost"
        )
        option = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
        values = [each._socket.getsockopt(*option) for each in accepted]
        writer.transport.abort()
        server.close()
        await server.wait_closed()
        return values

    values = asyncio.run(nodelay())

    assert len(values) == 1
    assert values[0] != 0


def _never(_: Any) -> Any:
    raise AssertionError("nothing was asked")
