"""Whatever is sent, the exchange answers with something documented and goes on."""

from __future__ import annotations

import json
import random
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.exchange_client import NOW_MS, Client, code
from tests.support.paths import ROOT
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.simulator.vest.answers import ErrorCode

MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
POSTS = ["/register", "/account/leverage", "/orders", "/orders/cancel"]
DOCUMENTED = {*map(int, ErrorCode)}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["BTC-PERP", "LIMIT", "MARKET", "GTC", "0x", "1.0000", NOW_MS]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = ["time", "nonce", "symbol", "isBuy", "size", "orderType", "limitPrice"]
NAMES += ["reduceOnly", "timeInForce", "id"]


@pytest.fixture
def client() -> Client:
    return Client().register()


def refused(answer: tuple[int, Any]) -> bool:
    """Say whether an answer is a documented error; nothing else but success is."""
    if answer[0] == 200:
        return False
    assert code(answer) in DOCUMENTED
    return True


@pytest.mark.parametrize("path", POSTS)
@MANY
@given(body=st.binary(max_size=200))
def test_random_bytes_are_a_documented_error(
    client: Client, path: str, body: bytes
) -> None:
    assert code(client.ask("POST", path, body)) == 1130


@pytest.mark.parametrize("path", POSTS)
@MANY
@given(body=JSON)
def test_any_json_is_a_documented_error(client: Client, path: str, body: Any) -> None:
    assert refused(client.ask("POST", path, body))


@pytest.mark.parametrize("path", ["/orders", "/orders/cancel"])
@MANY
@given(changes=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=3))
def test_any_value_in_any_field_of_an_order_is_a_documented_answer(
    client: Client, path: str, changes: dict[str, Any]
) -> None:
    body = client.order() if path == "/orders" else client.cancellation("0x1")
    body["order"] = {**body["order"], **changes}

    refused(client.ask("POST", path, body))


@MANY
@given(
    changes=st.dictionaries(
        st.sampled_from(["signingAddr", "primaryAddr", "signature", "expiryTime"])
        | st.sampled_from(["networkType", "more"]),
        JSON,
        max_size=2,
    )
)
def test_any_value_in_any_field_of_a_registration_is_a_documented_answer(
    client: Client, changes: dict[str, Any]
) -> None:
    refused(client.ask("POST", "/register", {**client.proof(), **changes}))


@MANY
@given(
    path=st.sampled_from(["/orders", "/account", "/account/nonce", "/depth"]),
    query=st.dictionaries(
        st.sampled_from([*NAMES, "status", "startTime", "endTime", "limit"]),
        st.text() | st.integers().map(str),
    ),
)
def test_any_query_is_a_documented_answer(
    client: Client, path: str, query: dict[str, Any]
) -> None:
    refused(client.ask("GET", path, None, **query))


@MANY
@given(
    headers=st.dictionaries(
        st.sampled_from(["x-api-key", "xrestservermm", "content-type"]),
        st.text(st.characters(max_codepoint=255)),
    )
)
def test_any_header_is_a_documented_answer(
    client: Client, headers: dict[str, str]
) -> None:
    refused(client.ask("POST", "/orders", client.order(), headers=headers))


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "", "json", "application/xml"],
)
def test_wrong_content_type_is_1130(client: Client, kind: str) -> None:
    headers = {"content-type": kind}

    answer = client.ask("POST", "/orders", client.order(), headers=headers)

    assert code(answer) == 1130
    assert client.listed() == []


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"],
)
def test_every_way_to_say_json_is_understood(client: Client, kind: str) -> None:
    headers = {"content-type": kind}

    assert client.ask("POST", "/orders", client.order(), headers=headers)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}x",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"time":' + b"9" * 100_000 + b"}",
        b'{"time":NaN}',
        b'{"time":-Infinity}',
        b'{"order":{"id":"\\ud800"}}',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"null",
        b'"order"',
        b"[]",
        b"0",
    ],
    ids=lambda body: repr(body[:16]),
)
@pytest.mark.parametrize("path", POSTS)
def test_malformed_json_is_a_documented_error(
    client: Client, path: str, body: bytes
) -> None:
    assert code(client.ask("POST", path, body)) in (1024, 1130, 1131)


# The process.


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    spec = ExchangeSpec(processing_ms=0.0, idle_timeout_s=1.0)
    with ExchangeProcess(spec) as process:
        yield process


def connect(exchange: ExchangeProcess) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=exchange.ca_pem)
    tcp = socket.create_connection((exchange.host, exchange.port), timeout=10.0)
    return context.wrap_socket(tcp, server_hostname="127.0.0.1")


def answers(stream: ssl.SSLSocket) -> bytes:
    """Return all that is sent until the exchange closes."""
    received = bytearray()
    with suppress(OSError):  # a reset is an end too
        while data := stream.recv(65_536):
            received += data
    return bytes(received)


def post(path: str, body: bytes, *lines: str) -> bytes:
    head = [f"POST /v2{path} HTTP/1.1", "Host: h", "xrestservermm: restserver0"]
    head += [f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")


def codes(data: bytes) -> list[int]:
    """Return the code of each answer, all of which are errors in documented form."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status = STATUS.match(head)
        assert status is not None
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        error, data = json.loads(rest[:length]), rest[length:]
        assert set(error) == {"code", "msg"}
        assert error["code"] in {*DOCUMENTED, int(status[1])}
        found.append(error["code"])
    return found


def test_bounded_fuzz_run_over_the_wire(exchange: ExchangeProcess) -> None:
    rng = random.Random(20_261_122)
    whole = post("/orders", json.dumps({"order": {}}).encode())
    pieces = [b"\r\n", b"{", b"}", b'"', b"\x00", b"POST ", b"/v2/register ", b"\xff"]
    for number in range(150):
        data = bytearray(whole * rng.randrange(1, 4))
        for _ in range(rng.randrange(1, 8)):
            place = rng.randrange(len(data))
            choice = rng.randrange(4)
            if choice == 0:
                data[place] = rng.randrange(256)
            elif choice == 1:
                del data[place : place + rng.randrange(1, 20)]
            elif choice == 2:
                data[place:place] = rng.choice(pieces)
            else:
                data[place:place] = rng.randbytes(rng.randrange(1, 40))
            if not data:
                data += b"x"
        with connect(exchange) as stream:
            try:
                stream.sendall(bytes(data))
                stream.unwrap() if number % 3 == 0 else None
            except OSError:
                continue  # it has closed already
            if number % 3:
                stream.settimeout(0.02)
                try:
                    received = stream.recv(65_536)
                except TimeoutError:
                    continue  # it waits for the rest
                except OSError:
                    continue
                codes(received)

    assert exchange.counters().requests > 0
    with connect(exchange) as stream:
        stream.sendall(post("/register", b"{}", "Connection: close"))
        assert codes(answers(stream)) == [1130]


@pytest.mark.parametrize("path", POSTS)
def test_huge_body_is_refused_and_the_exchange_goes_on(
    exchange: ExchangeProcess, path: str
) -> None:
    with connect(exchange) as stream:
        with suppress(OSError):  # it may stop listening
            stream.sendall(post(path, b" " * 3_000_000))
        found = codes(answers(stream))

    assert found == [413]
    assert exchange.counters().closes["error"] >= 1


def test_largest_body_that_is_read_is_refused_as_what_it_says(
    exchange: ExchangeProcess,
) -> None:
    with connect(exchange) as stream:
        stream.sendall(post("/register", b"[" * 1_000_000, "Connection: close"))

        assert codes(answers(stream)) == [1130]


def test_slow_body_is_given_up_without_holding_anybody_up(
    exchange: ExchangeProcess,
) -> None:
    with connect(exchange) as slow, connect(exchange) as other:
        slow.sendall(post("/orders", b"{" * 100)[:-50])
        begin = time.monotonic()
        other.sendall(post("/register", b"{}", "Connection: close"))
        assert codes(answers(other)) == [1130]
        quick_s = time.monotonic() - begin
        assert codes(answers(slow)) == [408]

    assert quick_s < 1.0  # of the idle timeout that the slow one has


def test_signed_requests_through_the_process_and_nothing_is_said() -> None:
    """Registers, is refused, is reset and stalled, and not a word is printed."""
    script = (
        "import json, socket, ssl, sys, time\n"
        "from tests.support.exchange_client import Client\n"
        "from tests.simulator.test_exchange_fuzz import connect, post\n"
        "from vestbench.model.simulated import ExchangeSpec\n"
        "from vestbench.simulator.exchange_process import ExchangeProcess\n"
        "from vestbench.simulator.http.behaviour import Behaviour\n"
        "client = Client()\n"
        "client.now_ms = time.time_ns() // 1_000_000\n"
        "with ExchangeProcess(ExchangeSpec()) as exchange:\n"
        "    for faults in ({}, {'fault_reset': 1.0}, {'fault_5xx': 1.0}):\n"
        "        exchange.behave(Behaviour(**faults))\n"
        "        for body in (client.proof(), client.proof(networkType=1), {}):\n"
        "            with connect(exchange) as stream:\n"
        "                stream.sendall(post('/register', json.dumps(body).encode()))\n"
        "                try:\n"
        "                    stream.recv(65536)\n"
        "                except OSError:\n"
        "                    pass\n"
        "    assert exchange.counters().requests == 9\n"
    )

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True)

    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ExchangeSpec(contract="test"), "contract test is not one of"),
        (ExchangeSpec(rate_limit=-1.0), "rate_limit must not be negative"),
    ],
)
def test_impossible_specification_is_refused_in_one_line(
    spec: ExchangeSpec, said: str
) -> None:
    from vestbench.errors import LabError

    with pytest.raises(LabError, match=said) as caught:
        ExchangeProcess(spec)

    assert "\n" not in str(caught.value)


def test_faults_by_chance_reach_the_process(exchange: ExchangeProcess) -> None:
    exchange.behave(Behaviour(fault_5xx=1.0, seed=5))
    try:
        with connect(exchange) as stream:
            stream.sendall(post("/register", b"{}", "Connection: close"))
            (found,) = codes(answers(stream))
    finally:
        exchange.behave(Behaviour())

    assert found in (500, 502, 503, 504)
