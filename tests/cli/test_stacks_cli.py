"""`--stack` and the strategies from the command line to the result file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import Result

from tests.support.command import QUICK, vestbench
from tests.support.machine import demand
from tests.support.studies import bench_of, compare_of
from vestbench.model.request import Sample
from vestbench.model.run import Run
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.parts.route import is_relayed
from vestbench.studies.registry import load_run

NAMES = ["httpx", "httpx2", "reqwest"]


def measured(tmp_path: Path, *words: str) -> tuple[Result, Run]:
    path = tmp_path / "run.toml"
    quick = QUICK[:2] if "--processing" in words else QUICK
    result = vestbench(words[0], *quick, *words[1:], "--output", str(path))
    assert path.exists(), result.output
    return result, load_run(path)


def test_the_stacks_are_compared_in_the_same_rounds(tmp_path: Path) -> None:
    ways = ("pooled", "unpooled", "resumed")

    result, run = measured(
        tmp_path,
        *("compare", *ways, "--stack", "all"),
        *("--min-saving", "0.01ms", "--max-rounds", "12"),
    )

    assert result.exit_code in (0, 1, 3), result.output
    expected = {f"{stack}/{way}" for stack in NAMES for way in ways}
    by_round: dict[int, list[Sample]] = {}
    for sample in run.samples:
        by_round.setdefault(sample.slot.session, []).append(sample)
    assert len(by_round) == 12
    orders = set()
    for found in by_round.values():
        assert {sample.slot.arm for sample in found} == expected
        starts = [sample.start_ns for sample in found]
        assert starts == sorted(starts)
        orders.add(tuple(sample.slot.arm for sample in found))
    assert len(orders) > 1
    for sample in run.samples:
        way = sample.slot.arm.partition("/")[2]
        assert sample.reused is (way == "pooled")
        if not sample.reused:
            assert sample.resumed is (way == "resumed")
    assert run.conditions.stack == "httpx, httpx2, reqwest"
    assert set(run.conditions.clients) == set(NAMES)
    assert run.label == "all-pooled-unpooled-resumed"
    assert "not separable" in result.stdout
    assert "first TLS handshake on top" in result.stdout


@pytest.mark.parametrize("stack", ["httpx2", "reqwest"])
def test_a_bench_on_another_stack_is_stored_as_such(tmp_path: Path, stack: str) -> None:
    result, run = measured(tmp_path, "bench", "-n", "12", "--stack", stack)

    assert result.exit_code == 0, result.output
    assert run.conditions.stack == stack
    assert f"{stack} {run.conditions.versions[stack]}" in result.stdout
    reused = [sample.reused for sample in run.samples]
    plan = bench_of(run).plan
    assert reused.count(False) == plan.sessions
    server = run.conclusion.server
    assert server is not None
    assert server.requests == 12 + plan.burn_in
    assert server.connections == plan.sessions + 2


def test_a_burst_on_the_pool_of_the_bot_is_told_in_numbers(tmp_path: Path) -> None:
    # Long enough for all of a burst to overlap on a busy machine.
    result, run = measured(
        tmp_path,
        *("bench", "--stack", "httpx2", "-n", "32", "--sessions", "1", "-c", "8"),
        *("--processing", "400ms"),
    )

    assert result.exit_code == 0, result.output
    assert bench_of(run).plan.kept_idle == 2
    text = "8 requests at once on a pool that keeps 2: 6 opened a connection"
    assert text in result.stdout
    assert "closes idle connections" not in result.stdout


def test_a_warm_up_on_reqwest_leaves_a_connection_for_the_first_request(
    tmp_path: Path,
) -> None:
    result, run = measured(tmp_path, "warmup", "--stack", "reqwest", "--rounds", "3")

    assert result.exit_code == 0, result.output
    warmed = [s for s in run.samples if s.slot.arm == "warmed"]
    first = [s for s in warmed if s.slot.role == "subsequent"]
    assert [sample.reused for sample in first] == [True] * 3
    warm_ups = [s for s in warmed if s.slot.role == "warm-up"]
    assert len(warm_ups) == 6
    assert not any(sample.reused for sample in warm_ups)


def test_a_resumed_run_goes_on_with_the_same_stacks_only(tmp_path: Path) -> None:
    common = ("compare", "pooled", "unpooled", "--min-saving", "0.01ms")
    early = ("--min-rounds", "13", "--max-rounds", "13", "--min-duration", "10m")
    _, run = measured(tmp_path, *common, *early, "--stack", "reqwest")
    path = str(tmp_path / "run.toml")

    result = vestbench(*common, *QUICK, "--stack", "httpx", "--resume", path)

    assert len(run.samples) == 26
    assert result.exit_code == 2
    assert "it differs in arms" in result.stderr


# --- over the link ---

TRIES = 4


def _savings(path: Path) -> tuple[list[tuple[str, float, float, float]], Result]:
    words = ("compare", "pooled", "unpooled", "--stack", "all", "--rtt", "20ms")
    bounds = ("--min-saving", "10ms", "--min-rounds", "14", "--max-rounds", "14")
    result = vestbench(*words, *bounds, "--output", str(path))
    run = load_run(path)
    if is_relayed(run):
        pytest.skip("no packet link on this machine")
    found = []
    for pair in summarise_compare(compare_of(run)).pairs:
        ends = pair.saving.interval
        assert ends is not None
        found.append((pair.candidate, pair.saving.median_lo, ends.low, ends.high))
    return found, result


@pytest.mark.link
def test_all_stacks_save_the_same_round_trips_over_the_link(tmp_path: Path) -> None:
    # The network is the same, so what differs is the computing of a handshake: on a
    # slow machine 12 ms at most, as for the phases of the link.
    found: Sequence[tuple[str, float, float, float]] = ()
    for attempt in range(TRIES):
        found, result = _savings(tmp_path / f"{attempt}.toml")
        assert result.exit_code == 0, result.output
        if _agree(found):
            break

    demand(_agree(found), f"savings of {found}")


def _agree(found: Sequence[tuple[str, float, float, float]]) -> bool:
    trips = 2 * 20.0
    return all(
        low - 0.5 <= trips + 12 and high >= trips - 0.2 and low <= other_high + 12
        for _, _, low, high in found
        for _, _, _, other_high in found
    )


@pytest.mark.link
def test_resuming_tls_1_2_saves_its_second_round_trip_over_the_link(
    tmp_path: Path,
) -> None:
    words = ("compare", "resumed", "unpooled", "--tls", "1.2")
    bounds = ("--rtt", "40ms", "--min-saving", "auto", "--max-rounds", "14")
    saved = 0.0
    for attempt in range(TRIES):
        path = tmp_path / f"{attempt}.toml"
        result = vestbench(*words, *bounds, "--output", str(path))
        assert result.exit_code in (0, 1, 3), result.output
        run = load_run(path)
        if is_relayed(run):
            pytest.skip("no packet link on this machine")
        (pair,) = summarise_compare(compare_of(run)).pairs
        assert pair.breakdown is not None
        assert pair.breakdown.round_trips == 1
        saved = pair.saving.median_lo
        # Less computing as well, but never a second round trip.
        if 38 <= saved <= 40 + 12:
            break

    demand(38 <= saved <= 40 + 12, f"{saved:.1f} ms saved over a link of 40 ms")
