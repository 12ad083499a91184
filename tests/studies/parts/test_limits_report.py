"""What a route allows to save, and stacks without phases, in reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.printed import rendered
from tests.support.records import CONCLUSION, compare_run
from tests.support.runs_on_stacks import (
    RUNS,
    STACKS,
    bursts,
    compared,
    flat,
    on_all_stacks,
    one,
)
from tests.support.studies import bench_of, compare_of, planned
from vestbench.model.run import Run
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.bench.summary import BurstReuse, summarise_bench
from vestbench.studies.compare.question import theoretical_saving_ms
from vestbench.studies.compare.summary import PairSummary, summarise_compare
from vestbench.studies.parts.causes import too_short

# --- the physical limit ---


def pair_of(run: Run) -> PairSummary:
    (pair,) = summarise_compare(compare_of(run)).pairs
    return pair


@pytest.mark.parametrize(
    ("control", "candidate", "tls", "trips", "words"),
    [
        ("unpooled", "pooled", "TLSv1.3", 2, "2 round trips (TCP, TLS 1.3)"),
        ("unpooled", "pooled", "TLSv1.2", 3, "3 round trips (TCP, TLS 1.2)"),
        ("unpooled", "http2", "TLSv1.3", 2, "2 round trips (TCP, TLS 1.3)"),
        ("unpooled", "resumed", "TLSv1.2", 1, "1 round trip (of the TLS 1.2 handshake"),
        ("unpooled", "resumed", "TLSv1.3", 0, "no round trip (a resumed TLS 1.3"),
        ("resumed", "pooled", "TLSv1.3", 2, "2 round trips (TCP, resumed TLS)"),
        ("resumed", "pooled", "TLSv1.2", 2, "2 round trips (TCP, resumed TLS)"),
    ],
)
def test_the_limit_is_that_of_the_two_ways(
    control: str, candidate: str, tls: str, trips: int, words: str
) -> None:
    run = compared(control, candidate, tls=tls)

    breakdown = pair_of(run).breakdown

    assert breakdown is not None
    assert breakdown.round_trips == trips
    assert breakdown.expected == pytest.approx(30.0 * trips)
    # What crypto the fixture puts into a handshake that is saved.
    crypto = {"unpooled": 2.0, "resumed": 1.0}
    saved = crypto[control] - crypto.get(candidate, 0.0)
    assert breakdown.beyond_handshakes == pytest.approx(saved)
    assert f"physical limit: {words}" in flat(run)


def test_a_resumed_session_of_tls_1_3_saves_computing_and_that_is_said() -> None:
    run = compared("unpooled", "resumed")

    pair = pair_of(run)

    assert pair.saving.median_lo == pytest.approx(1.0)
    assert (pair.acceptance, pair.why) == (Verdict.FAIL, Reason.TOO_SHORT)
    assert "has as many round trips as a full one: it only saves computing" in flat(run)


def test_nothing_is_expected_of_two_ways_that_save_no_round_trip() -> None:
    for control, candidate in (("pooled", "warmed"), ("resumed", "unpooled")):
        breakdown = pair_of(compared(control, candidate)).breakdown

        assert breakdown is not None
        assert breakdown.expected is None or breakdown.round_trips >= 0


@pytest.mark.parametrize(
    ("control", "candidates", "tls", "trips"),
    [
        ("unpooled", ["pooled"], "TLSv1.3", 2),
        ("unpooled", ["pooled", "resumed"], "TLSv1.3", 2),
        ("unpooled", ["pooled", "resumed"], "TLSv1.2", 1),
        ("resumed", ["pooled"], "TLSv1.2", 2),
        ("pooled", ["warmed"], "TLSv1.3", 2),
    ],
)
def test_an_automatic_target_asks_for_what_the_least_candidate_can_save(
    control: str, candidates: list[str], tls: str, trips: int
) -> None:
    ways = [control, *candidates]
    samples = [one(way, 0, place, tls=tls) for place, way in enumerate(ways)]
    samples.append(one("unpooled", 1, 0, tls=tls))
    plan = compare_run(arms={way: way for way in ways}, control=control).plan

    assert theoretical_saving_ms(samples, plan) == trips * 30.0


# --- a stack without phases ---


def test_without_phases_only_the_route_explains_a_saving() -> None:
    run = compared("unpooled", "pooled", phases=False)

    pair = pair_of(run)

    assert pair.breakdown is not None
    assert not pair.breakdown.has_phases
    assert pair.breakdown.opening is pair.breakdown.rest is None
    assert pair.breakdown.beyond_handshakes is None
    assert pair.breakdown.expected == pytest.approx(60.0)
    assert pair.breakdown.beyond_round_trips == pytest.approx(2.0)
    text = flat(run)
    assert "reqwest shows only the whole call: its phases are not known" in text
    assert "beyond it: not separable without phases" in text
    assert "computing" not in text
    assert "the rest" not in text
    assert "connect 30" not in text


def test_without_phases_a_short_route_is_told_by_what_was_saved() -> None:
    breakdown = pair_of(compared("unpooled", "pooled", phases=False)).breakdown

    assert too_short(breakdown, 70.0)
    assert not too_short(breakdown, 61.0)


def test_a_bench_run_without_phases_draws_none_and_says_so() -> None:
    text = flat(RUNS["bench-whole-call"])

    assert "Keeping the connection open saves" in text
    assert "reqwest shows only the whole call: its phases are not known" in text
    assert "expected from the route: 2 round trips 60.0" in text
    assert "Median of each phase" not in text
    assert "first TLS handshake of the process 56.7 ms more, once" in text


# --- several stacks ---


def test_each_candidate_is_compared_with_the_control_of_its_stack() -> None:
    outcomes = on_all_stacks().samples
    # All of reqwest 1 s slower: nothing of the sort may show in a saving.
    slower = [
        replace(o, latency_ns=o.latency_ns + 10**9)
        if o.slot.arm.startswith("reqwest")
        else o
        for o in outcomes
    ]
    run = replace(on_all_stacks(), samples=tuple(slower))

    pairs = summarise_compare(compare_of(run)).pairs

    assert [(pair.candidate, pair.control) for pair in pairs] == [
        (f"{stack}/pooled", f"{stack}/unpooled") for stack in STACKS
    ]
    for pair in pairs:
        assert pair.saving.median_lo == pytest.approx(62.0)
        assert pair.acceptance is Verdict.PASS


def test_one_table_shows_stack_by_strategy() -> None:
    text = rendered(on_all_stacks())
    rows = [line.split() for line in text.splitlines()]

    assert ["httpx", "pooled"] in [row[:2] for row in rows]
    [unpooled, *_] = [row for row in rows if row[:1] == ["unpooled"]]
    assert unpooled[-1] == "control"
    assert text.count("not separable") >= 3  # two strategies and the footnote
    words = flat(on_all_stacks())
    assert "against the control of the same stack" in words
    assert "httpx max_idle closes what it should keep" in words
    assert "Each candidate is compared with the control of its own stack" in words
    assert "reqwest: first TLS handshake on top 56.7 ms" in words
    assert "client object of httpx 0.200 ms, median of 4" in words
    assert "client object of reqwest 9.00 ms, median of 4" in words


def test_client_and_network_time_stand_beside_each_other() -> None:
    summary = summarise_compare(compare_of(on_all_stacks()))

    for arm in summary.arms:
        if arm.stack == "reqwest":
            assert arm.network is None
        else:
            latency = arm.group.typical("latency")
            client = arm.group.typical("client")
            assert arm.network is not None
            assert latency is not None
            assert client is not None
            assert arm.network + client == pytest.approx(latency)


# --- bursts ---


def test_a_burst_beyond_the_pool_is_counted_and_not_called_invalid() -> None:
    run = bursts(opened=6)

    summary = summarise_bench(bench_of(run))

    assert summary.reuse.bursts == BurstReuse(size=8, kept=2, bursts=40, opened=6.0)
    assert summary.reuse.expected == 2 * 2 * 20
    assert summary.reuse.reused == summary.reuse.expected
    assert summary.acceptance is Verdict.PASS
    text = flat(run)
    assert "8 requests at once on a pool that keeps 2: 6 opened a connection" in text
    assert "80 of 80 requests that could reuse a connection did" in text


def test_a_pool_that_keeps_less_than_it_should_is_still_invalid() -> None:
    summary = summarise_bench(bench_of(bursts(opened=8)))

    assert summary.reuse.reused == 0
    assert summary.acceptance is Verdict.INVALID
    assert summary.why is Reason.NOT_REUSED


def test_without_a_limit_below_the_width_every_request_is_expected_to_reuse() -> None:
    summary = summarise_bench(bench_of(bursts(opened=0, kept=8)))

    assert summary.reuse.bursts is None
    assert summary.reuse.expected == summary.reuse.reused == 2 * 8 * 20


def test_a_run_of_an_older_version_has_no_limit() -> None:
    run = bursts(opened=0)
    older = bench_of(planned(run, kept_idle=None))

    assert summarise_bench(older).reuse.bursts is None


def test_the_build_of_a_client_is_one_line_where_there_is_one_stack() -> None:
    assert "client object 0.250 ms, median of 3" in flat(RUNS["resumed"])
    assert len(CONCLUSION["client_build_ms"]) == 3
