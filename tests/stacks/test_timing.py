"""The timed backend alone: exact phases, on a clock that only a fake network moves."""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace
from typing import Any, cast

import httpcore
import pytest

from tests.support.servers import ScriptedServer, opened, tls_pair
from tests.support.timed import MS, send
from vestbench.kernel.sockets import Address
from vestbench.model.client import PoolSettings
from vestbench.stacks.httpcore_backend import TimedBackend
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.stacks.wire import connecting
from vestbench.stacks.wire.connecting import Resolver
from vestbench.stacks.wire.connection import Opening
from vestbench.stacks.wire.failures import WireTimeoutError
from vestbench.stacks.wire.instrument import Instrument
from vestbench.stacks.wire.stream import TimedStream
from vestbench.stacks.wire.timestamps import Timestamps


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


def fake_instrument(
    network: FakeNetwork, resolve: Resolver, **settings: float
) -> Instrument:
    return Instrument(
        PoolSettings(**settings),  # type: ignore[arg-type]
        clock=network.clock,
        resolve=resolve,
    )


def shake_hands(stream: TimedStream, network: FakeNetwork) -> None:
    stream.start_tls(cast(ssl.SSLContext, network), "exchange.test")


def test_each_phase_is_exactly_the_time_that_passed_in_it(network: FakeNetwork) -> None:
    instrument = fake_instrument(network, network.resolver(5, "10.0.0.1"))
    network.answers = [(33, b"HTTP/1.1 200 OK\r\n\r\n"), (4, b"bo"), (3, b"dy")]
    network.making_ms = 1  # which is not the connect

    stamps = instrument.begin()
    network.spend(100)  # the client's own, before the connection
    stream = TimedStream.connect(instrument, "exchange.test", 443)
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


def test_what_an_address_that_fails_takes_is_no_part_of_the_connect(
    network: FakeNetwork,
) -> None:
    network.dead["10.0.0.1"] = ConnectionRefusedError(111, "Connection refused")
    instrument = fake_instrument(network, network.resolver(5, "10.0.0.1", "10.0.0.2"))

    stamps = instrument.begin()
    TimedStream.connect(instrument, "exchange.test", 443)

    assert stamps.connect_ns == 30 * MS
    assert stamps.phases().unanswered_ns == 30 * MS
    assert stamps.opening() == Opening(1, 2, "10.0.0.1:443")


def test_addresses_that_all_fail_are_named_with_what_each_did(
    network: FakeNetwork,
) -> None:
    hosts = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    network.dead["10.0.0.1"] = ConnectionRefusedError(111, "Connection refused")
    network.dead["10.0.0.2"] = TimeoutError("timed out")
    network.connect_ms = 5000
    instrument = fake_instrument(network, network.resolver(0, *hosts))

    stamps = instrument.begin()
    with pytest.raises(WireTimeoutError) as failure:
        TimedStream.connect(instrument, "exchange.test", 443)

    assert str(failure.value) == (
        "10.0.0.1:443: connection refused; 10.0.0.2:443: connect timeout; "
        "10.0.0.3:443: not tried, the request timeout had passed"
    )
    assert stamps.opening() == Opening(0, 2, "10.0.0.1:443, 10.0.0.2:443")


def test_name_tcp_and_tls_share_the_connect_timeout(network: FakeNetwork) -> None:
    instrument = fake_instrument(network, network.resolver(4000, "10.0.0.1"))
    network.connect_ms = 3000

    instrument.begin()
    shake_hands(TimedStream.connect(instrument, "exchange.test", 443), network)

    assert network.limits_s == [6.0, pytest.approx(2.999)]  # of 10 s


def test_an_address_after_one_that_does_not_answer_has_all_of_the_connect_timeout(
    network: FakeNetwork,
) -> None:
    network.dead["10.0.0.1"] = TimeoutError("timed out")
    network.connect_ms = 3000
    instrument = fake_instrument(
        network,
        network.resolver(1000, "10.0.0.1", "10.0.0.2"),
        connect_timeout_s=4.0,
    )

    instrument.begin()
    shake_hands(TimedStream.connect(instrument, "exchange.test", 443), network)

    assert network.limits_s == [3.0, 4.0, pytest.approx(0.999)]


def test_a_name_that_took_all_of_the_connect_timeout_is_a_timeout(
    network: FakeNetwork,
) -> None:
    instrument = fake_instrument(network, network.resolver(10_000, "10.0.0.1"))
    instrument.begin()

    with pytest.raises(WireTimeoutError):
        TimedStream.connect(instrument, "exchange.test", 443)


def test_no_handshake_begins_after_the_connect_timeout(network: FakeNetwork) -> None:
    instrument = fake_instrument(
        network, network.resolver(0, "10.0.0.1"), connect_timeout_s=3.0
    )
    network.connect_ms = 3000
    instrument.begin()
    stream = TimedStream.connect(instrument, "10.0.0.1", 443)

    with pytest.raises(WireTimeoutError, match="TLS handshake timeout"):
        shake_hands(stream, network)

    assert network.limits_s == [3.0]  # of the connect alone


def test_a_request_that_is_sent_again_is_timed_from_there(network: FakeNetwork) -> None:
    # As HTTP/2 does that learns from a GOAWAY that its request was not looked at.
    instrument = fake_instrument(network, network.resolver(0, "10.0.0.1"))
    network.answers = [(7, b"GOAWAY"), (35, b"answer"), (4, b"rest")]
    stamps = instrument.begin()
    first = TimedStream.connect(instrument, "10.0.0.1", 80)
    first.write(b"request")
    first.read(65536)
    second = TimedStream.connect(instrument, "10.0.0.1", 80)

    second.write(b"request")
    second.read(65536)
    second.read(65536)

    phases = stamps.phases()
    assert (phases.send_ns, phases.wait_ns, phases.receive_ns) == (
        2 * MS,
        35 * MS,
        4 * MS,
    )


def test_the_request_timeout_cuts_the_connect_timeout_short(
    network: FakeNetwork,
) -> None:
    instrument = fake_instrument(
        network, network.resolver(0, "10.0.0.1"), request_timeout_s=2.0
    )

    instrument.begin()
    TimedStream.connect(instrument, "exchange.test", 443)

    assert network.limits_s == [2.0]


def test_each_read_gets_only_what_is_left_of_the_request_timeout(
    network: FakeNetwork,
) -> None:
    instrument = fake_instrument(network, network.resolver(0, "10.0.0.1"))
    network.answers = [(4000, b"a"), (5000, b"b"), (1, b"c")]
    instrument.begin()
    network.connect_ms = 0
    stream = TimedStream.connect(instrument, "10.0.0.1", 80)
    network.limits_s.clear()

    for _ in range(3):
        stream.read(65536, timeout=10.0)

    assert network.limits_s == [10.0, 6.0, 1.0]


def test_a_read_after_the_request_timeout_is_refused(network: FakeNetwork) -> None:
    instrument = fake_instrument(network, network.resolver(0, "10.0.0.1"))
    instrument.begin()
    stream = TimedStream.connect(instrument, "10.0.0.1", 80)
    network.spend(10_000)

    with pytest.raises(WireTimeoutError):
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

        instrument = Instrument(PoolSettings(), resolve=resolve)
        backend = TimedBackend(instrument, httpcore)
        with httpcore.ConnectionPool(network_backend=cast(Any, backend)) as pool:
            response = pool.request("GET", server.url_of("localhost"))

    assert response.status == 200


def test_a_body_is_held_until_the_request_is_complete(network: FakeNetwork) -> None:
    instrument = fake_instrument(network, network.resolver(0, "10.0.0.1"))
    stamps = instrument.begin(joins=True)
    stream = TimedStream.connect(instrument, "10.0.0.1", 80)

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
    instrument = fake_instrument(network, network.resolver(0, "10.0.0.1"))
    network.answers = [(1, b"answer")]
    instrument.begin(joins=True)
    stream = TimedStream.connect(instrument, "10.0.0.1", 80)

    stream.write(b"header")
    stream.read(65536)

    assert network.sent == [b"header"]


def test_serials_are_shared_by_sessions_that_share_a_counter() -> None:
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
        instrument = Instrument(PoolSettings())
        instrument.begin()
        stream = TimedStream.connect(instrument, "127.0.0.1", server.port)
        stamps = Timestamps(0)
        stamps.carried_by(stream, stream._connection, 2)
        same = stamps.reused()
        stamps.opened = 1
        opened_one = stamps.reused()
        stamps.opened = 0
        stamps.stream = Moved(stream.sock, stream._connection, instrument)

        moved = stamps.reused()
        stream.close()

    assert (same, opened_one, moved) == (True, False, False)
