"""The emulated link: delay lines exactly, and the packet engines on real sockets."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support import paths
from tests.support.labs import open_lab
from tests.support.machine import demand, need_link
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.lab_client import Lab
from vestbench.simulator.link.forwarder import (
    MAX_COMPENSATION_NS,
    _client_address,
    virtual_address,
)
from vestbench.simulator.link.line import MAX_EVENTS, Account, Line

MS = 1_000_000
ROOT = str(paths.ROOT)


@pytest.fixture(params=["packet", "tun"])
def engine(request: pytest.FixtureRequest) -> str:
    name = str(request.param)
    need_link(name)
    return name


@contextmanager
def packet_lab(**values: float) -> Iterator[Lab]:
    need_link("packet")
    with open_lab(LinkSpec(engine="packet", **values)) as lab:  # type: ignore[arg-type]
        yield lab


def run_in_lab(lab: Lab, script: str, *arguments: object, output: int = 1) -> None:
    words = [sys.executable, "-I", "-S", "-c", script, *map(str, arguments)]
    program = lab.spawn(words, fds={1: output} if output != 1 else {})
    assert program.wait(30.0) == 0


def arrivals(count: int, gap_ms: float) -> list[int]:
    return [round(number * gap_ms * MS) for number in range(count)]


def drops(line: Line, times: list[int]) -> list[bool]:
    return [line.due(time) is None for time in times]


def test_fixed_delay_is_added_to_each_arrival() -> None:
    line = Line(12.5)

    assert [line.due(time) for time in (0, 1, 5 * MS)] == [
        12_500_000,
        12_500_001,
        17_500_000,
    ]


def test_compensation_is_subtracted_as_far_as_the_delay_allows() -> None:
    line = Line(0.1)

    assert line.due(1 * MS, 40_000) == 1_060_000
    assert line.due(2 * MS, 150_000) == 2_000_000


def test_a_growing_compensation_does_not_change_the_order() -> None:
    line = Line(10)

    assert line.due(1_000, 0) == 10_001_000
    assert line.due(1_001, 50_000) == 10_001_000


def test_same_seed_drops_the_same_packets_and_another_seed_others() -> None:
    times = arrivals(2_000, 1)
    first, again, other = (
        drops(Line(5, loss=0.05, seed=seed), times)
        for seed in ("7/0/up", "7/0/up", "8/0/up")
    )

    assert first == again
    assert first != other
    assert 60 <= sum(first) <= 140


def test_losses_do_not_depend_on_timing_or_jitter() -> None:
    calm = Line(5, loss=0.05, seed="7/0/up")
    shaken = Line(5, loss=0.05, jitter_ms=3, seed="7/0/up")

    assert drops(calm, arrivals(500, 1)) == drops(shaken, arrivals(500, 17))
    assert calm.dropped == shaken.dropped > 0


def test_jitter_keeps_order_and_never_goes_below_the_delay() -> None:
    random_gaps = random.Random(1)
    line = Line(10, jitter_ms=8, seed="jitter")
    time, last = 0, 0
    for _ in range(3_000):
        time += int(random_gaps.expovariate(1) * 4 * MS)
        due = line.due(time)

        assert due is not None
        assert due >= max(last, time + 10 * MS)
        last = due


def test_jitter_is_gamma_distributed_with_the_given_deviation() -> None:
    # Arrivals so far apart that keeping the order changes nothing.
    line = Line(10, jitter_ms=2, seed="moments")
    extra = [
        (line.due(time) or 0) / MS - time / MS - 10 for time in arrivals(8_000, 1e3)
    ]

    assert statistics.stdev(extra) == pytest.approx(2, rel=0.05)
    assert statistics.mean(extra) == pytest.approx(2 * 2**0.5, rel=0.05)
    assert min(extra) >= 0


def test_packets_of_one_flight_share_a_draw() -> None:
    line = Line(10, jitter_ms=4, seed="flight")
    extra = [(line.due(time) or 0) - time for time in (0, MS, 4 * MS)]
    later = (line.due(500 * MS) or 0) - 500 * MS

    assert len(set(extra)) == 1
    assert later != extra[0]


def test_drift_grows_the_delay_from_the_first_packet_on() -> None:
    line = Line(10, drift_ms_per_s=5)
    start = 77 * MS

    assert line.due(start) == start + 10 * MS
    assert line.due(start + 2_000 * MS) == start + 2_020 * MS


def test_drift_can_count_from_another_start() -> None:
    line = Line(10, drift_ms_per_s=5, start_ns=0)

    assert line.due(1_000 * MS) == 1_015 * MS


def test_a_negative_drift_stops_at_no_delay() -> None:
    line = Line(10, drift_ms_per_s=-50)
    line.due(0)

    assert line.due(1_000 * MS) == 1_000 * MS


def test_account_reports_lateness_and_each_late_delivery() -> None:
    account = Account()
    for late_us in range(1, 101):
        account.note(1_000 * MS + late_us * 1_000, 1_000 * MS)
    account.note(3_000 * MS, 2_700 * MS)

    assert account.late_us() == (51.0, 91.0, 100.0, 300_000.0)
    assert account.record().late_events == ((3_000 * MS, 300 * MS),)
    assert account.packets == 101


def test_account_keeps_a_limited_number_of_events() -> None:
    account = Account()
    for _ in range(MAX_EVENTS + 5):
        account.note(10 * MS, 9 * MS)

    assert len(account.events) == MAX_EVENTS


def test_account_of_an_idle_link_has_no_lateness() -> None:
    record = Account().record()

    assert (record.packets, record.late_us, record.late_events) == (0, None, ())


@pytest.mark.parametrize("link", [0, 1, 9])
def test_the_addresses_of_a_link_leave_checksums_as_they_are(link: int) -> None:
    def words(host: str) -> int:
        packed = socket.inet_aton(host)
        return int.from_bytes(packed[:2]) + int.from_bytes(packed[2:])

    local, server = words("10.99.0.1"), words(virtual_address(link))
    client = words(_client_address(link))

    assert local + server == client + local


@pytest.mark.link
@pytest.mark.parametrize("rtt_ms", [5, 25, 80])
def test_kernel_round_trip_is_within_half_a_millisecond(
    engine: str, rtt_ms: int
) -> None:
    # A wrong link is wrong each time; a busy machine is not busy five times.
    with open_lab(LinkSpec(rtt_ms=rtt_ms, engine=engine)) as lab:
        for _ in range(5):
            found = statistics.median(lab.measure_rtt(n=20))
            if abs(found - rtt_ms) <= 0.5:
                break

    demand(abs(found - rtt_ms) <= 0.5, f"{engine}: {found:.2f} ms at {rtt_ms} ms")


ONE_WAY = """
import json, socket, statistics, struct, sys, time
sys.path.append(sys.argv[1])
from vestbench.simulator.link import lab_link
from vestbench.simulator.link.forwarder import virtual_address
from vestbench.simulator.link.line import Line
from vestbench.simulator.link.messages import GiveAccount, LinkAccount

lab_link.enter_network()
link = lab_link.start_packet_link(
    lab_link.open_device("packet"), [(Line(5), Line(45))]
)
server, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
server.bind(("10.99.0.1", 7000))
up, down = [], []
for _ in range(22):
    sent = time.perf_counter_ns()
    client.sendto(b"ping", (virtual_address(), 7000))
    _, peer = server.recvfrom(100)
    turned = time.perf_counter_ns()
    server.sendto(b"pong", peer)
    client.recv(100)
    up.append((turned - sent) / 1e6)
    down.append((time.perf_counter_ns() - turned) / 1e6)
assert link.ask(GiveAccount(), LinkAccount).packets == 44
print(json.dumps([statistics.median(up), statistics.median(down)]))
"""


@pytest.mark.link
def test_the_two_directions_can_differ() -> None:
    need_link("packet")
    command = [sys.executable, "-I", "-c", ONE_WAY, ROOT]
    up, down = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )

    # A packet is handed over early by what handing over took so far, at most by this.
    early = MAX_COMPENSATION_NS / 1e6
    assert up >= 5 - early
    assert down >= 45 - early
    demand(max(up - 5, down - 45) <= 1.5, f"{up:.2f} ms up, {down:.2f} ms down")


@pytest.mark.link
def test_a_closed_port_is_one_line() -> None:
    with packet_lab(rtt_ms=2) as lab, pytest.raises(LabError) as caught:
        lab.measure_rtt(port=9)

    assert str(caught.value) == (
        "the lab: no connection through the link to 10.99.0.2:9: "
        "[Errno 111] Connection refused"
    )


@pytest.mark.link
def test_drift_grows_the_kernel_round_trip() -> None:
    with packet_lab(rtt_ms=10, drift_ms_per_s=100) as lab:
        found = lab.measure_rtt(n=15)

    # Fourteen connects of at least 10 ms each come before the last, which is therefore
    # delayed by 24 ms or more; a busy machine only ever adds to that, and to the first.
    assert found[-1] >= 24


@pytest.mark.link
def test_jitter_only_ever_adds_to_the_kernel_round_trip() -> None:
    with packet_lab(rtt_ms=10, jitter_ms=3) as lab:
        found = lab.measure_rtt(n=20)
        report = lab.stop()

    assert min(found) >= 9.8
    assert statistics.median(found) >= 12
    assert report.disturbed == ""


UDP = """
import socket, sys, time
receiver, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
receiver.bind(("10.99.0.1", 7000))
for _ in range(500):
    sender.sendto(b"x", ("10.99.0.2", 7000))
time.sleep(0.1)
"""


@pytest.mark.link
def test_the_link_drops_exactly_the_packets_that_its_seed_names() -> None:
    with packet_lab(rtt_ms=2, loss=0.1, seed=7) as lab:
        run_in_lab(lab, UDP)
        report = lab.stop()

    line = Line(1, loss=0.1, seed="7/0/up")
    assert report.dropped == sum(drops(line, arrivals(500, 0.1)))
    assert report.packets == 500 - report.dropped
    assert report.overflow == 0


@pytest.mark.link
def test_a_stalled_forwarder_is_flagged() -> None:
    with packet_lab(rtt_ms=5) as lab:
        os.kill(lab.forwarder_pid, signal.SIGSTOP)
        wake = threading.Timer(0.3, os.kill, (lab.forwarder_pid, signal.SIGCONT))
        wake.start()
        (rtt,) = lab.measure_rtt(n=1)
        wake.join()
        report = lab.stop()

    worst = max(late for _, late in report.late_events)
    assert rtt >= 200
    assert worst >= 200 * MS
    assert report.late_us is not None
    assert report.late_us[3] == pytest.approx(worst / 1e3)


TRANSFER = """
import os, socket, sys
listener = socket.create_server(("10.99.0.1", 0))
if os.fork() == 0:
    with listener.accept()[0] as server:
        server.sendall(bytes(20_000_000))
    os._exit(0)
with socket.create_connection(("10.99.0.2", listener.getsockname()[1])) as client:
    total = 0
    while part := client.recv(1 << 20):
        total += len(part)
sys.exit(total != 20_000_000)
"""


@pytest.mark.link
def test_a_transfer_of_20_mb_overflows_no_queue(engine: str) -> None:
    with open_lab(LinkSpec(rtt_ms=10, engine=engine)) as lab:
        run_in_lab(lab, TRANSFER)
        report = lab.stop()

    assert report.packets > 20_000_000 / 1_500
    assert report.overflow == 0
    assert report.disturbed == ""


@pytest.mark.link
def test_the_report_says_what_the_link_was(engine: str) -> None:
    spec = LinkSpec(rtt_ms=3, engine=engine)
    with open_lab(spec) as lab:
        before = lab.measure_rtt()
        lab.measure_rtt(n=1)
        after = lab.measure_rtt(n=2)
        report = lab.stop()

    assert (report.engine, report.spec, report.mtu) == (engine, spec, 1500)
    assert report.kernel_rtt_before_ms == before
    assert report.kernel_rtt_after_ms == after
    # What the self-test of the link sent is not counted: 8 connects of 6 or 7 packets.
    assert 8 * 3 <= report.packets <= 8 * 7
    assert report.congestion_control in ("cubic", "reno")
    assert (report.compensation_us > 0) == (engine == "packet")
