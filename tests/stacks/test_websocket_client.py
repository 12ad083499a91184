"""A client's WebSocket beside its pool, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.exchange_sockets import FAST
from tests.support.loopback_venue import be_websocket
from tests.support.servers import SLOT, Script, ScriptedServer, Visit, plan, tls_pair
from vestbench.model.request import (
    Failure,
    FailureKind,
    Outcome,
    RequestSpec,
    Sample,
    Subscription,
)
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack

SUBSCRIBE = json.dumps({"method": "SUBSCRIBE", "params": ["tickers"], "id": 1})


def wanted(*, query: str = "", event: str = '"channel"') -> Subscription:
    return Subscription(
        query=query, words=(SUBSCRIBE,), greeting='"channel"', event=event
    )


def spec(base: str, path: str = "/ws-api?version=1.0") -> RequestSpec:
    url = f"{base}{path}&xwebsocketserver=restserver0"
    return RequestSpec(endpoint="websocket", method="GET", url=url, accept=(101,))


@pytest.fixture(scope="module")
def running() -> Iterator[ExchangeProcess]:
    with ExchangeProcess(FAST) as process:
        yield process


@pytest.fixture
def exchange(running: ExchangeProcess) -> Iterator[ExchangeProcess]:
    yield running
    running.behave(Behaviour())


@pytest.fixture
def session(exchange: ExchangeProcess) -> Iterator[HttpxSession]:
    with closing(HttpxStack(exchange.ca_pem).open(plan())) as found:
        yield found


def test_websocket_is_a_sample_with_its_phases_and_its_first_event(
    exchange: ExchangeProcess, session: HttpxSession
) -> None:
    before = exchange.counters()
    outcome, event = session.listen(spec(exchange.base_url("")), SLOT, wanted())
    after = exchange.counters()

    assert isinstance(outcome, Sample)
    assert (outcome.status, outcome.reused, outcome.opened) == (101, False, 1)
    phases = (outcome.connect_ns, outcome.tls_ns, outcome.send_ns, outcome.wait_ns)
    assert all(ns is not None and ns > 0 for ns in phases)
    assert sum(ns or 0 for ns in phases) <= outcome.latency_ns
    assert json.loads(event)["channel"] == "tickers"
    assert (outcome.extra or {})["event_ns"] > (outcome.wait_ns or 0)
    assert after.websockets == before.websockets + 1


def test_websocket_is_beside_the_pool(
    exchange: ExchangeProcess, session: HttpxSession
) -> None:
    url = exchange.base_url("/v1/system/time")
    ask = RequestSpec(endpoint="time", method="GET", url=url)
    first = session.send(ask, SLOT)
    opened, _ = session.listen(spec(exchange.base_url("")), SLOT, wanted())
    again = session.send(ask, SLOT)

    assert isinstance(first, Sample)
    assert isinstance(opened, Sample)
    assert isinstance(again, Sample)
    assert (again.reused, again.connection) == (True, first.connection)
    assert opened.connection not in (0, first.connection)
    assert opened.local_port not in (0, first.local_port)


def test_event_after_a_request_is_timed_from_its_first_byte(
    exchange: ExchangeProcess, session: HttpxSession
) -> None:
    session.listen(spec(exchange.base_url("")), SLOT, wanted())
    url = exchange.base_url("/v1/system/time")
    ask = RequestSpec(endpoint="time", method="GET", url=url)
    outcome, body, event = session.ask_and_hear(ask, SLOT)

    assert isinstance(outcome, Sample)  # tickers come each second, whoever asks
    assert b"server_time" in body
    assert json.loads(event)["channel"] == "tickers"
    answered_ns = sum(
        ns or 0 for ns in (outcome.send_ns, outcome.wait_ns, outcome.receive_ns)
    )
    assert (outcome.extra or {})["event_ns"] > answered_ns


def test_upgrade_that_is_refused_is_a_failure_with_its_status(
    exchange: ExchangeProcess, session: HttpxSession
) -> None:
    exchange.behave(Behaviour(status=503))
    outcome, event = session.listen(spec(exchange.base_url("")), SLOT, wanted())

    assert isinstance(outcome, Failure)
    assert (outcome.kind, outcome.status, event) == (FailureKind.STATUS, 503, b"")


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/ws-api?version=2.0", "", 4000),
        ("/ws-api?version=1.0", "&listenKey=listen-key-4711", 4004),
    ],
)
def test_websocket_that_is_closed_is_a_failure_with_its_code(
    exchange: ExchangeProcess, session: HttpxSession, path: str, query: str, code: int
) -> None:
    asked = spec(exchange.base_url(""), path)
    outcome, _ = session.listen(asked, SLOT, wanted(query=query))

    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.PROTOCOL
    assert f"closed with code {code}" in outcome.detail
    assert "4711" not in repr(outcome)


def listen(script: Script) -> Outcome:
    pair = tls_pair()
    with (
        ScriptedServer(script, pair.server) as server,
        closing(HttpxStack(pair.ca_pem).open(plan(request_timeout_s=1.0))) as session,
    ):
        url = f"https://127.0.0.1:{server.port}"
        return session.listen(spec(url), SLOT, wanted())[0]


def after_upgrade(data: bytes) -> Script:
    def script(visit: Visit) -> None:
        be_websocket(visit, visit.request(), data)

    return script


def head(*lines: str) -> Script:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send("\r\n".join((*lines, "", "")).encode())
        visit.stall()

    return script


SWITCH = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket")
BROKEN: dict[str, tuple[Script, FailureKind]] = {
    "no event": (after_upgrade(b""), FailureKind.TIMEOUT),
    "half an event": (after_upgrade(b"\x81\x7e"), FailureKind.TIMEOUT),
    "masked": (after_upgrade(b"\x81\x80\0\0\0\0"), FailureKind.PROTOCOL),
    "wrong UTF-8": (after_upgrade(b"\x81\x02\xc3\x28"), FailureKind.PROTOCOL),
    "closed": (after_upgrade(b"\x88\x02\x03\xf3"), FailureKind.PROTOCOL),
    "endless event": (
        after_upgrade((b"\x01\x7f" + (2**16).to_bytes(8, "big") + b"x" * 2**16) * 20),
        FailureKind.PROTOCOL,
    ),
    "no answer": (lambda visit: visit.stall(), FailureKind.TIMEOUT),
    "no HTTP": (head("hello"), FailureKind.PROTOCOL),
    "wrong accept": (
        head(*SWITCH, "Connection: Upgrade", "Sec-WebSocket-Accept: x"),
        FailureKind.PROTOCOL,
    ),
    "not ASCII": (
        head(*SWITCH, "Connection: Upgrade", "Sec-WebSocket-Protocol: é"),
        FailureKind.PROTOCOL,
    ),
    "no accept": (head(*SWITCH, "Connection: Upgrade"), FailureKind.PROTOCOL),
    "end": (lambda visit: visit.sock.shutdown(1), FailureKind.PROTOCOL),
}


def test_a_reset_is_a_failure_whatever_openssl_makes_of_it() -> None:
    outcome = listen(lambda visit: visit.reset())

    assert isinstance(outcome, Failure)
    # Within TLS it may be shown as an end, by when it comes, and is worded so.
    assert outcome.kind in (FailureKind.RESET, FailureKind.PROTOCOL), outcome.detail
    assert outcome.detail
    assert outcome.opened == 1


@pytest.mark.parametrize("name", BROKEN)
def test_whatever_a_server_does_is_a_failure_of_its_kind(name: str) -> None:
    script, kind = BROKEN[name]
    outcome = listen(script)

    assert isinstance(outcome, Failure)
    assert outcome.kind is kind, outcome.detail
    assert "\n" not in outcome.detail
