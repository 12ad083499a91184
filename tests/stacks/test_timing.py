"""The timed backend, alone and under httpx: phases, reuse, limits, pool settings."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import httpcore
import httpx
import pytest

from tests.support.records import known
from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    answer,
    failed,
    free_port,
    get,
    has_ipv6,
    keep_alive,
    opened,
    post,
    sampled,
    tls_pair,
)
from vestbench.model.client import PoolSettings
from vestbench.model.columns import client_ns, network_ns
from vestbench.model.request import NS_PER_MS, Failure, FailureKind, RequestSpec, Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks import timing
from vestbench.stacks.httpx_stack import HttpxSession, HttpxStack
from vestbench.stacks.timing import TimedBackend, TimedStream
from vestbench.stacks.wire import connecting
from vestbench.stacks.wire.connecting import Address, Resolver, keepalive_options
from vestbench.stacks.wire.timestamps import Connection, TcpInfo, Timestamps

MS = NS_PER_MS
linux = pytest.mark.skipif(
    not hasattr(socket, "TCP_INFO"), reason="TCP_INFO is Linux's"
)


@pytest.fixture(scope="module")
def stack() -> HttpxStack:
    return HttpxStack(tls_pair().ca_pem)


@pytest.fixture
def tls_server() -> Iterator[ScriptedServer]:
    with ScriptedServer(tls=tls_pair().server) as server:
        yield server


def send(session: HttpxSession, *specs: RequestSpec) -> list[Sample]:
    return [sampled(session.send(spec, SLOT)) for spec in specs]


def burst(session: HttpxSession, spec: RequestSpec, width: int) -> list[Sample]:
    return [sampled(one) for one in session.burst([spec] * width, [SLOT] * width)]


def live_socket(session: HttpxSession) -> socket.socket:
    """Return the socket of the exchange just done; it must be open still."""
    stream = session._backend.current().stream
    assert stream is not None
    return cast(socket.socket, stream.get_extra_info("socket"))


# --- exact phases: a clock that only the fake network moves ---


class FakeNetwork:
    """A scripted clock, and sockets that take the time they are told to."""

    def __init__(self) -> None:
        self.now = 0
        self.limits_s: list[float] = []  # what settimeout was told
        self.sent: list[bytes] = []
        self.dead: dict[str, OSError] = {}  # addresses that cannot be reached
        self.making_ms = 0  # of a socket
        self.connect_ms = 30
        self.handshake_ms = 31
        self.answers: list[tuple[int, bytes]] = []  # (after ms, bytes)

    def clock(self) -> int:
        return self.now

    def spend(self, ms: float) -> None:
        self.now += int(ms * MS)

    def resolver(self, ms: float, *hosts: str) -> Resolver:
        def resolve(host: str, port: int) -> list[tuple[int, Address]]:
            self.spend(ms)
            return [(socket.AF_INET, (host, port)) for host in hosts]

        return resolve

    def socket(self, *_: object) -> FakeSocket:
        self.spend(self.making_ms)
        return FakeSocket(self)

    def wrap_socket(self, sock: FakeSocket, **_: object) -> FakeSocket:
        self.spend(1)  # the making of the object is not the handshake
        return sock


class FakeSocket:
    session_reused = False

    def __init__(self, network: FakeNetwork) -> None:
        self._network = network

    def settimeout(self, limit_s: float) -> None:
        self._network.limits_s.append(limit_s)

    def connect(self, address: tuple[str, int]) -> None:
        self._network.spend(self._network.connect_ms)
        if address[0] in self._network.dead:
            raise self._network.dead[address[0]]

    def do_handshake(self) -> None:
        self._network.spend(self._network.handshake_ms)

    def sendall(self, data: bytes) -> None:
        self._network.spend(2)
        self._network.sent.append(data)

    def recv(self, _: int) -> bytes:
        ms, data = self._network.answers.pop(0)
        self._network.spend(ms)
        return data

    def setsockopt(self, *_: object) -> None: ...

    def getsockopt(self, *_: object) -> bytes:
        return b""

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 50_000)

    def getpeername(self) -> tuple[str, int]:
        return ("10.0.0.1", 443)

    def fileno(self) -> int:
        return 3

    def version(self) -> str:
        return "TLSv1.3"

    def selected_alpn_protocol(self) -> None: ...

    def cipher(self) -> tuple[str, str, int]:
        return ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)

    def close(self) -> None: ...


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> FakeNetwork:
    network = FakeNetwork()
    fake = SimpleNamespace(**vars(socket))
    fake.socket = network.socket
    monkeypatch.setattr(connecting, "socket", fake)
    return network


def fake_backend(
    network: FakeNetwork, resolve: Resolver, **settings: float
) -> TimedBackend:
    return TimedBackend(
        PoolSettings(**settings),  # type: ignore[arg-type]
        httpcore,
        clock=network.clock,
        resolve=resolve,
    )


def shake_hands(stream: TimedStream, network: FakeNetwork) -> None:
    stream.start_tls(cast(ssl.SSLContext, network), "exchange.test")


def test_each_phase_is_exactly_the_time_that_passed_in_it(network: FakeNetwork) -> None:
    backend = fake_backend(network, network.resolver(5, "10.0.0.1"))
    network.answers = [(33, b"HTTP/1.1 200 OK\r\n\r\n"), (4, b"bo"), (3, b"dy")]
    network.making_ms = 1  # which is not the connect

    stamps = backend.begin()
    network.spend(100)  # the client's own, before the connection
    stream = backend.connect_tcp("exchange.test", 443)
    shake_hands(stream, network)
    network.spend(10)  # the client's own, between handshake and request
    stream.write(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(3):
        stream.read(65536)

    assert stamps.dns_ns == 5 * MS
    assert stamps.connect_ns == 30 * MS
    assert stamps.tls_ns == 31 * MS
    assert stamps.last_write - stamps.first_write == 2 * MS
    assert stamps.first_read - stamps.last_write == 33 * MS
    assert stamps.last_read - stamps.first_read == 7 * MS
    assert stamps.opened == 1


def test_an_address_that_fails_and_the_one_that_works_both_count_as_connect(
    network: FakeNetwork,
) -> None:
    network.dead["10.0.0.1"] = ConnectionRefusedError(111, "Connection refused")
    backend = fake_backend(network, network.resolver(5, "10.0.0.1", "10.0.0.2"))

    stamps = backend.begin()
    backend.connect_tcp("exchange.test", 443)

    assert stamps.connect_ns == 60 * MS


def test_name_tcp_and_tls_share_the_connect_timeout(network: FakeNetwork) -> None:
    backend = fake_backend(network, network.resolver(4000, "10.0.0.1"))
    network.connect_ms = 3000

    backend.begin()
    shake_hands(backend.connect_tcp("exchange.test", 443), network)

    assert network.limits_s == [6.0, pytest.approx(2.999)]  # of 10 s


def test_addresses_share_what_is_left_of_the_connect_timeout(
    network: FakeNetwork,
) -> None:
    network.dead["10.0.0.1"] = TimeoutError("timed out")
    network.connect_ms = 5000
    backend = fake_backend(network, network.resolver(0, "10.0.0.1", "10.0.0.2"))

    backend.begin()
    backend.connect_tcp("exchange.test", 443)

    assert network.limits_s == [5.0, 5.0]


def test_a_name_that_took_all_of_the_connect_timeout_is_a_timeout(
    network: FakeNetwork,
) -> None:
    backend = fake_backend(network, network.resolver(10_000, "10.0.0.1"))
    backend.begin()

    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("exchange.test", 443)


def test_the_request_timeout_cuts_the_connect_timeout_short(
    network: FakeNetwork,
) -> None:
    backend = fake_backend(
        network, network.resolver(0, "10.0.0.1"), request_timeout_s=2.0
    )

    backend.begin()
    backend.connect_tcp("exchange.test", 443)

    assert network.limits_s == [2.0]


def test_each_read_gets_only_what_is_left_of_the_request_timeout(
    network: FakeNetwork,
) -> None:
    backend = fake_backend(network, network.resolver(0, "10.0.0.1"))
    network.answers = [(4000, b"a"), (5000, b"b"), (1, b"c")]
    backend.begin()
    network.connect_ms = 0
    stream = backend.connect_tcp("10.0.0.1", 80)
    network.limits_s.clear()

    for _ in range(3):
        stream.read(65536, timeout=10.0)

    assert network.limits_s == [10.0, 6.0, 1.0]


def test_a_read_after_the_request_timeout_is_refused(network: FakeNetwork) -> None:
    backend = fake_backend(network, network.resolver(0, "10.0.0.1"))
    backend.begin()
    stream = backend.connect_tcp("10.0.0.1", 80)
    network.spend(10_000)

    with pytest.raises(httpcore.ReadTimeout):
        stream.read(65536, timeout=10.0)


def test_an_address_family_that_the_kernel_lacks_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer() as server:

        def resolve(host: str, port: int) -> list[tuple[int, Address]]:
            return [
                (socket.AF_APPLETALK, (host, port)),
                (socket.AF_INET, ("127.0.0.1", port)),
            ]

        backend = TimedBackend(PoolSettings(), httpcore, resolve=resolve)
        with httpcore.ConnectionPool(network_backend=cast(Any, backend)) as pool:
            response = pool.request("GET", server.url_of("localhost"))

    assert response.status == 200


def test_a_body_is_held_until_the_request_is_complete(network: FakeNetwork) -> None:
    backend = fake_backend(network, network.resolver(0, "10.0.0.1"))
    stamps = backend.begin(joins=True)
    stream = backend.connect_tcp("10.0.0.1", 80)

    stream.write(b"header ")
    stream.write(b"body")
    held = list(network.sent)
    stream.write(b"")

    assert held == []
    assert network.sent == [b"header body"]
    assert stamps.connection is not None
    assert stamps.connection.uses == 1


def test_what_is_held_leaves_before_an_answer_is_waited_for(
    network: FakeNetwork,
) -> None:
    backend = fake_backend(network, network.resolver(0, "10.0.0.1"))
    network.answers = [(1, b"answer")]
    backend.begin(joins=True)
    stream = backend.connect_tcp("10.0.0.1", 80)

    stream.write(b"header")
    stream.read(65536)

    assert network.sent == [b"header"]


def test_serials_are_shared_by_backends_that_share_a_counter() -> None:
    stack = HttpxStack(tls_pair().ca_pem)
    with (
        ScriptedServer() as server,
        opened(stack) as one,
        opened(stack) as other,
    ):
        samples = send(one, server.get()) + send(other, server.get())

    assert [sample.connection for sample in samples] == [1, 2]


def test_the_proof_of_reuse_needs_the_same_port_and_nothing_opened() -> None:
    class Moved(TimedStream):
        def local_port(self) -> int:
            return 1

    with ScriptedServer() as server:
        backend = TimedBackend(PoolSettings(), httpcore)
        backend.begin()
        stream = backend.connect_tcp("127.0.0.1", server.port)
        stamps = Timestamps(0)
        stamps.carried_by(stream, stream._connection, 2)
        same = stamps.reused()
        stamps.opened = 1
        opened_one = stamps.reused()
        stamps.opened = 0
        stamps.stream = Moved(stream._sock, stream._connection, backend)

        moved = stamps.reused()
        stream.close()

    assert (same, opened_one, moved) == (True, False, False)


# --- phases on real connections ---


def test_only_the_first_request_of_a_session_has_connect_and_tls(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack) as session:
        first, *later = send(session, *[tls_server.get()] * 4)

    assert first.connect_ns is not None
    assert first.tls_ns is not None
    assert min(first.connect_ns, first.tls_ns) > 0
    assert {(s.dns_ns, s.connect_ns, s.tls_ns) for s in later} == {(None, None, None)}


def test_a_plain_connection_has_no_tls_phase(stack: HttpxStack) -> None:
    with ScriptedServer() as server, opened(stack) as session:
        [sample] = send(session, server.get())

    assert sample.connect_ns is not None
    assert (sample.tls_ns, sample.tls_version, sample.cipher) == (None, "", "")


@pytest.mark.parametrize(
    ("host", "resolves"),
    [("127.0.0.1", False), ("localhost", True)],
    ids=["literal", "name"],
)
def test_only_a_name_is_resolved(
    stack: HttpxStack, tls_server: ScriptedServer, host: str, resolves: bool
) -> None:
    with opened(stack) as session:
        [sample] = send(session, get(tls_server.url_of(host)))

    assert (sample.dns_ns is not None) is resolves


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
@pytest.mark.parametrize("host", ["[::1]", "localhost"], ids=["literal", "name"])
def test_ipv6_addresses_work_as_literals_and_behind_names(
    stack: HttpxStack, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    def resolve(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        address = ("::1", port, 0, 0)
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", address)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        ScriptedServer(tls=tls_pair().server, host="::1") as server,
        opened(stack) as session,
    ):
        [sample] = send(session, get(server.url_of(host)))

    assert sample.remote == f"[::1]:{server.port}"
    assert (sample.dns_ns is None) is (host == "[::1]")


def test_a_dead_address_is_passed_over_for_a_live_one() -> None:
    dead = free_port()
    with ScriptedServer() as server:

        def resolve(host: str, port: int) -> list[tuple[int, Address]]:
            return [
                (socket.AF_INET, ("127.0.0.1", dead)),
                (socket.AF_INET, ("127.0.0.1", port)),
            ]

        backend = TimedBackend(PoolSettings(), httpcore, resolve=resolve)
        stamps = backend.begin()
        with httpcore.ConnectionPool(network_backend=cast(Any, backend)) as pool:
            response = pool.request("GET", server.url_of("localhost"))

    assert response.status == 200
    assert stamps.opened == 1
    assert stamps.connection is not None
    assert stamps.connection.remote == f"127.0.0.1:{server.port}"


def test_the_phases_and_the_clients_own_time_make_up_the_latency(
    stack: HttpxStack, tls_server: ScriptedServer
) -> None:
    with opened(stack) as session:
        samples = send(session, *[tls_server.get()] * 3)

    for sample in samples:
        assert (
            min(known(sample.send_ns), known(sample.wait_ns), known(client_ns(sample)))
            > 0
        )
        assert known(sample.receive_ns) >= 0
        assert known(network_ns(sample)) + known(client_ns(sample)) == sample.latency_ns


def test_a_server_that_thinks_for_30_ms_shows_in_wait(stack: HttpxStack) -> None:
    def think(visit: Visit) -> None:
        while visit.request():
            time.sleep(0.03)
            visit.answer()

    with ScriptedServer(think) as server, opened(stack) as session:
        samples = send(session, *[server.get()] * 5)

    # The stamp after a send may come late, when the server thinks already.
    assert all(
        known(sample.send_ns) + known(sample.wait_ns) >= 30 * MS for sample in samples
    )
    assert max(known(sample.wait_ns) for sample in samples) >= 30 * MS


def test_a_pause_between_header_and_body_shows_in_receive(stack: HttpxStack) -> None:
    def pause(visit: Visit) -> None:
        while visit.request():
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
            time.sleep(0.06)
            visit.send(b"body")

    with ScriptedServer(pause) as server, opened(stack) as session:
        [sample] = send(session, server.get())

    # The header may be read late, but never by as much as half of the pause here.
    assert known(sample.receive_ns) >= 30 * MS
    assert sample.body_bytes == 4


def test_an_answer_that_came_before_the_request_could_be_sent_has_sane_phases(
    stack: HttpxStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = TimedBackend.connect_tcp

    connected = threading.Event()

    def refuse(visit: Visit) -> None:
        connected.wait(PATIENCE_S)
        visit.answer(status="408 Request Timeout")
        visit.reset()

    with ScriptedServer(refuse) as server, opened(stack) as session:

        def slow(*arguments: Any, **values: Any) -> TimedStream:
            stream = connect(*arguments, **values)
            connected.set()
            wait_for_visits(server, 1)
            server.visits[0].ended.wait(PATIENCE_S)
            return stream

        monkeypatch.setattr(TimedBackend, "connect_tcp", slow)
        [sample] = send(session, server.get(accept=(408,)))

    assert (
        min(known(sample.send_ns), known(sample.wait_ns), known(sample.receive_ns)) >= 0
    )
    assert known(client_ns(sample)) > 0


# --- reuse, proved at both ends ---


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
    monkeypatch.setattr(timing, "tcp_info", lambda _: TcpInfo(100, next(totals)))

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


# --- what is outside the sample ---


def test_building_the_client_is_not_in_the_sample(
    stack: HttpxStack, tls_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = httpx.Client.__init__

    def slow(*arguments: Any, **values: Any) -> None:
        time.sleep(0.05)
        build(*arguments, **values)

    monkeypatch.setattr(httpx.Client, "__init__", slow)
    with opened(stack) as session:
        built_ns = time.perf_counter_ns() - stack.facts.origin_ns
        [sample] = send(session, tls_server.get())
        after_ns = time.perf_counter_ns() - stack.facts.origin_ns

    assert session.build_ns >= 50 * MS
    assert built_ns <= sample.start_ns
    assert sample.start_ns + sample.latency_ns <= after_ns


def test_sessions_share_one_tls_context_that_is_built_once(
    tls_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = HttpxStack(tls_pair().ca_pem)
    used: list[ssl.SSLContext] = []
    start_tls = TimedStream.start_tls

    def note(
        stream: TimedStream, ssl_context: ssl.SSLContext, *rest: Any, **values: Any
    ) -> TimedStream:
        used.append(ssl_context)
        return start_tls(stream, ssl_context, *rest, **values)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a TLS context was built after the start")

    monkeypatch.setattr(TimedStream, "start_tls", note)
    monkeypatch.setattr(ssl, "create_default_context", refuse)
    monkeypatch.setattr(ssl.SSLContext, "__new__", refuse)
    for _ in range(3):
        with opened(stack) as session:
            send(session, tls_server.get())

    assert len(used) == 3
    assert len({id(context) for context in used}) == 1
    assert used[0].verify_mode is ssl.CERT_REQUIRED
    assert used[0].check_hostname


@pytest.mark.parametrize("ca_pem", ["", tls_pair().ca_pem], ids=["usual", "given"])
def test_certificates_are_verified_whatever_is_trusted(ca_pem: str) -> None:
    stack = HttpxStack(ca_pem)

    assert stack._context.verify_mode is ssl.CERT_REQUIRED
    assert stack._context.check_hostname
    assert known(stack.facts.tls_context_ns) > 0
    assert (stack.facts.default_context_ns is None) is (not ca_pem)


def wait_for_visits(server: ScriptedServer, number: int) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while server.connections < number:
        assert time.monotonic() < give_up, "nobody came"
        time.sleep(0.001)


def test_a_connection_keeps_the_name_of_a_peer_that_is_gone() -> None:
    with ScriptedServer(lambda visit: visit.reset()) as server:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with sock:
            wait_for_visits(server, 1)
            server.visits[0].ended.wait(PATIENCE_S)
            connection = Connection(1, sock, ("127.0.0.1", server.port))

    assert connection.remote == f"127.0.0.1:{server.port}"
    assert connection.local_port == server.visits[0].client_port
