"""HTTP/2 on every stack, counted by the simulated exchange."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import vestbench
from tests.support.servers import SLOT, plan
from tests.support.studies import bench_of, compare_of
from vestbench.model.columns import client_ns, network_ns
from vestbench.model.request import Sample
from vestbench.model.simulated import ExchangeCounters, ExchangeSpec
from vestbench.model.strategy import HTTP2, POOLED, RESUMED, UNPOOLED, WARMED, Strategy
from vestbench.simulator.exchange_process import ExchangeProcess
from vestbench.simulator.http.behaviour import Behaviour
from vestbench.stacks.registry import STACKS, find_stack
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.registry import load_run
from vestbench.venues.vest.public import vest

NAMES = list(STACKS)
SAFE_IN_BURSTS = [info.name for info in STACKS.values() if info.http2_bursts]
OTHERS = [info.name for info in STACKS.values() if not info.http2_bursts]


class Exchange:
    """An exchange that offers HTTP/2, and a client of one stack for it."""

    def __init__(self, process: ExchangeProcess, stack: Any) -> None:
        self._venue = vest("sim", process.base_url())
        self.process = process
        self.stack = stack

    def counters(self) -> ExchangeCounters:
        return self.process.counters()

    @contextmanager
    def opened(self, **values: object) -> Iterator[Any]:
        session = self.stack.open(plan(**{"http2": True, **values}))
        try:
            yield session
        finally:
            session.close()

    def send(self, session: Any, count: int = 1) -> list[Sample]:
        return [self._sampled(session.send(self._spec(), SLOT)) for _ in range(count)]

    def burst(self, session: Any, width: int) -> list[Sample]:
        specs = [self._spec() for _ in range(width)]
        return [self._sampled(one) for one in session.burst(specs, [SLOT] * width)]

    def _spec(self) -> Any:
        return self._venue.request(self._venue.endpoint(), now_ms=0)

    def _sampled(self, outcome: object) -> Sample:
        assert isinstance(outcome, Sample), outcome
        return outcome


@contextmanager
def exchange(
    name: str, behaviour: Behaviour | None = None, **spec: object
) -> Iterator[Exchange]:
    settings: dict[str, object] = {"processing_ms": 0.0, "http2": True, **spec}
    described = ExchangeSpec(**settings)  # type: ignore[arg-type]
    with ExchangeProcess(described, behaviour=behaviour) as process:
        yield Exchange(process, find_stack(name).load()(process.ca_pem))


@pytest.fixture(scope="module", params=NAMES)
def shared(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    with exchange(request.param, processing_ms=20.0) as found:
        yield found


@pytest.mark.parametrize(
    ("strategy", "connections", "resumed"),
    [
        (HTTP2, 1, 0),
        (POOLED, 1, 0),
        (UNPOOLED, 4, 0),
        (RESUMED, 4, 3),
    ],
)
def test_each_way_of_connecting_is_what_it_is_called(
    shared: Exchange, strategy: Strategy, connections: int, resumed: int
) -> None:
    before = shared.counters()
    with shared.opened(strategy=strategy) as session:
        samples = shared.send(session, 4)
    after = shared.counters()

    assert after.connections - before.connections == connections
    assert after.requests - before.requests == 4
    assert after.resumed - before.resumed == resumed
    assert {sample.http_version for sample in samples} == {"HTTP/2"}
    assert sum(not sample.reused for sample in samples) == connections
    assert sum(s.resumed and not s.reused for s in samples) == resumed
    assert [s.use for s in samples] == ([1, 2, 3, 4] if connections == 1 else [1] * 4)


def test_without_the_offer_the_same_exchange_is_spoken_to_in_http_1(
    shared: Exchange,
) -> None:
    with shared.opened(http2=False) as session:
        samples = shared.send(session, 2)

    assert {sample.http_version for sample in samples} == {"HTTP/1.1"}
    assert [sample.reused for sample in samples] == [False, True]


def test_an_offer_that_the_exchange_does_not_take_is_http_1() -> None:
    for name in NAMES:
        with exchange(name, http2=False) as found, found.opened() as session:
            samples = found.send(session, 2)

        assert {sample.http_version for sample in samples} == {"HTTP/1.1"}
        assert [sample.reused for sample in samples] == [False, True]


@pytest.mark.parametrize("shared", SAFE_IN_BURSTS, indirect=True)
@pytest.mark.parametrize("width", [2, 3, 4, 8])
def test_a_burst_shares_one_connection_that_is_open(
    shared: Exchange, width: int
) -> None:
    with shared.opened(strategy=HTTP2, concurrency=width) as session:
        first = shared.send(session)
        before = shared.counters()
        samples = shared.burst(session, width)
        after = shared.counters()

    assert after.connections == before.connections
    assert after.requests - before.requests == width
    assert all(sample.reused for sample in samples)
    assert {sample.connection for sample in samples} == {first[0].connection}
    assert {sample.local_port for sample in samples} == {first[0].local_port}


@pytest.mark.parametrize("shared", SAFE_IN_BURSTS, indirect=True)
def test_requests_that_wait_for_a_shared_connection_are_cold(shared: Exchange) -> None:
    with shared.opened(strategy=HTTP2, concurrency=4) as session:
        first = shared.burst(session, 4)
        second = shared.burst(session, 4)

    assert not any(sample.reused for sample in first)
    assert all(sample.reused for sample in second)


@pytest.mark.parametrize("name", OTHERS)
def test_bursts_over_http2_are_refused_where_they_are_unsafe(name: str) -> None:
    words = ("--stack", name, "--http2", "--concurrency", "2", "--rtt", "0ms")

    result = vestbench("bench", *words)

    assert result.exit_code == 2, result.output
    assert "not safe with several threads" in result.stderr


@pytest.mark.parametrize("shared", OTHERS, indirect=True)
def test_a_warm_up_over_http2_is_one_request_after_another(shared: Exchange) -> None:
    before = shared.counters()
    with shared.opened(strategy=WARMED) as session:
        samples = shared.burst(session, 3)
        notes = session.notes
    after = shared.counters()

    assert after.connections - before.connections == 1
    assert [sample.reused for sample in samples] == [False, True, True]
    ends = [sample.start_ns + sample.latency_ns for sample in samples]
    assert all(s.start_ns >= end for s, end in zip(samples[1:], ends, strict=False))
    assert "follow each other" in " ".join(notes)


def test_the_phases_of_an_exchange_are_not_those_of_its_settings(
    shared: Exchange,
) -> None:
    with shared.opened(strategy=HTTP2) as session:
        samples = shared.send(session, 3)

    if shared.stack.facts.stack == "reqwest":
        assert {network_ns(sample) for sample in samples} == {None}
        return
    for sample in samples:
        assert sample.send_ns is not None
        assert sample.wait_ns is not None
        assert sample.receive_ns is not None
        own = client_ns(sample)
        assert own is not None
        assert min(sample.send_ns, sample.receive_ns, own) >= 0
        # The server thinks for 20 ms, its settings arrive at once.
        assert sample.send_ns + sample.wait_ns >= 20_000_000


@pytest.mark.parametrize("name", NAMES)
def test_a_connection_closed_while_idle_makes_the_next_request_cold(name: str) -> None:
    with exchange(name, idle_timeout_s=0.1) as found:
        with found.opened(strategy=HTTP2) as session:
            first = found.send(session)
            while found.counters().open_connections:
                pass
            settle(session)
            later = found.send(session)

        assert found.counters().requests == 2
        assert found.counters().connections == 2
    assert [sample.reused for sample in (*first, *later)] == [False, False]


def settle(session: Any) -> None:
    """Wait until a client that closes by itself has noticed what the server did."""
    watch = getattr(session, "_watch", None)
    while watch is not None and watch.is_open():
        pass


def test_http2_is_compared_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    ways = ("http2", "unpooled")

    result = vestbench(
        *("compare", *ways, "--stack", "all", "--rtt", "0ms", "--processing", "0ms"),
        *("--min-saving", "0.01ms", "--max-rounds", "12", "--output", str(path)),
    )

    assert result.exit_code in (0, 1, 3), result.output  # valid, fast or not
    run = load_run(path)
    for sample in run.samples:
        shared = sample.slot.arm.endswith("http2")
        assert sample.http_version == ("HTTP/2" if shared else "HTTP/1.1")
        assert sample.reused is shared
    assert all(arm.valid for arm in summarise_compare(compare_of(run)).arms)


def test_a_bot_that_is_built_with_http2_speaks_it_on_every_arm(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"

    result = vestbench(
        *("bench", "--stack", "reqwest", "--http2", "-n", "24", "--sessions", "2"),
        *("-c", "4", "--rtt", "0ms", "--output", str(path)),
    )

    assert result.exit_code == 0, result.output
    run = load_run(path)
    assert {sample.http_version for sample in run.samples} == {"HTTP/2"}
    assert run.plan.http2 is True
    assert bench_of(run).plan.kept_idle == 4
    assert "closes idle connections" not in result.stdout
