"""The loopback relay: what it delays, what it delivers, and how close it comes."""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.machine import demand
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.lab_client import Lab
from vestbench.simulator.link.report import NoLinkError
from vestbench.simulator.links import open_link
from vestbench.simulator.relayed import RelayedLink, start_relay

RTT_MS = 20


@contextmanager
def relay(**values: float) -> Iterator[RelayedLink]:
    settings: dict[str, float] = {"rtt_ms": RTT_MS, **values}
    link = start_relay(LinkSpec(engine="relay", **settings))  # type: ignore[arg-type]
    assert isinstance(link, RelayedLink)
    with link:
        yield link


@contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections on loopback, one thread each; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            handle(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def answer_with(size: int) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        while connection.recv(100):
            connection.sendall(bytes(size))

    return handle


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := connection.recv(1 << 16)):
        data += part
    return data


@contextmanager
def connected(lab: RelayedLink, port: int) -> Iterator[socket.socket]:
    with socket.create_connection(lab.connect_address(port), 10) as client:
        yield client


def exchange_ms(connection: socket.socket, size: int = 1) -> float:
    start = time.perf_counter()
    connection.sendall(b"?")
    assert len(receive(connection, size)) == size
    return (time.perf_counter() - start) * 1e3


def test_a_first_exchange_takes_two_round_trips_and_others_one() -> None:
    with relay() as lab, server(echo) as port:
        address = lab.connect_address(port)
        start = time.perf_counter()
        with socket.create_connection(address, 10) as client:
            exchange_ms(client)
            first = (time.perf_counter() - start) * 1e3
            found = [exchange_ms(client) for _ in range(5)]
        report = lab.stop()

    assert first >= 2 * RTT_MS
    assert RTT_MS <= min(found) < first
    assert report.engine == "relay"
    assert report.packets >= 12
    assert report.late_us is not None
    assert report.disturbed == ""


def test_an_old_connection_is_not_held_again() -> None:
    with relay() as lab, server(echo) as port, connected(lab, port) as client:
        time.sleep(RTT_MS / 1e3)
        found = exchange_ms(client)

    assert found >= RTT_MS


def test_each_port_has_a_listener_and_keeps_it() -> None:
    with relay() as lab, server(echo) as first, server(answer_with(7)) as second:
        addresses = [lab.connect_address(port) for port in (first, second, first)]
        with socket.create_connection(addresses[1], 10) as client:
            exchange_ms(client, 7)

    assert addresses[0] == addresses[2] != addresses[1]
    assert lab.server_host == addresses[0][0] == "127.0.0.1"
    assert lab.names == ("127.0.0.1",)


def test_slow_start_spreads_a_large_answer_over_round_trips() -> None:
    # 14 480 bytes fit into the first window, 100 kB into the first three.
    with relay() as lab, server(answer_with(100_000)) as port:
        address = lab.connect_address(port)
        start = time.perf_counter()
        with socket.create_connection(address, 10) as client:
            exchange_ms(client, 100_000)
        took = (time.perf_counter() - start) * 1e3

    assert took >= 2 * RTT_MS + 2 * RTT_MS


def test_data_of_both_directions_arrives_intact() -> None:
    sent = os.urandom(3_000_000)
    with relay(rtt_ms=4) as lab, server(echo) as port, connected(lab, port) as client:
        writer = threading.Thread(target=client.sendall, args=(sent,))
        writer.start()
        time.sleep(0.2)  # lets buffers fill up
        received = receive(client, len(sent))
        writer.join()

    assert received == sent


def test_the_end_of_a_connection_is_delayed_like_data() -> None:
    with relay() as lab, server(echo) as port, connected(lab, port) as client:
        exchange_ms(client)
        start = time.perf_counter()
        client.sendall(b"bye")
        client.shutdown(socket.SHUT_WR)
        said = receive(client, 10)
        took = (time.perf_counter() - start) * 1e3

    assert said == b"bye"
    assert took >= RTT_MS


def test_a_closed_port_is_told_after_a_round_trip() -> None:
    with socket.socket() as unused, relay() as lab:
        unused.bind(("127.0.0.1", 0))
        address = lab.connect_address(unused.getsockname()[1])
        start = time.perf_counter()
        client = socket.create_connection(address, 10)
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)
        took = (time.perf_counter() - start) * 1e3

    assert took >= RTT_MS


def test_a_request_on_a_connection_that_the_server_closed_is_reset() -> None:
    with (
        relay() as lab,
        server(lambda connection: None) as port,
        connected(lab, port) as client,
    ):
        assert client.recv(1) == b""
        client.sendall(b"too late")
        poller = select.poll()
        poller.register(client, 0)

        assert poller.poll(10_000)
        with pytest.raises(BrokenPipeError):
            client.sendall(b"again")


def test_drift_grows_the_round_trip_of_all_connections() -> None:
    with relay(drift_ms_per_s=100) as lab, server(echo) as port:
        address = lab.connect_address(port)
        with socket.create_connection(address, 10) as client:
            exchange_ms(client)
        time.sleep(0.3)
        with socket.create_connection(address, 10) as client:
            exchange_ms(client)
            found = exchange_ms(client)

    assert found >= RTT_MS + 30


def test_jitter_only_adds() -> None:
    with (
        relay(jitter_ms=5) as lab,
        server(echo) as port,
        connected(lab, port) as client,
    ):
        found = [exchange_ms(client) for _ in range(20)]

    assert min(found) >= RTT_MS
    assert statistics.median(found) >= RTT_MS + 5


def test_loss_is_refused() -> None:
    with pytest.raises(
        NoLinkError, match=r"^loss needs a packet link: relay"
    ) as caught:
        open_link(LinkSpec(rtt_ms=RTT_MS, loss=0.01, engine="relay"))

    assert isinstance(caught.value, LabError)


def test_there_is_no_kernel_round_trip() -> None:
    with relay() as lab:
        assert lab.measure_rtt() == ()
        assert lab.stop().kernel_rtt_before_ms == ()


SERVER = """
import os, socket, sys
listener = socket.create_server((sys.argv[1], 0))
os.write(1, str(listener.getsockname()[1]).encode())
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while connection.recv(1000):
            connection.sendall(bytes(1000))
"""

# Cold as with TLS 1.3: TCP handshake, TLS handshake, request; then one on the same.
CLIENT = """
import json, os, socket, statistics, sys, time
def exchange(connection):
    connection.sendall(b"?")
    size = 0
    while size < 1000:
        size += len(connection.recv(1000))
cold, warm = [], []
for _ in range(22):
    start = time.perf_counter()
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
        exchange(connection)
        exchange(connection)
        cold.append((time.perf_counter() - start) * 1e3)
        start = time.perf_counter()
        exchange(connection)
        warm.append((time.perf_counter() - start) * 1e3)
os.write(1, json.dumps([statistics.median(cold), statistics.median(warm)]).encode())
"""


def totals_ms(engine: str) -> tuple[float, float]:
    def pipe_from(script: str, *arguments: str) -> int:
        reader, writer = os.pipe()
        argv = [sys.executable, "-I", "-c", script, *arguments]
        if isinstance(lab, Lab):
            lab.spawn(argv, {1: writer})
        else:
            process = subprocess.Popen(argv, stdout=writer)
            programs.callback(process.wait)
            programs.callback(process.kill)
        os.close(writer)
        return reader

    with (
        open_link(LinkSpec(rtt_ms=RTT_MS, engine=engine)) as lab,
        ExitStack() as programs,
    ):
        said = pipe_from(SERVER, lab.server_host)
        host, port = lab.connect_address(int(os.read(said, 10)))
        os.close(said)
        with os.fdopen(pipe_from(CLIENT, host, str(port))) as result:
            cold, warm = json.loads(result.read())
    return cold, warm


@pytest.mark.link
def test_totals_of_small_bodies_are_those_of_the_packet_link() -> None:
    try:
        for _ in range(3):  # a wrong relay is wrong each time
            cold, warm = totals_ms("packet")
            relayed_cold, relayed_warm = totals_ms("relay")
            if max(abs(relayed_cold - cold), abs(relayed_warm - warm)) <= 2:
                break
    except NoLinkError as error:
        pytest.skip(str(error))

    apart = max(abs(relayed_cold - cold), abs(relayed_warm - warm))
    demand(apart <= 2, f"relay and packet link are {apart:.1f} ms apart")
    assert cold >= 3 * RTT_MS - 0.5
