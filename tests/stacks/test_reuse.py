"""Reuse of connections, proved at both ends; and the pool's settings."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    answer,
    keep_alive,
    opened,
    sampled,
    tls_pair,
)
from tests.support.timed import send
from vestbench.model.request import RequestSpec, Sample
from vestbench.model.strategy import RESUMED, UNPOOLED
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack
from vestbench.stacks.wire.stream import TimedStream


def burst(session: HttpxSession, spec: RequestSpec, width: int) -> list[Sample]:
    return [sampled(one) for one in session.burst([spec] * width, [SLOT] * width)]


def test_pooled_requests_share_one_connection_at_the_server(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack) as session:
        samples = send(session, *[tls_server.get()] * 5)

    assert [(v.number, v.requests) for v in tls_server.visits] == [(1, 5)]
    assert [sample.reused for sample in samples] == [False, True, True, True, True]
    assert [sample.use for sample in samples] == [1, 2, 3, 4, 5]
    assert len({sample.connection for sample in samples}) == 1
    assert {s.local_port for s in samples} == {tls_server.visits[0].client_port}


@pytest.mark.parametrize(
    "version",
    [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
    ids=["TLS 1.2", "TLS 1.3"],
)
def test_unpooled_requests_have_a_connection_each_and_resume_none(
    stack: HttpxStack, version: ssl.TLSVersion
) -> None:
    resumed: list[bool | None] = []

    def observe(visit: Visit) -> None:
        assert isinstance(visit.sock, ssl.SSLSocket)
        resumed.append(visit.sock.session_reused)
        keep_alive(visit)

    with (
        ScriptedServer(observe, tls_pair(version=version).server) as server,
        opened(stack, strategy=UNPOOLED) as session,
    ):
        samples = send(session, *[server.get()] * 4)

    assert [visit.requests for visit in server.visits] == [1, 1, 1, 1]
    assert [s.local_port for s in samples] == [v.client_port for v in server.visits]
    assert {s.tls_version for s in samples} == {version.name.replace("_", ".")}
    assert not any(sample.reused for sample in samples)
    assert not any(sample.resumed for sample in samples)
    assert resumed == [False] * 4
    assert len({sample.connection for sample in samples}) == 4


def test_without_tickets_tls_1_2_resumes_a_session_by_its_number(
    stack: HttpxStack,
) -> None:
    context = tls_pair(version=ssl.TLSVersion.TLSv1_2).server
    context.options |= ssl.OP_NO_TICKET

    def answer_once(visit: Visit) -> None:
        visit.request()
        visit.send(answer())
        visit.stall()  # OpenSSL forgets a session whose connection was cut off

    with (
        ScriptedServer(answer_once, context) as server,
        opened(stack, strategy=RESUMED) as session,
    ):
        samples = send(session, *[server.get()] * 3)

    assert [sample.resumed for sample in samples] == [False, True, True]


def test_unpooled_connections_are_closed_after_the_clock_has_stopped(
    stack: HttpxStack, tls_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_ns: list[int] = []
    close = TimedStream.close

    def stamped(stream: TimedStream) -> None:
        closed_ns.append(time.perf_counter_ns() - stack.facts.origin_ns)
        close(stream)

    monkeypatch.setattr(TimedStream, "close", stamped)
    with opened(stack, strategy=UNPOOLED) as session:
        samples = send(session, *[tls_server.get()] * 3)

    assert len(closed_ns) == 3
    for sample, closed, after in zip(
        samples, closed_ns, [*samples[1:], None], strict=True
    ):
        assert closed >= sample.start_ns + sample.latency_ns
        assert after is None or closed <= after.start_ns


@pytest.mark.parametrize(
    ("idle_s", "reused"), [(59.9, True), (60.1, False)], ids=["within", "beyond"]
)
def test_an_idle_connection_is_used_up_to_the_idle_timeout(
    stack: HttpxStack,
    tls_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    idle_s: float,
    reused: bool,
) -> None:
    now = [1000.0]
    scripted = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("httpcore._sync.http11.time", scripted)
    with opened(stack) as session:
        send(session, tls_server.get())
        now[0] += idle_s
        [second] = send(session, tls_server.get())

    assert second.reused is reused
    assert (second.tls_ns is None) is reused
    assert tls_server.connections == (1 if reused else 2)


def together(width: int) -> Callable[[Visit], None]:
    """Return a script that answers only when `width` requests are there."""
    barrier = threading.Barrier(width)

    def script(visit: Visit) -> None:
        while visit.request():
            barrier.wait(PATIENCE_S)
            visit.answer()

    return script


@pytest.mark.parametrize(("max_idle", "connections"), [(0, 4), (1, 3), (2, 2), (5, 2)])
def test_after_a_burst_as_many_connections_are_kept_as_may_be_idle(
    stack: HttpxStack, max_idle: int, connections: int
) -> None:
    with (
        ScriptedServer(together(2)) as server,
        opened(stack, max_idle=max_idle, concurrency=2) as session,
    ):
        burst(session, server.get(), 2)
        second = burst(session, server.get(), 2)

    assert server.connections == connections
    assert sum(not sample.reused for sample in second) == connections - 2
    assert session.notes == ()


def test_no_idle_connections_means_no_reuse(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack, max_idle=0) as session:
        samples = send(session, *[tls_server.get()] * 3)

    assert tls_server.connections == 3
    assert not any(sample.reused for sample in samples)


def test_above_two_at_once_the_limit_is_raised_said_and_kept(
    stack: HttpxStack,
) -> None:
    with (
        ScriptedServer(together(4)) as server,
        opened(stack, max_idle=2, concurrency=4) as session,
    ):
        rounds = [burst(session, server.get(), 4) for _ in range(3)]

    assert "raised from 2 to 4" in session.notes[0]
    assert server.connections == 4
    assert [sum(s.reused for s in samples) for samples in rounds] == [0, 4, 4]
    for samples in rounds:
        assert len({sample.connection for sample in samples}) == 4


def test_no_idle_connections_stay_none_above_two_at_once(stack: HttpxStack) -> None:
    with (
        ScriptedServer(together(3)) as server,
        opened(stack, max_idle=0, concurrency=3) as session,
    ):
        for _ in range(2):
            burst(session, server.get(), 3)

    assert server.connections == 6
    assert session.notes == ()


def test_a_burst_wider_than_the_one_before_is_sent(stack: HttpxStack) -> None:
    with ScriptedServer() as server, opened(stack) as session:
        widths = [len(burst(session, server.get(), width)) for width in (2, 3, 1)]

    assert widths == [2, 3, 1]


def test_cookies_are_not_kept_so_all_requests_are_the_same(
    stack: HttpxStack,
) -> None:
    def bake(visit: Visit) -> None:
        while visit.request():
            visit.answer(headers=["Set-Cookie: session=1; Path=/"])

    with ScriptedServer(bake) as server, opened(stack) as session:
        send(session, *[server.get()] * 2)

    [visit] = server.visits
    assert visit.seen[0] == visit.seen[1]
