"""Assertions are decided on intervals, facts on counts, and nothing on a point."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.asserting import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    bench,
    one,
    outcome,
    spread,
)
from tests.support.records import bench_run, failure, sample, sessions
from vestbench.model.request import Role

# Quantiles


def test_a_quantile_passes_when_its_whole_interval_does() -> None:
    run = bench_run(sessions(spread(100.0, 20), later=4))

    found = one(run, "cold.p50 <= 100.5ms")

    # Ranks 6 and 15 of 20 (stats.md, section 6).
    assert (found.low, found.high) == pytest.approx((99.55, 100.45))
    assert found.value == pytest.approx(100.0)
    assert found.outcome is PASS
    assert outcome(run, "cold.p50 <= 99.5ms") is FAIL
    assert outcome(run, "cold.p50 >= 99.5ms") is PASS
    assert found.n == 20


def test_a_point_on_the_right_side_is_not_enough() -> None:
    found = one(bench(), "cold.p50 <= 100.1ms")

    assert found.value is not None
    assert found.value <= 100.1
    assert found.outcome is INCONCLUSIVE
    assert found.reason == "the interval reaches to both sides of 100.1ms"


@pytest.mark.parametrize(
    ("text", "needed"), [("subsequent.p99 <= 1s", 368), ("cold.p90 <= 1s", 36)]
)
def test_too_few_requests_for_an_upper_bound_say_how_many_it_needs(
    text: str, needed: int
) -> None:
    found = one(bench(), text)

    assert found.outcome is INCONCLUSIVE
    assert found.reason == f"the upper bound needs {needed} requests"
    assert found.high is None


def test_a_lower_bound_is_enough_to_fail() -> None:
    assert outcome(bench(), "subsequent.p99 <= 30ms") is FAIL


def test_the_maximum_is_a_fact_of_the_run() -> None:
    run = bench(9)

    assert outcome(run, "cold.max <= 100.4ms") is PASS
    assert outcome(run, "cold.max <= 100.3ms") is FAIL
    assert one(run, "cold.max <= 1s").low == one(run, "cold.max <= 1s").high


def test_phases_and_the_time_of_the_client_can_be_asserted() -> None:
    run = bench_run(
        [sample(n, k, reused=k > 0, client=1.5) for n in range(12) for k in range(3)]
    )

    assert outcome(run, "cold.tls.p50 <= 31.5ms") is PASS
    assert outcome(run, "cold.connect.p50 > 30ms") is FAIL
    assert outcome(run, "subsequent.client.p50 <= 1500us") is PASS
    assert outcome(run, "subsequent.wait.p50 < 0.035s") is FAIL


def test_a_failed_request_is_slower_than_anything() -> None:
    late = [failure(n, 1, role=Role.SUBSEQUENT, reused=True) for n in range(20)]
    run = bench_run([*sessions(spread(100.0, 20), later=1), *late])

    assert outcome(run, "subsequent.max <= 9s") is FAIL
    assert outcome(run, "cold.max <= 101ms") is PASS
    # Half of them: the median may be a failure or not.
    undecided = one(run, "subsequent.p50 <= 40ms")
    assert undecided.outcome is INCONCLUSIVE
    assert undecided.reason == "failures leave the upper bound open"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cold.dns.p50 <= 1ms", "there was no cold request with a dns phase"),
        ("subsequent.tls.max <= 1ms", "no subsequent request with a tls phase"),
    ],
)
def test_a_phase_that_did_not_happen_supports_nothing(text: str, reason: str) -> None:
    found = one(bench(), text)

    assert found.outcome is INVALID
    assert reason in found.reason
    assert found.value is None


def test_without_subsequent_requests_their_latency_is_no_pass() -> None:
    run = bench_run([sample(n, k) for n in range(12) for k in range(3)])

    assert outcome(run, "subsequent.p50 <= 1s") is INVALID


# Counts and shares


def test_counts_are_exact_facts_of_this_run() -> None:
    run = bench_run([*sessions(spread(100.0, 12)), failure(12, 0)])

    found = one(run, "failures == 0")

    assert found.outcome is FAIL
    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, 61)
    assert outcome(run, "failures <= 1") is PASS
    assert outcome(run, "cold.failures == 1") is PASS
    assert outcome(run, "subsequent.failures == 0") is PASS
    assert outcome(run, "connections == 12") is PASS
    assert outcome(run, "subsequent.connections < 1") is PASS


def test_a_rate_of_failures_is_judged_by_its_exact_interval() -> None:
    run = bench(20)  # 100 requests, none failed: 3.6 % at most

    assert outcome(run, "failures <= 4%") is PASS
    undecided = one(run, "failures <= 3%")
    assert undecided.outcome is INCONCLUSIVE
    assert undecided.reason.endswith("that takes 122 requests at least")
    assert outcome(run, "failures <= 0%") is PASS  # of these, none did


def test_a_rate_with_failures_can_be_missed_for_certain() -> None:
    failed = [failure(20 + n, 0) for n in range(20)]
    run = bench_run([*sessions(spread(100.0, 20)), *failed])

    found = one(run, "failures <= 5%")

    assert found.outcome is FAIL
    assert found.low is not None
    assert found.low > 5
    assert outcome(run, "failures <= 17%") is INCONCLUSIVE


def test_one_request_that_was_not_reused_breaks_all_reused() -> None:
    good, late = bench(20), sample(0, 4, role=Role.SUBSEQUENT, connection=99)
    bad = replace(good, samples=(*good.samples[:4], late, *good.samples[5:]))

    assert outcome(good, "reused == 100%") is PASS
    assert outcome(bad, "reused == 100%") is FAIL
    assert outcome(bad, "reused >= 90%") is PASS
    assert outcome(bad, "reused >= 98%") is INCONCLUSIVE
