"""The Python functions measure as the commands do, silently, and anywhere."""

from __future__ import annotations

import inspect
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import typer

import vestbench
from tests.support.records import bench_run, sessions, warm_up_run
from tests.support.studies import compare_of
from vestbench import api, bench, compare, simulated_exchange
from vestbench.api import measure
from vestbench.cli import app, settings
from vestbench.cli.options import ExchangeOptions, LinkOptions
from vestbench.errors import UsageError, VenueError
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import Role, Slot
from vestbench.model.run import Link, Plan, Run, RunOf
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.model.strategy import POOLED
from vestbench.model.verdict import Verdict
from vestbench.running.destination import Destination
from vestbench.running.job import Measurement
from vestbench.running.pace import Pace
from vestbench.studies.registry import load_run

# Loopback: no link to start, and a few milliseconds a request.
QUICK: Mapping[str, Any] = {
    "rtt": "0ms",
    "exchange": ExchangeSpec(processing_ms=0.0),
    "seed": 1,
}


def test_bench_returns_what_the_run_says() -> None:
    result = bench(requests=40, min_saving="500ms", **QUICK)

    assert not result.passed
    assert result.acceptance is Verdict.FAIL
    assert result.run.command == "bench"
    assert len(result.run.samples) == 40
    assert result.saving is not None
    assert result.saving.interval is not None
    assert "saving ≥ 500 ms: FAIL" in result.report()
    assert repr(result).startswith("<Result FAIL: pooled, saving >= 500ms: FAIL, ")
    assert "\n" not in repr(result)


def test_compare_returns_what_the_rounds_say() -> None:
    result = compare("pooled", "unpooled", min_saving="0.01ms", **QUICK)

    assert result.passed
    assert result.run.label == "pooled-unpooled"
    (found,) = result.assertions
    assert found.text == "saving >= 0.01ms"
    assert "PASS against ≥ 0.01 ms" in result.report()


@pytest.mark.parametrize("stack", ["httpx2", "reqwest"])
def test_another_stack_measures_the_same(stack: str) -> None:
    result = bench(requests=40, stack=stack, assertions=["reused == 100%"], **QUICK)

    assert result.passed, result.report()
    assert result.run.conditions.stack == stack


def test_every_stack_compares_with_its_own_control() -> None:
    options: dict[str, Any] = {**QUICK, "min_saving": "0.01ms", "max_rounds": 12}

    result = compare("http2", "unpooled", stack="all", **options)

    versions = {s.http_version for s in result.run.samples if "http2" in s.slot.arm}
    assert versions == {"HTTP/2"}
    assert len(result.assertions) == len(compare_of(result.run).plan.arms) / 2 >= 2


def test_assertions_alone_ask_for_no_saving() -> None:
    asked: dict[str, Any] = {
        "requests": 30,
        "assertions": ["failures == 0", "reused == 100%"],
    }

    alone = bench(**asked, **QUICK)
    with_saving = bench(**asked, min_saving="500ms", **QUICK)

    assert alone.passed
    assert with_saving.acceptance is Verdict.FAIL


def test_doubt_is_no_pass() -> None:
    result = bench(requests=24, sessions=6, min_saving="0.01ms", **QUICK)

    assert result.acceptance is Verdict.INCONCLUSIVE
    assert not result.passed


@pytest.mark.parametrize(
    "broken",
    [
        {"exchange": ExchangeSpec(processing_ms=0.0, max_requests=1)},
        {"pool": PoolSettings(max_idle=0)},
    ],
    ids=["the exchange closes", "the pool keeps nothing"],
)
def test_a_pool_that_does_not_pool_never_passes(broken: dict[str, Any]) -> None:
    options = {**QUICK, **broken}

    result = compare("pooled", "unpooled", min_saving="0.01ms", **options)

    assert result.acceptance is Verdict.INVALID
    assert result.saving is None


def test_a_warm_up_run_has_a_saving_too() -> None:
    run = warm_up_run(sessions([100.0] * 12))

    assert api.Result(run).saving is not None


# Silently, and anywhere


def test_nothing_is_printed_kept_or_handled(
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VESTBENCH_MIN_SAVING", "nonsense")
    (tmp_path / "vestbench.toml").write_text("[pool\n")
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]

    result = bench(requests=24, **QUICK)

    assert capfd.readouterr() == ("", "")
    assert os.listdir() == ["vestbench.toml"]
    assert result.path is None
    assert [signal.getsignal(number) for number in numbers] == handlers


def test_a_result_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    result = bench(requests=24, results=tmp_path / "kept", **QUICK)

    assert result.path is not None
    assert result.path.parent == tmp_path / "kept"
    assert load_run(result.path).samples == result.run.samples


def test_only_an_undecided_comparison_can_be_gone_on_with(tmp_path: Path) -> None:
    # A hundredth of what handshakes take: decided, however busy the machine is.
    first = compare(min_saving="0.01ms", max_rounds=200, results=tmp_path, **QUICK)
    assert first.path is not None

    with pytest.raises(UsageError, match="is decided: PASS"):
        compare(min_saving="0.01ms", resume=first.path, **QUICK)


def test_threads_may_measure_at_the_same_time() -> None:
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(bench, requests=24, **QUICK) for _ in range(2)]
        found = [each.result() for each in started]

    for result in found:
        assert len(result.run.samples) == 24
        assert sum(s.reused for s in result.run.samples) == 12


class _Interrupted:
    """A job that is interrupted after its first request."""

    command, label, earlier = "bench", "pooled", None
    recorded = most_requests = 1
    plan: Plan = bench_run().plan
    facts: Mapping[str, Any] = {"strategy": "pooled", "concurrency": 1}

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:
        return {}

    def measure(self, measurement: Measurement) -> None:
        session = measurement.stack.open(SessionPlan(pool=PoolSettings()))
        slot = Slot(session=0, index=0, role=Role.COLD)
        measurement.record(session.send(measurement.request(), slot))
        raise KeyboardInterrupt

    def summary(self, run: Run) -> Mapping[str, Any]:
        return {}


def test_an_interruption_is_not_swallowed() -> None:
    place = Destination(pool=PoolSettings(), exchange=ExchangeSpec(processing_ms=0.0))

    with pytest.raises(KeyboardInterrupt):
        measure._measured(_Interrupted(), place, 1000, None)


def test_a_venue_that_cannot_be_reached_is_an_error(unused_port: int) -> None:
    url = f"https://127.0.0.1:{unused_port}/"

    with pytest.raises(VenueError, match="no usable response"):
        bench(requests=24, venue=url, rate=1000)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: bench(min_saving="50"), "min_saving: '50' has no unit"),
        (lambda: bench(rtt="far"), "rtt: 'far' is not a duration"),
        (lambda: bench(confidence=42), "confidence: 42"),
        (lambda: bench(assertions=["saving"]), "--assert: 'saving' is no assertion"),
        (lambda: bench(min_saving="1ms", pooled=False), "not with pooled=False"),
        (lambda: bench(venue="nowhere"), "use sim, vest, vest-dev, paradex"),
        (lambda: bench(venue="vest", requests=5000), "--budget 5004 allows them"),
        (lambda: compare("pooled"), "needs two or more"),
        (lambda: bench(stack="all"), "stack: bench measures one stack"),
        (lambda: bench(stack="curl"), "'curl'"),
        (
            lambda: compare("http2", "unpooled", venue="http://127.0.0.1/"),
            "http2 needs TLS",
        ),
        (lambda: compare("pooled", "slow"), "'slow' is no way of connecting"),
        (lambda: compare(min_saving="120%"), "write for example 30%"),
        (lambda: compare(vote="two"), "vote: 'two' is not one of round, pair"),
        (lambda: compare(question="none"), "question: 'none'"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(
    call: Callable[[], object], hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        call()

    assert hint in str(refused.value)


# The same as the commands


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


# What the functions take as records, and what only a command has.
RECORDS = {"link", "exchange", "pool"}
OTHER_DEFAULTS = {
    "min_saving": "here for None, or in the settings",
    "rtt": "the simulated venue's own",
    "venue": "in the settings",
    "interval": "",
    "results": "kept by the command, not by the function",
    "assertions": "",
    "names": "an argument there",
    "max_rounds": "",
}


@pytest.mark.parametrize("name", ["bench", "compare"])
def test_arguments_are_called_as_the_options_are(name: str) -> None:
    function: Callable[..., Any] = getattr(vestbench, name)
    parameters = inspect.signature(function).parameters
    options = {p.name: p for p in commands()[name].params}
    renamed = {"assertions": "asserted"}

    for key, parameter in parameters.items():
        if key in RECORDS:
            continue
        option = options[renamed.get(key, key)]
        if key not in OTHER_DEFAULTS:
            assert parameter.default == option.default, key


def test_the_defaults_of_the_simulated_venue_are_those_of_the_commands() -> None:
    rtt = inspect.signature(bench).parameters["rtt"].default

    link = settings.link_spec(LinkOptions(), 1)
    assert link is not None
    assert rtt == f"{link.rtt_ms:g}ms"
    assert settings.exchange_spec(ExchangeOptions()) == ExchangeSpec()


def link_of(run: Run) -> Link:
    assert run.conditions.link is not None
    return run.conditions.link


@pytest.mark.link
def test_the_link_is_emulated_as_it_is_asked_for() -> None:
    plain = bench(requests=24, rtt="10ms", seed=3)
    full = bench(requests=24, link=LinkSpec(rtt_ms=12.0, seed=5), seed=3)

    assert link_of(plain.run).rtt_ms == 10.0
    assert link_of(plain.run).seed == 3
    assert link_of(full.run).rtt_ms == 12.0


# The exchange alone


def test_the_exchange_runs_for_any_client_and_ends() -> None:
    with simulated_exchange(ExchangeSpec(processing_ms=0.0)) as exchange:
        context = ssl.create_default_context(cafile=exchange.ca_file)
        url = f"{exchange.base_url}/exchangeInfo"
        request = Request(url, headers={"xrestservermm": "restserver0"})  # noqa: S310
        with urlopen(request, context=context, timeout=30) as answer:  # noqa: S310
            status = answer.status
        counted = exchange.counters()

    assert status == 200
    assert (counted.connections, counted.requests) == (1, 1)
    assert not exchange.ca_file.exists()


# What importing costs


def imported(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_of_it() -> None:
    found = imported("import vestbench; vestbench.__version__; dir(vestbench)")

    assert {name for name in found if name.startswith("vestbench")} == {
        "vestbench",
        "vestbench._version",
    }
    assert not {"numpy", "rich", "httpx", "typer"} & found


def test_a_function_brings_what_it_needs_when_it_is_used() -> None:
    assert "vestbench.api" in imported("from vestbench import compare")


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'benchmark'"):
        vestbench.benchmark  # noqa: B018


def test_every_public_name_exists() -> None:
    assert set(vestbench.__all__) <= set(dir(vestbench))
    for name in vestbench.__all__:
        assert getattr(vestbench, name) is getattr(api, name)


def test_records_that_jobs_need_are_as_the_commands_make_them() -> None:
    pace = measure._pace("vest", "0ms", None, 7)

    assert pace == Pace(interval_s=0.0, max_rate=10.0, seed=7)
    assert measure._pace("sim", "0ms", None, None).max_rate is None
    assert isinstance(bench_run(strategy=POOLED), RunOf)
