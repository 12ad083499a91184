"""Why a connection could not be used again, as it is seen on the wire."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.faults import fin, rst
from tests.support.lost import (
    CLOSES,
    EMPTY,
    ENDLESS,
    KEPT,
    OK,
    OLD,
    TIMED_OUT,
    Ends,
    lost,
    notify,
    stays,
    unasked,
)
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    opened,
    sampled,
    tls_pair,
)
from vestbench.model.lost import Lost
from vestbench.model.request import Failure, FailureKind
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack
from vestbench.stacks.wire.stream import TimedStream


@pytest.mark.parametrize(
    ("answer", "why", "said"),
    [
        (CLOSES, Lost.CONNECTION_CLOSE, "Connection: close"),
        (OLD, Lost.HTTP_1_0, "Connection: keep-alive"),
    ],
    ids=["Connection: close", "HTTP/1.0"],
)
def test_what_an_answer_said_of_its_connection_is_kept_with_the_next_request(
    either: HttpxStack, answer: bytes, why: Lost, said: str
) -> None:
    with ScriptedServer(stays(answer)) as server, opened(either) as session:
        first, second = (sampled(session.send(server.get(), SLOT)) for _ in range(2))

    assert lost(first) == {}
    assert not second.reused
    assert {k: v for k, v in lost(second).items() if k != "lost_idle_ns"} == {
        "lost": why,
        "lost_after": 1,
        "lost_said": said,
    }


@pytest.mark.parametrize(
    ("scheme", "end", "why", "said"),
    [
        pytest.param("http", fin, Lost.FIN, KEPT, id="FIN"),
        pytest.param("https", fin, Lost.FIN, KEPT, id="FIN in TLS"),
        pytest.param("https", notify, Lost.FIN, KEPT, id="close_notify"),
        pytest.param("http", rst, Lost.RESET, KEPT, id="RST"),
        pytest.param("https", rst, Lost.RESET, KEPT, id="RST in TLS"),
        pytest.param("http", unasked, Lost.FIN, TIMED_OUT, id="408 and FIN"),
    ],
)
def test_it_is_seen_who_ended_an_idle_connection(
    either: HttpxStack,
    scheme: str,
    end: Callable[[Visit], None],
    why: Lost,
    said: bytes,
) -> None:
    script = Ends(KEPT, end)
    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(script, tls) as server, opened(either) as session:
        sampled(session.send(server.get(), SLOT))
        script.told.set()
        script.ended.wait(PATIENCE_S)
        wait_until_readable(session)
        second = sampled(session.send(server.get(), SLOT))

    found = lost(second)
    assert (found["lost"], found["lost_after"]) == (why, 1)
    assert found["lost_idle_ns"] > 0
    assert found["lost_said"].encode() in said


def test_bytes_that_nothing_asked_for_are_seen_and_quoted(either: HttpxStack) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(OK)
        told.wait(PATIENCE_S)
        visit.send(TIMED_OUT)
        visit.stall()

    told = threading.Event()
    with ScriptedServer(script) as server, opened(either) as session:
        sampled(session.send(server.get(), SLOT))
        told.set()
        wait_until_readable(session)
        second = sampled(session.send(server.get(), SLOT))

    assert lost(second)["lost"] is Lost.UNASKED
    assert lost(second)["lost_said"] == "HTTP/1.1 408 Request Timeout"


def test_an_answer_that_only_its_end_ends_is_named(either: HttpxStack) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(ENDLESS)

    with ScriptedServer(script) as server, opened(either) as session:
        sampled(session.send(server.get(), SLOT))
        second = sampled(session.send(server.get(), SLOT))

    assert lost(second)["lost"] is Lost.UNTIL_CLOSE


@pytest.mark.parametrize(
    ("pool", "why"),
    [({"idle_timeout_s": 0.0}, Lost.POOL_IDLE), ({"max_idle": 0}, Lost.POOL_FULL)],
)
def test_the_rules_of_the_pool_are_not_the_servers(
    either: HttpxStack, pool: dict[str, Any], why: Lost
) -> None:
    with ScriptedServer(stays(OK)) as server, opened(either, **pool) as session:
        sampled(session.send(server.get(), SLOT))
        second = sampled(session.send(server.get(), SLOT))

    assert lost(second)["lost"] is why


@pytest.mark.parametrize("answer", [EMPTY, OK + b"\r\n", OK + b"xyz"])
def test_bytes_after_an_answer_are_what_the_next_request_fails_on(
    either: HttpxStack, answer: bytes
) -> None:
    with ScriptedServer(stays(answer)) as server, opened(either) as session:
        sampled(session.send(server.get(), SLOT))
        failure = session.send(server.get(), SLOT)
        third = sampled(session.send(server.get(), SLOT))

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.reused) == (FailureKind.PROTOCOL, True)
    assert lost(failure)["lost"] is lost(third)["lost"] is Lost.LEFT_OVER


@pytest.mark.parametrize("end", [fin, rst], ids=["FIN", "RST"])
def test_a_reset_on_a_reused_connection_is_named_as_the_idle_race(
    either: HttpxStack, end: Callable[[Visit], None]
) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(KEPT)
        visit.request()
        end(visit)

    with ScriptedServer(script) as server, opened(either) as session:
        sampled(session.send(server.get(), SLOT))
        failure = session.send(server.get(), SLOT)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.reused) == (FailureKind.RESET, True)
    found = lost(failure)
    assert (found["lost"], found["lost_after"]) == (Lost.RACE, 1)
    assert found["lost_said"] == "Keep-Alive: timeout=5, max=9"


def test_an_answer_that_breaks_off_is_no_idle_race(either: HttpxStack) -> None:
    def script(visit: Visit) -> None:
        visit.request()
        visit.send(OK)
        visit.request()
        visit.send(OK[:-1])

    with ScriptedServer(script) as server, opened(either) as session:
        sampled(session.send(server.get(), SLOT))
        failure = session.send(server.get(), SLOT)
        third = sampled(session.send(server.get(), SLOT))

    assert isinstance(failure, Failure)
    assert lost(failure) == {}
    assert lost(third)["lost"] is Lost.FAILED


def test_a_connection_for_each_request_loses_none(either: HttpxStack) -> None:
    with (
        ScriptedServer(stays(OK)) as server,
        opened(either, strategy=UNPOOLED) as session,
    ):
        found = [sampled(session.send(server.get(), SLOT)) for _ in range(3)]

    assert [lost(sample) for sample in found] == [{}, {}, {}]


@pytest.mark.parametrize("statuses", [("103",), ("100", "102", "103")])
def test_interim_answers_are_named(
    either: HttpxStack, statuses: tuple[str, ...]
) -> None:
    interim = "".join(f"HTTP/1.1 {status} x\r\na: b\r\n\r\n" for status in statuses)

    with (
        ScriptedServer(stays(interim.encode() + OK)) as server,
        opened(either) as session,
    ):
        first, second = (sampled(session.send(server.get(), SLOT)) for _ in range(2))

    assert lost(first) == lost(second) == {"interim": ", ".join(statuses)}
    assert second.reused


def wait_until_readable(session: HttpxSession) -> None:
    """Wait until what the server has done last has arrived at the client."""
    stream = session._instrument.current().stream
    assert isinstance(stream, TimedStream)
    assert select.select([stream.sock], [], [], PATIENCE_S)[0]
