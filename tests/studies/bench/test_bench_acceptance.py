"""What a bench run concludes, and what it warns of, worked out by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.records import CONCLUSION, bench_run, failure, sample, sessions
from tests.support.studies import bench_of, planned
from vestbench.model.request import Outcome, Role, Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.model.verdict import Decision, Reason, Verdict
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.parts.groups import disturbed_samples


def verdict(outcomes: Sequence[Outcome], **changes: object) -> tuple[object, Reason]:
    found = summarise_bench(bench_run(outcomes, plan=changes))
    return found.acceptance, found.why


# --- acceptance ----------------------------------------------------------------------


def test_a_saving_above_the_target_passes() -> None:
    assert verdict(sessions([97.3] * 20)) == (Verdict.PASS, Reason.NONE)


def test_a_saving_of_exactly_the_target_passes() -> None:
    assert verdict(sessions([86.0] * 12)) == (Verdict.PASS, Reason.NONE)


def test_a_saving_below_the_target_fails() -> None:
    assert verdict(sessions([80.0] * 20)) == (Verdict.FAIL, Reason.NONE)


def test_a_route_on_which_nobody_could_save_so_much_fails_for_that() -> None:
    outcomes = [
        sample(n, i, reused=i > 0, connect=10.0, tls=11.0, wait=15.0, syn_rtt=10.0)
        for n in range(20)
        for i in range(3)
    ]

    assert verdict(outcomes) == (Verdict.FAIL, Reason.TOO_SHORT)


@pytest.mark.parametrize(("count", "passes"), [(11, False), (12, True)])
def test_twelve_sessions_are_the_least(count: int, passes: bool) -> None:
    expected = (
        (Verdict.PASS, Reason.NONE) if passes else (Verdict.INCONCLUSIVE, Reason.FEW)
    )

    assert verdict(sessions([97.3] * count)) == expected


def test_a_saving_around_the_target_is_close() -> None:
    latencies = [86.0 + (1 if n % 2 else -1) for n in range(20)]

    assert verdict(sessions(latencies)) == (Verdict.INCONCLUSIVE, Reason.CLOSE)


def test_a_saving_that_is_all_over_is_noisy() -> None:
    latencies = [86.0 + (30 if n % 2 else -30) for n in range(20)]

    assert verdict(sessions(latencies)) == (Verdict.INCONCLUSIVE, Reason.NOISY)


def failing(count: int, cold: int = 0) -> list[Outcome]:
    """Return 40 good sessions, `count` of which have a failed request on top."""
    outcomes: list[Outcome] = []
    for n in range(40):
        # Three successes, so that the median of a session survives one late failure.
        outcomes.append(sample(n, latency=100.0))
        outcomes += [sample(n, i, reused=True, latency=36.0) for i in (1, 2, 3)]
        if n < count:
            outcomes.append(failure(n, 4, role=Role.SUBSEQUENT, reused=True))
        if n >= 40 - cold:
            outcomes.append(failure(n, 5, reused=False, elapsed=100.0))
    return outcomes


@pytest.mark.parametrize(
    ("count", "cold", "passes"),
    [(0, 0, True), (6, 0, True), (7, 0, True), (8, 0, False), (8, 8, True)],
)
def test_too_many_failed_requests_withhold_a_pass(
    count: int, cold: int, passes: bool
) -> None:
    # 5 % of the 120 + count requests that should have reused, rounded up: 7.
    expected = (
        (Verdict.PASS, Reason.NONE)
        if passes
        else (Verdict.INCONCLUSIVE, Reason.UNRELIABLE)
    )

    assert verdict(failing(count, cold)) == expected


@pytest.mark.parametrize(("missed", "valid"), [(0, True), (4, True), (5, False)])
def test_a_pool_that_did_not_pool_is_invalid(missed: int, valid: bool) -> None:
    outcomes: list[Outcome] = list(sessions([97.3] * 20))  # 80 subsequent: 5 % is 4
    for place in range(missed):
        index = 5 * place + 2
        outcomes[index] = sample(place, 2, role=Role.SUBSEQUENT, connection=100 + place)

    found = verdict(outcomes)

    assert found == (
        (Verdict.PASS, Reason.NONE) if valid else (Verdict.INVALID, Reason.NOT_REUSED)
    )


def test_a_run_without_a_cold_request_is_invalid() -> None:
    outcomes = [sample(n, 1, reused=True) for n in range(20)]

    assert verdict(outcomes) == (Verdict.INVALID, Reason.NO_COLD)


def test_without_pooling_there_is_nothing_to_accept() -> None:
    outcomes = [sample(n) for n in range(40)]

    found = summarise_bench(bench_run(outcomes, strategy=UNPOOLED))

    assert found.acceptance is None
    assert found.why is Reason.NONE
    assert found.saving is None


def test_nothing_measured_is_nothing_accepted() -> None:
    found = summarise_bench(bench_run([]))

    assert found.acceptance is None
    assert found.rtt_ms is None
    assert (found.cold.metrics, found.subsequent.metrics) == ((), ())


def test_the_confidence_asked_for_decides() -> None:
    latencies = [97.3] * 16 + [80.0] * 4

    assert verdict(sessions(latencies), confidence=0.9)[0] is Verdict.PASS
    assert verdict(sessions(latencies), confidence=0.99) == (
        Verdict.INCONCLUSIVE,
        Reason.NOISY,
    )


def test_the_target_asked_for_decides() -> None:
    outcomes = sessions([97.3] * 20)

    assert verdict(outcomes, min_saving_ms=61.3)[0] is Verdict.PASS
    assert verdict(outcomes, min_saving_ms=70.0)[0] is Verdict.FAIL


# --- the null test -------------------------------------------------------------------


def null_run(rng: random.Random) -> BenchRun:
    """Return a run whose cold and subsequent requests take equally long."""
    outcomes: list[Outcome] = []
    level = 36.0
    for session in range(20):
        level += rng.gauss(0, 0.5)  # the route drifts, for all requests alike
        for index in range(5):
            latency = level + rng.expovariate(0.5)
            outcomes.append(sample(session, index, reused=index > 0, latency=latency))
    return bench_run(outcomes)


def test_without_a_difference_nothing_is_saved() -> None:
    found = [summarise_bench(null_run(random.Random(seed))) for seed in range(200)]

    assert Counter(one.acceptance for one in found)[Verdict.PASS] == 0
    assert {one.acceptance for one in found} == {Verdict.FAIL}
    holds = 0
    for one in found:
        assert one.saving is not None
        assert one.saving.interval is not None
        holds += one.saving.interval.low <= 0 <= one.saving.interval.high
    # A saving against the median of four, of a skewed distribution, is not quite
    # symmetric about 0, so the 95 % is not exact here; it is not to be much below.
    assert holds >= 185


def test_a_target_of_nothing_is_not_met_by_chance() -> None:
    passed = 0
    for seed in range(200):
        run = null_run(random.Random(1000 + seed))
        found = summarise_bench(bench_of(planned(run, min_saving_ms=0.0)))
        assert found.saving is not None
        passed += found.saving.decision is Decision.PASS

    assert passed <= 5  # 2.4 % of fair coins would


# --- warnings ------------------------------------------------------------------------


def test_samples_that_met_a_late_packet_are_counted() -> None:
    link = {**CONCLUSION["link"], "late_at_ms": [250.0, 50.0, 100.0, 999.0]}
    outcomes = [
        sample(0, start=0.0, latency=49.9),
        sample(1, start=50.0, latency=10.0),  # at its first moment
        sample(2, start=60.0, latency=40.0),  # at its last
        sample(3, start=110.0, latency=100.0),
        sample(4, start=200.0, latency=100.0),
    ]
    run = bench_run(outcomes, conclusion={"link": link})

    assert disturbed_samples(run) == 3
    assert summarise_bench(run).disturbed == 3


def test_without_a_link_nothing_is_disturbed() -> None:
    assert disturbed_samples(bench_run([sample()], conclusion={"link": None})) == 0


def test_resumed_connections_are_counted_once() -> None:
    outcomes = [
        replace(one, resumed=one.slot.session == 0) for one in sessions([97.3] * 3)
    ]

    assert summarise_bench(bench_run(outcomes)).resumed == 1


def test_segments_sent_again_are_summed() -> None:
    outcomes = [sample(n, retransmits=n or None) for n in range(4)]

    assert summarise_bench(bench_run(outcomes)).retransmits == 6


def test_a_repeated_syn_is_noticed() -> None:
    outcomes = [sample(n) for n in range(12)] + [sample(12, connect=1031.0)]

    found = summarise_bench(bench_run(outcomes)).syn_retransmissions

    assert [one.wait_s for one in found] == [1]


def test_delayed_acknowledgements_are_noticed() -> None:
    outcomes: list[Sample] = []
    for n in range(10):
        outcomes.append(sample(n))
        outcomes += [
            sample(n, i, reused=True, wait=75.0 if i == 1 else 35.0) for i in (1, 2, 3)
        ]

    found = summarise_bench(bench_run(outcomes)).plateau

    assert found is not None
    assert (found.count, found.excess_ms) == (10, 40.0)
