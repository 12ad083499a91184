"""What becomes of connections that ended while they were idle."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

import pytest

from tests.support.faults import fin, notify, rst
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    failed,
    get,
    keep_alive,
    opened,
    post,
    sampled,
    tls_pair,
)
from vestbench.model.request import Failure, FailureKind, Sample
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack
from vestbench.stacks.wire.stream import TimedStream


def wait_for_the_end(session: HttpxSession) -> None:
    """Wait until the end of the connection in use has arrived at the client."""
    stream = session._instrument.current().stream
    assert isinstance(stream, TimedStream)
    sock = stream.sock
    assert select.select([sock], [], [], PATIENCE_S)[0]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("leave", "scheme"),
    [
        pytest.param(fin, "http", id="FIN"),
        pytest.param(rst, "http", id="RST"),
        pytest.param(fin, "https", id="FIN in TLS"),
        pytest.param(rst, "https", id="RST in TLS"),
        pytest.param(notify, "https", id="close_notify"),
    ],
)
def test_after_a_close_while_idle_the_next_request_is_cold(
    stack: HttpxStack, leave: Callable[[Visit], None], scheme: str, method: str
) -> None:
    idle = threading.Event()

    def once(visit: Visit) -> None:
        if visit.number > 1:
            return keep_alive(visit)
        visit.request()
        visit.answer()
        idle.wait(PATIENCE_S)
        return leave(visit)

    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(once, tls) as server, opened(stack) as session:
        spec = post(server.url, b"{}") if method == "POST" else server.get()
        samples = [sampled(session.send(spec, SLOT))]
        idle.set()
        wait_for_the_end(session)
        samples += [sampled(session.send(spec, SLOT)) for _ in range(2)]

    assert [sample.reused for sample in samples] == [False, False, True]
    assert [sample.connect_ns is None for sample in samples] == [False, False, True]
    assert [visit.requests for visit in server.visits] == [1, 2]
    assert samples[0].connection < samples[1].connection == samples[2].connection


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left open"])
def test_after_connection_close_the_next_request_is_cold(
    stack: HttpxStack, closes: bool
) -> None:
    def leave(visit: Visit) -> None:
        visit.request()
        visit.answer(headers=["Connection: close"])
        if not closes:
            visit.stall()

    with ScriptedServer(leave, tls_pair().server) as server, opened(stack) as session:
        samples = [sampled(session.send(server.get(), SLOT)) for _ in range(3)]

    assert not any(sample.reused for sample in samples)
    assert all(sample.tls_ns for sample in samples)
    assert [visit.requests for visit in server.visits] == [1, 1, 1]


def test_the_request_after_a_failure_opens_a_connection_of_its_own(
    stack: HttpxStack,
) -> None:
    def fail_first(visit: Visit) -> None:
        visit.request()
        if visit.number > 1:
            visit.answer()
            keep_alive(visit)

    with ScriptedServer(fail_first) as server, opened(stack) as session:
        failed(session, server.get())
        samples = [sampled(session.send(server.get(), SLOT)) for _ in range(2)]

    assert [sample.reused for sample in samples] == [False, True]
    assert [visit.requests for visit in server.visits] == [1, 2]


def test_failures_of_a_burst_are_told_apart(stack: HttpxStack) -> None:
    def by_path(visit: Visit) -> None:
        if b"/slam" in visit.request():
            return visit.reset()
        return visit.answer()

    with (
        ScriptedServer(by_path) as server,
        opened(stack, concurrency=2) as session,
    ):
        outcomes = session.burst([server.get(), get(server.url + "slam")], [SLOT, SLOT])

    assert isinstance(outcomes[0], Sample)
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].kind is FailureKind.RESET
