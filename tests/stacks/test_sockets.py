"""Options and figures of sockets, what a write holds, and limits that end a request."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.records import known
from tests.support.servers import (
    SLOT,
    ScriptedServer,
    Visit,
    answer,
    failed,
    get,
    keep_alive,
    opened,
    post,
    tls_pair,
)
from tests.support.timed import MS, send
from vestbench.kernel.tcp_info import TcpInfo
from vestbench.model.request import Failure, FailureKind
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack
from vestbench.stacks.wire import stream as wire_stream
from vestbench.stacks.wire.connecting import keepalive_options
from vestbench.stacks.wire.stream import TimedStream

linux = pytest.mark.skipif(
    not hasattr(socket, "TCP_INFO"), reason="TCP_INFO is Linux's"
)


def live_socket(session: HttpxSession) -> socket.socket:
    """Return the socket of the exchange just done; it must be open still."""
    stream = session._instrument.current().stream
    assert isinstance(stream, TimedStream)
    return stream.sock


# --- socket options, kernel figures ---


@linux
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_tcp_keepalive_is_that_of_the_bot(stack: HttpxStack, scheme: str) -> None:
    tls = tls_pair().server if scheme == "https" else None
    with ScriptedServer(tls=tls) as server, opened(stack) as session:
        send(session, server.get())
        sock = live_socket(session)
        options = {
            name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}"))
            for name in ("KEEPIDLE", "KEEPINTVL", "KEEPCNT", "USER_TIMEOUT", "NODELAY")
        }
        alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    assert alive == 1
    assert options == {
        "KEEPIDLE": 30,
        "KEEPINTVL": 15,
        "KEEPCNT": 3,
        "USER_TIMEOUT": 30_000,
        "NODELAY": 1,
    }


def test_tcp_keepalive_of_zero_is_off(stack: HttpxStack) -> None:
    with ScriptedServer() as server, opened(stack, tcp_keepalive_s=0) as session:
        send(session, server.get())
        sock = live_socket(session)
        alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        nodelay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert (alive, nodelay) == (0, 1)


@pytest.mark.parametrize(("asked_s", "given_s"), [(0.2, 1), (1.4, 1), (45.0, 45)])
def test_tcp_keepalive_is_in_whole_seconds_and_at_least_one(
    asked_s: float, given_s: int
) -> None:
    options = keepalive_options(asked_s)

    assert options[1][2] == given_s


@linux
def test_the_kernels_round_trip_and_retransmissions_are_read(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack) as session:
        samples = send(session, *[tls_server.get()] * 3)

    for sample in samples:
        assert sample.rtt_us is not None
        assert sample.syn_rtt_us is not None
        assert min(sample.rtt_us, sample.syn_rtt_us) > 0
    # A busy machine may send again even on loopback, but not each time.
    assert min(s.retransmits for s in samples if s.retransmits is not None) == 0
    assert len({sample.syn_rtt_us for sample in samples}) == 1


@linux
@pytest.mark.parametrize(
    "values",
    [{"max_idle": 0}, {"strategy": UNPOOLED}],
    ids=["closed inside", "closed after"],
)
def test_the_kernels_figures_survive_the_end_of_the_connection(
    stack: HttpxStack, tls_server: ScriptedServer, values: dict[str, object]
) -> None:
    with opened(stack, **values) as session:
        samples = send(session, *[tls_server.get()] * 2)

    assert all(sample.rtt_us for sample in samples)
    assert None not in [sample.retransmits for sample in samples]


@linux
def test_what_a_refused_request_sent_again_is_not_charged_to_the_next(
    stack: HttpxStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals = iter([3, 4])
    monkeypatch.setattr(wire_stream, "tcp_info", lambda _: TcpInfo(100, next(totals)))

    def limp(visit: Visit) -> None:
        visit.request()
        visit.answer(status="503 Service Unavailable")
        keep_alive(visit)

    with ScriptedServer(limp) as server, opened(stack) as session:
        refused = session.send(server.get(), SLOT)
        [sample] = send(session, server.get())
        monkeypatch.undo()

    assert isinstance(refused, Failure)
    assert sample.retransmits == 1


# --- one write for header and body ---


def test_header_and_body_of_a_post_are_one_tls_record(stack: HttpxStack) -> None:
    first: list[bytes] = []

    def note(visit: Visit) -> None:
        for _ in range(2):
            first.append(visit.sock.recv(65536))  # never more than a record
            visit.answer()

    with ScriptedServer(note, tls_pair().server) as server, opened(stack) as session:
        send(session, *[post(server.url, b'{"order": 1}')] * 2)

    for record in first:
        assert record.startswith(b"POST / HTTP/1.1\r\n")
        assert record.endswith(b'\r\n\r\n{"order": 1}')


@linux
@pytest.mark.parametrize("body", [b"", b'{"order": 1}'], ids=["GET", "POST"])
def test_a_request_is_one_tcp_segment(stack: HttpxStack, body: bytes) -> None:
    with ScriptedServer() as server, opened(stack) as session:
        spec = post(server.url, body) if body else server.get()
        segments = []
        for _ in range(2):
            send(session, spec)
            raw = live_socket(session).getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, 248
            )
            segments.append(struct.unpack_from("=I", raw, 156)[0])  # data_segs_out

    assert segments == [1, 2]


def test_a_body_too_long_for_the_buffers_arrives_whole(stack: HttpxStack) -> None:
    body = bytes(range(256)) * 8_000
    with (
        ScriptedServer(tls=tls_pair().server) as server,
        opened(stack) as session,
    ):
        [sample] = send(session, post(server.url, body))

    assert server.visits[0].seen[0].endswith(b"\r\n\r\n" + body)
    assert known(sample.send_ns) > 0


# --- limits that end a request ---


def silent(visit: Visit) -> None:
    visit.stall()


@contextmanager
def full_backlog() -> Iterator[int]:
    """Listen, but let no further connection be made; yields the port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        try:
            yield address[1]
        finally:
            for filler in fillers:
                filler.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="Linux drops the SYN")
def test_a_connection_that_is_never_made_ends_at_the_connect_timeout(
    stack: HttpxStack,
) -> None:
    with full_backlog() as port, opened(stack, connect_timeout_s=0.1) as session:
        failure = failed(session, get(f"http://127.0.0.1:{port}/"))

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.elapsed_ns >= 100 * MS
    assert failure.reused is None


def test_a_handshake_that_is_never_answered_ends_at_the_connect_timeout(
    stack: HttpxStack,
) -> None:
    with (
        ScriptedServer(silent) as server,
        opened(stack, connect_timeout_s=0.1) as session,
    ):
        failure = failed(session, get(f"https://127.0.0.1:{server.port}/"))

    assert failure.kind is FailureKind.TIMEOUT
    assert "handshake" in failure.detail
    assert failure.elapsed_ns >= 100 * MS


@pytest.mark.parametrize("part", ["header", "body"])
def test_an_answer_that_trickles_cannot_outlive_the_request_timeout(
    stack: HttpxStack, part: str
) -> None:
    whole = answer(b"x" * 5000)
    at_once = whole.index(b"\r\n\r\n") + 4 if part == "body" else 0
    sent: list[int] = []

    def trickle(visit: Visit) -> None:
        visit.request()
        visit.send(whole[:at_once])
        for place in range(at_once, len(whole)):
            visit.send(whole[place : place + 1])
            sent.append(place)
            if visit.closing.wait(0.02):
                return

    with (
        ScriptedServer(trickle, tls_pair().server) as server,
        opened(stack, request_timeout_s=0.2) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.elapsed_ns >= 190 * MS  # the limit runs from just before the clock
    assert sent
    assert len(sent) < len(whole) - at_once


def test_a_session_works_again_after_a_timeout(stack: HttpxStack) -> None:
    def stall_once(visit: Visit) -> None:
        visit.request()
        if visit.number == 1:
            visit.stall()
        visit.answer()

    with (
        ScriptedServer(stall_once) as server,
        opened(stack, request_timeout_s=0.2) as session,
    ):
        failed(session, server.get())
        [sample] = send(session, server.get())

    assert not sample.reused
    assert server.connections == 2
