"""The studies of overhead compute what they say, and start what they say."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.bench import (
    client_cost,
    memory,
    program_cost,
    start_up,
    throughput,
    typer_versions,
    verdict_cost,
)
from tests.bench.client_cost import Batch, Pair
from tests.bench.start_up import Listener
from tests.bench.throughput import Cost
from tests.support.paths import RESULTS
from tests.support.records import failure, sample
from vestbench.model.request import Outcome, RequestSpec, Slot

SPEC = RequestSpec(endpoint="test", method="GET", url="https://127.0.0.1/")


def test_ratios_are_taken_within_a_round() -> None:
    assert start_up.ratios([3.0, 1.0], [2.0, 2.0]) == [1.5, 0.5]


def test_the_start_is_held_against_what_ran_in_the_same_round() -> None:
    taken = {
        "import typer": 8 * [0.1],
        "vestbench --help": 8 * [0.12],
        "vestbench --version": 8 * [0.16],
        "vestbench bench": 8 * [0.3],
        "bare imports": 8 * [0.25],
        "simulator": 8 * [0.2],
        "simulator, 30 ms": 8 * [0.51],
    }

    outcomes = {bar.name: bar.outcome for bar in start_up.bars(taken)}

    assert outcomes == {
        "vestbench --help, of import typer": "met",
        "vestbench --version, of import typer": "missed",
        "vestbench bench, of bare imports": "met",
        "simulator, up": "met",
        "simulator, 30 ms, up": "missed",
    }


def test_help_is_held_against_the_fastest_version_that_is_allowed() -> None:
    taken = {
        ("program --help", "0.26.0"): 8 * [0.11],
        ("program --help", "0.28.0"): 8 * [0.1],
        ("vestbench bench --help", "0.26.0"): 8 * [0.135],
        ("vestbench bench --help", "0.28.0"): 8 * [0.12],
    }

    found = typer_versions.bars(taken, ["0.26.0", "0.28.0"])

    assert [bar.outcome for bar in found] == ["missed", "met"]
    assert all(bar.name.endswith("typer 0.28.0") for bar in found)


def test_the_range_of_typer_is_the_one_that_was_measured() -> None:
    stored = tomllib.loads(
        (RESULTS / "overhead-typer-versions.toml").read_text("utf-8")
    )

    assert stored["allowed"] == typer_versions.allowed(typer_versions.VERSIONS)
    assert stored["passed"]


def test_a_program_is_held_against_the_bare_lab_of_the_same_round() -> None:
    bare = [10.0, 20.0, *(6 * [11.0])]

    found = program_cost.bars(8 * [0.3], [each + 0.02 for each in bare], bare)

    assert [bar.outcome for bar in found] == ["met", "met"]
    assert found[1].found.median == pytest.approx(0.02)
    slow = program_cost.bars(8 * [0.6], [each + 0.2 for each in bare], bare)
    assert [bar.outcome for bar in slow] == ["missed", "missed"]


@pytest.mark.parametrize("bare", [start_up.bare_pair, start_up.bare_single])
def test_what_is_bare_is_a_program(bare: Any) -> None:
    _, option, script, *_ = bare(8443)

    assert option == "-c"
    assert "typer.run(main)" in ast.unparse(ast.parse(script))
    assert "8443" in script
    assert "vestbench" not in script


def test_the_first_byte_of_a_program_is_noticed(tmp_path: Path) -> None:
    with closing(Listener(tmp_path)) as listener:
        send = f"create_connection(('127.0.0.1', {listener.port})).sendall(b'x')"
        script = f"import socket, time; socket.{send}; time.sleep(60)"

        taken = listener.seconds_to_first_byte([sys.executable, "-c", script])

    assert taken > 0


def test_a_program_that_fails_has_no_time(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="exit status 3"):
        start_up.seconds_to_end([sys.executable, "-c", "raise SystemExit(3)"])


class FakeSession:
    build_ns = 0
    notes = ()

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.sent = 0

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        self.sent += 1
        return self._outcome


def test_a_batch_sends_as_many_requests_of_each_client() -> None:
    bare: list[int] = []
    session: Any = FakeSession(sample(reused=True, send=1, wait=2, receive=0, client=1))

    batch = client_cost.measure(
        Pair(ours=session, bare=lambda: bare.append(1)), SPEC, Random(1)
    )

    assert session.sent == len(bare) == client_cost.PAIRS
    assert (batch.ours, batch.client) == (4.0, 1.0)
    assert batch.bare > 0


@pytest.mark.parametrize("outcome", [failure(), sample(reused=False)])
def test_a_batch_that_was_not_pooled_is_refused(outcome: Outcome) -> None:
    session: Any = FakeSession(outcome)

    with pytest.raises(ConnectionError):
        client_cost.measure(Pair(ours=session, bare=lambda: None), SPEC, Random(1))


@pytest.mark.parametrize(("ours", "outcome"), [(1.04, "met"), (1.06, "missed")])
def test_five_percent_above_the_bare_library_are_allowed(
    ours: float, outcome: str
) -> None:
    batches = 8 * [Batch(ours=ours, client=0.5, call=1.1, bare=1.0)]

    (bar,) = client_cost.bars({"httpx": batches})

    assert bar.outcome == outcome


def test_httpx_is_always_measured() -> None:
    assert "httpx" in client_cost.pairs()


@pytest.mark.parametrize(
    ("savings", "verdict"),
    [
        ([60.0] * 100, "PASS"),
        ([40.0] * 100, "FAIL"),
        ([40.0] * 50 + [60.0] * 50, "INCONCLUSIVE"),
    ],
)
def test_a_fixed_design_decides_by_its_interval(
    savings: list[float], verdict: str
) -> None:
    assert verdict_cost.of_savings(savings)[0] == verdict


def test_a_run_is_time_in_requests_between_them_and_outside() -> None:
    ms = 1_000_000
    spans = [(6 * ms, 8 * ms), (0, 2 * ms), (3 * ms, 5 * ms)]

    found = throughput.cost(spans, seconds=0.5, cpu_s=0.006)

    assert found == Cost(
        seconds=0.5,
        latency_ms=2.0,
        between_ms=1.0,
        cpu_ms=pytest.approx(2.0),  # type: ignore[arg-type]
        outside_s=pytest.approx(0.492),  # type: ignore[arg-type]
    )


def test_a_change_is_told_by_ratios_within_rounds() -> None:
    def cost(factor: float) -> Cost:
        return Cost(
            seconds=2 * factor,
            latency_ms=factor,
            between_ms=factor,
            cpu_ms=factor,
            outside_s=factor,
        )

    found = throughput.ratios([cost(1), cost(3)], [cost(2), cost(6)])

    assert {name: figure["median"] for name, figure in found.items()} == {
        **dict.fromkeys(("seconds", "latency_ms", "between_ms"), 0.5),
        **dict.fromkeys(("cpu_ms", "outside_s"), 0.5),
    }


# --- memory --------------------------------------------------------------------------


def test_what_a_process_grew_by_is_its_most_less_its_first_reading() -> None:
    process = memory.Resident()
    for reading in (40, 45, 60, 50):
        process.take(reading)

    assert process.growth == 20


def test_each_process_that_sends_is_held_against_the_limit() -> None:
    def grown(by: float) -> memory.Resident:
        return memory.Resident(begin=1, most=1 + int(by * memory.MB))

    watched = memory.Watched(
        seconds=1.0,
        by_process={
            memory.COMMAND: grown(20.5),
            memory.SENDING: grown(19.5),
            memory.EXCHANGE: grown(99),
        },
        after=0,
    )

    outcomes = {bar.name: bar.outcome for bar in memory.bars(watched)}

    assert outcomes == {"command, grown": "missed", "sending process, grown": "met"}


def test_the_memory_of_a_process_is_what_the_kernel_says() -> None:
    script = (
        "import sys; held = bytearray(b'x' * 50_000_000); print(flush=True); input()"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with program:
        assert program.stdout is not None
        program.stdout.readline()
        now, most = memory.resident(program.pid), memory.most_resident(program.pid)
        program.communicate()

    assert 50_000_000 < now <= most
    assert memory.resident(program.pid) == memory.most_resident(program.pid) == 0


def test_a_run_is_watched_from_its_first_requests_to_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "memory.toml"

    status = memory.main(["--requests", "2000", "--output", str(path)])

    found = tomllib.loads(path.read_text())
    assert status == 0
    names = {row["name"] for row in found["process"]}
    assert names == {memory.COMMAND, memory.SENDING, memory.EXCHANGE}
    assert all(row["begin_mb"] > 10 for row in found["process"])
    assert found["after_mb"] > 10
    assert found["report_mb"] > 10
