"""Every stack and every way of connecting, counted and told by the server."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from tests.support.reuse import Together, tell, telling, told
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    opened,
    sampled,
    tls_pair,
)
from vestbench.model.columns import client_ns, network_ns
from vestbench.model.request import Failure, Sample
from vestbench.model.strategy import POOLED, RESUMED, UNPOOLED, WARMED, Strategy
from vestbench.stacks.registry import STACKS, find_stack

NAMES = list(STACKS)
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module", params=NAMES)
def stack(request: pytest.FixtureRequest) -> Any:
    return find_stack(request.param).load()(tls_pair().ca_pem)


def send(session: Any, server: ScriptedServer, count: int = 1) -> list[Sample]:
    return [sampled(session.send(server.get(), SLOT)) for _ in range(count)]


def agree(samples: list[Sample]) -> None:
    """Fail unless each sample says of itself what the server says of it."""
    for sample in samples:
        truth = told(sample)
        assert sample.reused is truth.reused, (sample, truth)
        assert sample.use == truth.request, (sample, truth)
        assert sample.resumed is truth.resumed, (sample, truth)
    ours = [sample.connection for sample in samples]
    theirs = [told(sample).connection for sample in samples]
    assert (
        len(set(zip(ours, theirs, strict=True))) == len(set(ours)) == len(set(theirs))
    )


# --- one after the other ---


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("strategy", "connections", "resumed"),
    [
        (POOLED, 1, 0),
        (UNPOOLED, 5, 0),
        (RESUMED, 5, 4),
        (WARMED, 1, 0),
    ],
)
def test_each_way_of_connecting_is_what_it_is_called(
    stack: Any, strategy: Strategy, connections: int, resumed: int, version: str
) -> None:
    tls = tls_pair(version=VERSIONS[version]).server
    with ScriptedServer(telling, tls) as server:
        with opened(stack, strategy=strategy) as session:
            samples = send(session, server, 5)

        assert server.connections == connections
        assert server.requests == 5
    agree(samples)
    assert sum(sample.resumed and not sample.reused for sample in samples) == resumed
    assert {sample.tls_version for sample in samples} == {f"TLSv{version}"}
    assert {sample.http_version for sample in samples} == {"HTTP/1.1"}


def test_what_is_known_of_each_request_is_there(stack: Any) -> None:
    with (
        ScriptedServer(telling, tls_pair().server) as server,
        opened(stack) as session,
    ):
        samples = send(session, server, 3)
        ports = {visit.number: visit.client_port for visit in server.visits}

    for sample in samples:
        assert sample.local_port == ports[told(sample).connection]
        assert sample.remote == f"127.0.0.1:{server.port}"
        assert sample.rtt_us is not None
        assert sample.syn_rtt_us is not None
        assert 0 < sample.syn_rtt_us <= sample.latency_ns / 1000
        assert sample.retransmits is not None


def test_without_tls_nothing_is_said_of_it(stack: Any) -> None:
    with ScriptedServer(telling) as server, opened(stack) as session:
        samples = send(session, server, 2)

    agree(samples)
    assert {(s.tls_version, s.cipher, s.resumed) for s in samples} == {("", "", False)}


def test_a_stack_shows_all_phases_or_none(stack: Any) -> None:
    with (
        ScriptedServer(telling, tls_pair().server) as server,
        opened(stack) as session,
    ):
        cold, later = send(session, server, 2)

    if stack.facts.stack == "reqwest":
        for sample in (cold, later):
            assert network_ns(sample) is client_ns(sample) is None
            assert sample.connect_ns is sample.tls_ns is sample.wait_ns is None
    else:
        for sample in (cold, later):
            network, own = network_ns(sample), client_ns(sample)
            assert network is not None
            assert own is not None
            assert network + own == sample.latency_ns
        assert cold.connect_ns is not None
        assert later.connect_ns is None


def test_clients_of_one_stack_share_no_connection_and_no_session(stack: Any) -> None:
    with (
        ScriptedServer(telling, tls_pair().server) as server,
        opened(stack) as one,
        opened(stack, strategy=RESUMED) as other,
    ):
        samples = [
            sample for session in (one, other) * 2 for sample in send(session, server)
        ]

    agree(samples)
    assert [sample.reused for sample in samples] == [False, False, True, False]
    assert [sample.resumed for sample in samples] == [False, False, False, True]


def test_a_server_without_tickets_leaves_nothing_to_resume(stack: Any) -> None:
    tls = tls_pair(version=ssl.TLSVersion.TLSv1_3).server
    tls.num_tickets = 0
    with (
        ScriptedServer(telling, tls) as server,
        opened(stack, strategy=RESUMED) as session,
    ):
        samples = send(session, server, 3)

    agree(samples)
    assert not any(sample.resumed for sample in samples)
    assert not any(sample.reused for sample in samples)


# --- at the same time ---


@pytest.mark.parametrize("width", [1, 2, 3, 4, 8])
def test_a_burst_opens_what_the_pool_has_not_kept(stack: Any, width: int) -> None:
    kept = width if stack.facts.stack == "httpx" else min(width, 2)
    with ScriptedServer(Together(width), tls_pair().server) as server:
        with opened(stack, concurrency=width, max_idle=2) as session:
            bursts = [
                session.burst([server.get()] * width, [SLOT] * width) for _ in range(3)
            ]

        assert server.requests == 3 * width
        counted = server.connections
    samples = [[sampled(outcome) for outcome in burst] for burst in bursts]
    opened_in = [sum(not sample.reused for sample in burst) for burst in samples]
    for burst in samples:
        for sample in burst:
            assert sample.reused is told(sample).reused
    assert counted == sum(opened_in)
    assert opened_in[0] == width
    # hyper gives a connection back a moment after the answer; one that comes too late
    # for the next burst makes one more cold request, and is counted as such.
    late = stack.facts.stack == "reqwest"
    for count in opened_in[1:]:
        assert count == width - kept or (late and width - kept < count <= width)


def test_a_burst_beyond_the_pool_is_explained_only_where_the_pool_is_not_kept(
    stack: Any,
) -> None:
    with opened(stack, concurrency=8) as session:
        notes = " ".join(session.notes)

    if stack.facts.stack == "httpx":
        assert "pool_max_idle raised from 2 to 8" in notes
    elif stack.facts.stack == "reqwest":
        assert "verbose log" in notes
    else:
        assert notes == ""


def test_connections_are_known_again_after_a_burst(stack: Any) -> None:
    together = Together(2)

    def answering(visit: Visit) -> None:
        visit.request()
        together.wait()
        tell(visit)
        telling(visit)

    with (
        ScriptedServer(answering, tls_pair().server) as server,
        opened(stack, concurrency=2) as session,
    ):
        session.burst([server.get()] * 2, [SLOT] * 2)
        [later] = send(session, server)

    assert later.reused
    assert told(later).request == 2


# --- stale connections ---


def leave(how: str, visit: Visit) -> None:
    if how == "RST":
        visit.reset()
    elif how == "close_notify":
        visit.close_notify()


@pytest.mark.parametrize("how", ["FIN", "RST", "close_notify", "Connection: close"])
def test_a_connection_closed_while_idle_makes_the_next_request_cold(
    stack: Any, how: str
) -> None:
    def once(visit: Visit) -> None:
        while visit.request():
            if how == "Connection: close":
                visit.answer(headers=["Connection: close"])
            else:
                visit.answer()
            leave(how, visit)
            if how != "close_notify":
                return

    with ScriptedServer(once, tls_pair().server) as server:
        with opened(stack) as session:
            send(session, server)
            if how != "close_notify":
                assert server.visits[0].ended.wait(PATIENCE_S)
            settle(session)
            [later] = send(session, server)

        assert server.requests == 2
        assert server.connections == 2
    assert not later.reused


def settle(session: Any) -> None:
    """Wait until a client that closes by itself has noticed what the server did."""
    watch = getattr(session, "_watch", None)
    while watch is not None and watch.is_open():
        pass


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_a_reused_connection_loses_is_a_reset_and_not_sent_again(
    stack: Any, method: str, how: str
) -> None:
    def second_unanswered(visit: Visit) -> None:
        visit.request()
        visit.answer()
        visit.request()
        leave(how, visit)

    with ScriptedServer(second_unanswered, tls_pair().server) as server:
        with opened(stack) as session:
            send(session, server)
            spec = server.post(b"{}") if method == "POST" else server.get()
            outcome = session.send(spec, SLOT)

        assert server.requests == 2
        assert server.connections == 1
    assert isinstance(outcome, Failure)
    assert outcome.kind == "reset"
    assert outcome.reused is True


def test_an_answer_cut_off_is_a_reset_and_its_connection_is_not_used_again(
    stack: Any,
) -> None:
    def cut(visit: Visit) -> None:
        visit.request()
        if visit.number == 1:
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        else:
            visit.answer()

    with ScriptedServer(cut, tls_pair().server) as server:
        with opened(stack) as session:
            outcome = session.send(server.get(), SLOT)
            [later] = send(session, server)

        assert server.requests == 2
    assert isinstance(outcome, Failure)
    assert outcome.kind == "reset"
    assert outcome.reused is False
    assert not later.reused


def test_in_the_race_window_a_request_is_cold_or_lost_and_never_sent_twice(
    stack: Any,
) -> None:
    # The server closes right after its answer, without a word, and the client sends.
    def hasty(visit: Visit) -> None:
        if visit.request():
            visit.answer()

    rounds = 25
    with ScriptedServer(hasty, tls_pair().server) as server:
        with opened(stack) as session:
            outcomes = [session.send(server.get(), SLOT) for _ in range(rounds)]

        arrived = server.requests
    answered = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    assert not any(sample.reused for sample in answered)
    assert {failure.kind for failure in lost} <= {"reset"}
    assert len(answered) == arrived


# --- what the answer is ---


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("Content-Type: application/json; charset=utf-8", "application/json"),
        ("content-type: Text/HTML", "text/html"),
        ("Content-Type: x/" + 500 * "y", "x/" + 78 * "y"),
        ("X-Nothing: here", None),
    ],
)
def test_the_type_of_the_answer_is_kept(
    stack: Any, header: str, kept: str | None
) -> None:
    def typed(visit: Visit) -> None:
        while visit.request():
            visit.answer(headers=[header])

    with ScriptedServer(typed, tls_pair().server) as server, opened(stack) as session:
        [sample] = send(session, server)

    assert sample.content_type == kept
