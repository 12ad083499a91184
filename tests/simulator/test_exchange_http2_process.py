"""HTTP/2 of the exchange over sockets, by httpx and curl.

Their libraries of HTTP/2 owe nothing to one another.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.command import vestbench
from tests.support.http2_talk import PREFACE, SETTINGS
from vestbench.errors import UsageError
from vestbench.model.run import Exchange
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator import exchange_process
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.http.request_reader import (
    MAX_BODY_BYTES,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[ExchangeProcess]:
    with ExchangeProcess(ExchangeSpec(processing_ms=0.0, http2=True)) as process:
        yield process


@pytest.fixture
def exchange(shared: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield shared
    shared.behave(Behaviour())


def client_context(exchange: ExchangeProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=exchange.ca_pem)


def client(exchange: ExchangeProcess, **options: Any) -> httpx.Client:
    options = {"http2": True, "timeout": 20.0, **options}
    return httpx.Client(verify=client_context(exchange), trust_env=False, **options)


def test_httpx_speaks_http_2_over_one_connection(exchange: ExchangeProcess) -> None:
    before = exchange.counters()
    url = exchange.base_url("/v1/system/time")

    with client(exchange) as session:
        answers = [session.get(url) for _ in range(20)]
    after = exchange.counters()

    assert {each.http_version for each in answers} == {"HTTP/2"}
    assert [each.extensions["stream_id"] for each in answers] == list(range(1, 41, 2))
    assert [each.headers["x-vestbench-request"] for each in answers] == [
        str(n) for n in range(1, 21)
    ]
    assert after.connections - before.connections == 1
    assert after.requests_per_connection[-1] == 20


def test_client_that_offers_http_1_1_only_gets_it(exchange: ExchangeProcess) -> None:
    with client(exchange, http2=False) as session:
        answer = session.get(exchange.base_url("/v1/system/time"))

    assert answer.http_version == "HTTP/1.1"


def test_maximum_of_requests_gives_the_connections_that_arithmetic_says() -> None:
    spec = ExchangeSpec(processing_ms=0.0, http2=True, max_requests=4)
    with ExchangeProcess(spec) as process:
        with client(process) as session:
            url = process.base_url("/v1/system/time")
            assert {session.get(url).status_code for _ in range(10)} == {200}
        counters = process.counters()

    assert counters.requests_per_connection == (4, 4, 2)
    assert counters.closes["max_requests"] == 2


def test_routing_header_and_rate_limit_are_those_of_http_1_1() -> None:
    spec = ExchangeSpec(processing_ms=0.0, http2=True, rate_limit=2.0)
    with ExchangeProcess(spec) as process, client(process) as session:
        url = process.base_url("/v2/exchangeInfo")
        malformed = session.get(url, headers={"xrestservermm": "x"})
        answers = [session.get(url) for _ in range(20)]

    assert (malformed.status_code, malformed.json()["code"]) == (400, 1146)
    limited = [each for each in answers if each.status_code == 429]
    assert limited
    assert {each.json()["code"] for each in limited} == {1003}
    assert {each.headers["retry-after"] for each in limited} == {"1"}


def test_large_refused_body_still_gets_its_answer(exchange: ExchangeProcess) -> None:
    body = b"x" * (MAX_BODY_BYTES + 100_000)

    with client(exchange) as session:
        answer = session.post(exchange.base_url("/v2/orders"), content=body)

    assert (answer.status_code, answer.json()["code"]) == (413, 413)


def curl_with_http_2() -> str:
    """Return the path of a curl that has HTTP/2; skip the test without one."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    said = subprocess.run([curl, "-V"], capture_output=True, text=True, check=True)
    if "HTTP2" not in said.stdout:
        pytest.skip("this curl has no HTTP/2")
    return curl


def test_curl_speaks_http_2_over_one_connection(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_text(exchange.ca_pem)
    url = exchange.base_url("/v1/system/time")
    before = exchange.counters()

    options = ["-sS", "--http2", "--cacert", str(trusted), "--max-time", "20"]
    shown = ["-w", "%{http_version} %{http_code} %header{x-vestbench-request}\n"]
    thrice = ["-o", "/dev/null", url] * 3
    done = subprocess.run(
        [curl_with_http_2(), *options, *shown, *thrice],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split("\n")[:3] == ["2 200 1", "2 200 2", "2 200 3"]
    after = exchange.counters()
    assert after.connections - before.connections == 1
    assert after.requests_per_connection[-1] == 3


def test_garbage_after_the_handshake_harms_nobody(exchange: ExchangeProcess) -> None:
    context = client_context(exchange)
    context.set_alpn_protocols(["h2"])
    rng = random.Random(7)

    for _ in range(10):
        tcp = socket.create_connection((exchange.host, exchange.port), timeout=10.0)
        with context.wrap_socket(tcp, server_hostname="127.0.0.1") as stream:
            stream.sendall(PREFACE + rng.randbytes(300))
            while stream.recv(65_536):
                pass

    with client(exchange) as session:
        url = exchange.base_url("/v1/system/time")
        assert session.get(url).http_version == "HTTP/2"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_sessions_resume_with_http_2(version: str) -> None:
    spec = ExchangeSpec(processing_ms=0.0, http2=True, tls=version)
    with ExchangeProcess(spec) as process:
        context = client_context(process)
        context.set_alpn_protocols(["h2"])

        def handshake(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
            tcp = socket.create_connection((process.host, process.port), 10.0)
            with context.wrap_socket(
                tcp, server_hostname="127.0.0.1", session=session
            ) as stream:
                assert stream.selected_alpn_protocol() == "h2"
                stream.sendall(PREFACE + SETTINGS)
                stream.recv(65_536)  # and, of TLS 1.3, the tickets
                return stream.session

        handshake(handshake(None))
        counters = process.counters()

    assert (counters.handshakes, counters.resumed) == (2, 1)


def test_websocket_is_asked_for_over_http_1_1_only(exchange: ExchangeProcess) -> None:
    with client(exchange) as session:
        answer = session.get(exchange.base_url("/ws-api?version=1.0"))

    assert (answer.http_version, answer.status_code) == ("HTTP/2", 400)
    assert "over HTTP/1.1" in answer.json()["msg"]


def test_exchange_imports_no_library_of_what_it_does_not_speak() -> None:
    script = (
        "import sys, vestbench.simulator.exchange, "
        "vestbench.simulator.exchange_process; "
        "names = ('h2', 'hpack', 'hyperframe', 'wsproto'); "
        "print([n for n in names if n in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_missing_extra_is_one_line_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_process, "find_spec", lambda name: None)

    with pytest.raises(UsageError, match=r"pip install 'vestbench\[http2\]'") as caught:
        ExchangeProcess(ExchangeSpec(http2=True))

    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_missing_extra_is_refused_before_anything_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_process, "find_spec", lambda name: None)

    result = vestbench("serve", "--port", "0", "--rtt", "10ms", "--http2")

    assert result.exit_code == 2
    assert "vestbench[http2]" in result.stderr
    assert result.stderr.count("\n") == 1


def test_serve_offers_http_2() -> None:
    command = [sys.executable, "-m", "vestbench", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--processing", "0ms", "--http2", "--json"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
            context = ssl.create_default_context(cafile=said["ca_file"])
            with httpx.Client(verify=context, http2=True, trust_env=False) as session:
                url = said["base_url"].replace("/v2", "/v1/system/time")
                answer = session.get(url, timeout=20.0)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)

    assert (answer.http_version, answer.status_code) == ("HTTP/2", 200)
    assert process.returncode == 0


def test_stored_facts_tell_exchanges_apart_and_fit_older_runs() -> None:
    plain = Exchange.like(ExchangeSpec()).stored()

    assert set(plain) == {"tls", "processing_ms", "idle_timeout_s", "max_requests"}
    assert Exchange.like(ExchangeSpec(http2=True)).stored() == {**plain, "http2": True}
    without = Exchange.like(ExchangeSpec(tickets=False)).stored()
    assert without == {**plain, "tickets": False}
