"""The exchange as a process: TLS, real sockets on loopback, and its life and death.

Clients are `ssl` and raw sockets, so that each byte and each way of closing is seen.
Connections and requests are counted at the server.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.exchange_client import Client
from tests.support.machine import demand
from tests.support.paths import ROOT
from vestbench.errors import LabError
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import Behaviour, ExchangeProcess, Spawner
from vestbench.simulator.http.certificates import Contexts, ServerTls
from vestbench.simulator.http.server import Exchange
from vestbench.simulator.http.service import Service
from vestbench.simulator.http.tls import TlsProtocol

GET = b"GET /v2/exchangeInfo HTTP/1.1\r\nHost: h\r\nxrestservermm: restserver0\r\n\r\n"
FAST = ExchangeSpec(processing_ms=0.0)


@pytest.fixture(scope="module")
def shared() -> Iterator[ExchangeProcess]:
    """One exchange for the tests that leave it as it was."""
    with ExchangeProcess(FAST) as process:
        yield process


@pytest.fixture
def exchange(shared: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield shared
    shared.behave(Behaviour())


def client_context(exchange: ExchangeProcess) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=exchange.ca_pem)


def connect(
    exchange: ExchangeProcess,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> ssl.SSLSocket:
    tcp = socket.create_connection((exchange.host, exchange.port), timeout=10.0)
    # An end without close_notify must not pass for an end in good order.
    return (context or client_context(exchange)).wrap_socket(
        tcp,
        server_hostname="127.0.0.1",
        session=session,
        suppress_ragged_eofs=False,
    )


def ask(stream: ssl.SSLSocket, request: bytes = GET) -> tuple[str, dict[str, str]]:
    """Send a request, read the whole response, return its first line and headers."""
    stream.sendall(request)
    data = stream.recv(65_536)
    head, end, body = data.partition(b"\r\n\r\n")
    assert end
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    # The record that holds the head holds the body too.
    assert len(body) == int(headers["content-length"])
    return first, headers


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
    contexts = Contexts(ServerTls(version="1.3"))
    trusting = ssl.create_default_context(cadata=contexts.ca_pem)
    accepted: list[TlsProtocol] = []

    async def nodelay() -> list[int]:
        loop = asyncio.get_running_loop()
        service = Service(respond=_never, timers=loop)

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


# TLS.


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


# Life and death of the process.


def start_and_note(pids: list[int]) -> Spawner:
    """Start it as the lab does: under the number that argv names."""

    def spawn(argv: Sequence[str], fds: Mapping[int, int]) -> Any:
        ((child, parent),) = fds.items()
        assert argv[-2:] == ["--control-fd", str(child)]
        become = "import os, sys; os.dup2(int(sys.argv[1]), int(sys.argv[2])); "
        become += "os.execv(sys.argv[3], sys.argv[3:])"
        process = subprocess.Popen(
            [sys.executable, "-c", become, str(parent), str(child), *argv],
            pass_fds=(parent,),
        )
        pids.append(process.pid)
        return _Started(process)

    return spawn


class _Started:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.kill = process.kill

    def wait(self, timeout_s: float) -> int | None:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def eventually(true: Callable[[], bool], within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def test_stop_closes_in_good_order_and_leaves_no_process() -> None:
    pids: list[int] = []
    exchange = ExchangeProcess(FAST, spawn=start_and_note(pids))
    with connect(exchange) as stream:
        ask(stream)
        exchange.stop()
        assert stream.recv(1) == b""

    exchange.stop()
    assert not Path(f"/proc/{pids[0]}").exists()
    with pytest.raises(LabError, match="was stopped"):
        exchange.counters()


def test_ctrl_c_is_the_parents_business() -> None:
    pids: list[int] = []
    with ExchangeProcess(FAST, spawn=start_and_note(pids)) as exchange:
        os.kill(pids[0], signal.SIGINT)

        assert exchange.counters().requests == 0


def test_killed_exchange_is_reported_in_one_line_and_can_be_stopped() -> None:
    pids: list[int] = []
    with ExchangeProcess(FAST, spawn=start_and_note(pids)) as exchange:
        os.kill(pids[0], signal.SIGKILL)

        with pytest.raises(LabError) as caught:
            exchange.counters()

    assert "\n" not in str(caught.value)
    assert not is_running(pids[0])


def test_killed_parent_takes_the_exchange_with_it() -> None:
    script = (
        "from vestbench.model.simulated import ExchangeSpec\n"
        "from vestbench.simulator.exchange_process import ExchangeProcess\n"
        "exchange = ExchangeProcess(ExchangeSpec())\n"
        "print(exchange.port, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip().isdigit()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
        (child,) = map(int, children.split())
        assert is_running(child)
        parent.kill()

    assert eventually(lambda: not is_running(child))


def test_port_in_use_is_one_line_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(LabError, match=f"port {port} .* in use") as caught:
            ExchangeProcess(ExchangeSpec(port=port))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ExchangeSpec(tls="1.1"), "tls 1.1"),
        (ExchangeSpec(host="192.0.2.1"), "192.0.2.1"),
        (ExchangeSpec(names=("not a name",)), "not a name|Codepoint"),
    ],
    ids=["TLS version", "foreign address", "name"],
)
def test_impossible_exchange_is_refused_in_one_line(
    spec: ExchangeSpec, said: str
) -> None:
    with pytest.raises(LabError, match=said) as caught:
        ExchangeProcess(spec)

    assert "\n" not in str(caught.value)


def test_program_that_does_not_start_is_a_lab_error() -> None:
    def spawn(argv: Sequence[str], fds: Mapping[int, int]) -> Any:
        raise FileNotFoundError("no such program")

    with pytest.raises(LabError, match="no such program"):
        ExchangeProcess(FAST, spawn=spawn)


def test_program_that_ends_at_once_is_a_lab_error() -> None:
    def spawn(argv: Sequence[str], fds: Mapping[int, int]) -> Any:
        return _Started(subprocess.Popen([sys.executable, "-c", "pass"]))

    with pytest.raises(LabError, match="ended unexpectedly"):
        ExchangeProcess(FAST, spawn=spawn)


def test_orders_take_the_time_that_they_are_given_signature_and_all() -> None:
    spec = ExchangeSpec(processing_ms=0.0, order_processing_ms=150.0)
    with ExchangeProcess(spec) as exchange:
        client = Client()
        client.now_ms = time.time_ns() // 1_000_000
        context = client_context(exchange)
        with httpx.Client(verify=context, trust_env=False) as http:
            url, routed = exchange.base_url(), {"xrestservermm": "restserver0"}
            answer = http.post(f"{url}/register", json=client.proof(), headers=routed)
            given = answer.json()
            headers = {
                "xrestservermm": f"restserver{given['accGroup']}",
                "X-API-KEY": given["apiKey"],
            }
            # What is slow for the signature is slow each time, a busy machine is not.
            taken_s: list[float] = []
            while len(taken_s) < 20 and min(taken_s, default=1.0) >= 0.160:
                body = client.order()
                begin = time.perf_counter()
                answer = http.post(f"{url}/orders", json=body, headers=headers)
                taken_s.append(time.perf_counter() - begin)
                assert answer.status_code == 200
            quick_s: list[float] = []
            while len(quick_s) < 20 and min(quick_s, default=1.0) >= 0.100:
                begin = time.perf_counter()
                listed = http.get(f"{url}/orders?time=1", headers=headers)
                quick_s.append(time.perf_counter() - begin)

    assert len(listed.json()) == len(taken_s)
    assert min(taken_s) >= 0.150
    demand(min(taken_s) < 0.160, f"an order of 150 ms took {min(taken_s):.3f} s")
    demand(min(quick_s) < 0.100, f"a list took {min(quick_s):.3f} s")


def test_parent_side_does_not_import_the_servers_libraries() -> None:
    code = (
        "import sys, vestbench.simulator.exchange_process\n"
        "heavy = {'asyncio', 'ssl', 'trustme', 'cryptography', 'numpy', 'httpx'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )

    assert (found.stderr, found.returncode) == ("", 0)


def test_exchange_is_silent() -> None:
    code = (
        "from vestbench.model.simulated import ExchangeSpec\n"
        "from vestbench.simulator.exchange_process import ExchangeProcess\n"
        "import socket\n"
        "with ExchangeProcess(ExchangeSpec()) as exchange:\n"
        "    for data in (b'', b'x', bytes(600)):\n"
        "        address = (exchange.host, exchange.port)\n"
        "        socket.create_connection(address).sendall(data)\n"
    )

    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)

    assert (said.stdout, said.stderr) == (b"", b"")


def test_ipv6_address_is_bracketed_in_the_url() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on loopback")
    with ExchangeProcess(ExchangeSpec(host="::1")) as exchange:
        context = client_context(exchange)
        with httpx.Client(verify=context, trust_env=False) as client:
            url = exchange.base_url("/v1/system/time")
            assert client.get(url).status_code == 200

    assert url.startswith("https://[::1]:")


def test_unknown_command_is_an_error_and_not_the_end() -> None:
    async def answer() -> dict[str, Any]:
        exchange = Exchange(ExchangeSpec(), Behaviour())
        return exchange.answer({"do": "dance"})

    assert asyncio.run(answer()) == {"error": "unknown command dance"}
