"""The kernel's timestamps of requests: under httpx, stored, and shown."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import vestbench
from tests.support.printed import rendered
from tests.support.records import bench_run, known, sample
from tests.support.servers import SLOT, ScriptedServer, Visit, plan, tls_pair
from tests.support.stamps import kernel
from tests.support.studies import bench_of, planned
from vestbench.kernel.stamped import StampedSocket
from vestbench.kernel.timestamps import KernelStamps, unsupported
from vestbench.model.client import SessionPlan
from vestbench.model.request import Sample
from vestbench.model.run import Run
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.parts.kernel import kernel_offsets
from vestbench.studies.registry import load_run

# Under httpx.


def asking(*, asked: bool = True) -> SessionPlan:
    return replace(plan(), kernel_timestamps=asked)


def outcomes(
    count: int, version: ssl.TLSVersion | None = None, *, asked: bool = True
) -> tuple[list[Sample], ScriptedServer]:
    found = []
    pair = tls_pair(version=version)
    with ScriptedServer(tls=pair.server) as server:
        session = HttpxStack(pair.ca_pem).open(asking(asked=asked))
        for _ in range(count):
            outcome = session.send(server.get(), SLOT)
            assert isinstance(outcome, Sample), outcome
            found.append(outcome)
        session.close()
    return found, server


@kernel
def test_the_offsets_lie_within_the_window_that_was_measured() -> None:

    samples, server = outcomes(8)

    assert len(server.visits) == 1
    assert [each.reused for each in samples] == [False] + [True] * 7
    for each in samples[1:]:
        assert each.kernel_send_ns is not None
        assert each.kernel_receive_ns is not None
        # Two clocks are compared, whose conversion may be off by a microsecond.
        assert each.kernel_send_ns > -2_000
        assert each.kernel_receive_ns > -2_000
        window = known(each.send_ns) + known(each.wait_ns)
        assert each.kernel_send_ns + each.kernel_receive_ns <= window + 4_000


@kernel
def test_session_tickets_of_tls_1_3_are_not_taken_for_the_answer() -> None:

    (first, _), _ = outcomes(2, ssl.TLSVersion.TLSv1_3)

    assert first.kernel_send_ns is not None
    assert first.kernel_receive_ns is None


@kernel
def test_in_tls_1_2_the_first_answer_is_stamped_too() -> None:

    (first, _), _ = outcomes(2, ssl.TLSVersion.TLSv1_2)

    assert first.kernel_receive_ns is not None


@kernel
def test_an_answer_that_comes_in_pieces_is_stamped_by_its_first() -> None:
    pair = tls_pair(version=ssl.TLSVersion.TLSv1_2)

    def slowly(visit: Visit) -> None:
        while visit.request():
            visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            time.sleep(0.05)
            visit.send(b"{}")

    with ScriptedServer(slowly, tls=pair.server) as server:
        session = HttpxStack(pair.ca_pem).open(asking())
        outcome = session.send(server.get(), SLOT)
        session.close()

    assert isinstance(outcome, Sample)
    assert outcome.kernel_receive_ns is not None
    # The second piece came 50 ms later: then this would be negative.
    assert outcome.kernel_receive_ns > -2_000


@kernel
def test_a_server_that_closes_is_noticed_as_without_timestamps() -> None:
    pair = tls_pair()

    def once(visit: Visit) -> None:
        visit.request()
        visit.answer()

    with ScriptedServer(once, tls=pair.server) as server:
        session = HttpxStack(pair.ca_pem).open(asking())
        first = session.send(server.get(), SLOT)
        assert server.visits[0].ended.wait(10.0)
        second = session.send(server.get(), SLOT)
        session.close()

    assert isinstance(first, Sample)
    assert isinstance(second, Sample)
    assert (second.reused, len(server.visits)) == (False, 2)


def test_nobody_pays_for_what_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a stamp was asked for")

    for name in ("sent", "arrived", "__init__"):
        monkeypatch.setattr(StampedSocket, name, refuse)
    monkeypatch.setattr(KernelStamps, "__init__", refuse)

    samples, _ = outcomes(3, asked=False)

    assert {(s.kernel_send_ns, s.kernel_receive_ns) for s in samples} == {(None, None)}


# Where it cannot be done.


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert unsupported() == "darwin has no SO_TIMESTAMPING, only Linux has"


def test_a_kernel_that_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def setsockopt(self, *arguments: Any) -> None:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(socket, "socket", Refusing)

    assert unsupported() == "this kernel refuses SO_TIMESTAMPING: Invalid argument"


def test_a_machine_without_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    reason = "plan9 has no SO_TIMESTAMPING, only Linux has"
    monkeypatch.setattr("vestbench.kernel.timestamps.unsupported", lambda: reason)

    result = vestbench("bench", "--kernel-timestamps")

    assert result.exit_code == 2
    assert result.stderr == f"error: --kernel-timestamps: {reason}\n"
    assert list(tmp_path.iterdir()) == []


def test_unpooled_requests_are_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vestbench.kernel.timestamps.unsupported", lambda: "")

    result = vestbench("bench", "--kernel-timestamps", "--unpooled")

    assert result.exit_code == 2
    assert "session tickets" in result.stderr
    assert result.stderr.count("\n") == 1


# What is made of them.


def stamped_run(*offsets: tuple[int | None, int | None]) -> BenchRun:
    samples = [
        sample(0, place, reused=True, kernel_send_ns=send, kernel_receive_ns=receive)
        for place, (send, receive) in enumerate(offsets)
    ]
    run = bench_run(samples)
    return bench_of(planned(run, kernel_timestamps=True))


def test_both_offsets_are_added_for_each_request_and_never_across() -> None:
    # The medians of the parts add up to 0.11; the median of the sums is 0.20.
    run = stamped_run((10_000, 190_000), (100_000, 100_000), (190_000, 10_000))

    found = kernel_offsets(run)

    assert found is not None
    assert found.both is not None
    assert found.both.p50.point == pytest.approx(0.2)
    assert (found.both.low, found.both.high) == pytest.approx((0.2, 0.2))
    assert (found.requests, found.stamped) == (3, 3)


def test_a_request_without_both_is_not_counted() -> None:
    found = kernel_offsets(stamped_run((10_000, None), (None, 5_000), (1_000, 2_000)))

    assert found is not None
    assert found.before is not None
    assert (found.requests, found.stamped, found.before.n) == (3, 1, 1)


def test_a_run_that_asked_for_none_has_none() -> None:
    run = bench_run([sample(0, 1, reused=True)])

    assert summarise_bench(bench_of(run)).kernel is None
    assert "kernel's timestamps" not in shown(run)


def shown(run: Run) -> str:
    return rendered(run, 300)


def test_the_report_says_what_the_host_adds_with_its_interval_and_number() -> None:
    offsets = [(40_000 + 1_000 * n, 160_000) for n in range(41)]

    text = shown(stamped_run(*offsets, (30_000, None)))

    assert (
        "This host adds 0.220 ms to the wire window, which is send and wait "
        "(95 % CI [0.213, 0.227], median of 41 requests by the kernel's timestamps)"
    ) in text
    assert "not counted: 1 request without both stamps" in text


def test_the_report_says_when_nothing_came_back() -> None:
    text = shown(stamped_run((None, None), (20_000, None)))

    assert "No kernel timestamps came back" in text


@kernel
def test_bench_stores_and_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["bench", "-n", "40", "--rtt", "0ms", "--processing", "1ms", "--seed", "1"]

    result = vestbench(*words, "--kernel-timestamps", "-o", "run.toml", "--json")
    again = vestbench("report", "run.toml")

    assert result.exit_code == 0, result.output
    run, document = load_run(Path("run.toml")), json.loads(result.stdout)
    subsequent = [each for each in run.samples if each.reused]
    assert all(each.kernel_receive_ns is not None for each in subsequent)
    assert bench_of(run).plan.kernel_timestamps is True
    assert document["summary"]["kernel"]["stamped"] == len(subsequent) == 20
    assert "This host adds" in again.stdout
    assert "not counted: 20 requests" in again.stdout
