"""What a bench run says, worked out by hand for small runs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite

import pytest

from tests.support.records import (
    CONCLUSION,
    CONDITIONS,
    bench_run,
    failure,
    sample,
    sessions,
    warm_up_run,
)
from tests.support.studies import bench_of, planned
from vestbench.model.request import FailureKind, Outcome, Role, Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.model.verdict import Decision, Reason, Verdict
from vestbench.studies.bench.plan import BenchRun
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.parts.groups import disturbed_samples, metric
from vestbench.studies.parts.route import is_relayed, round_trip_ms
from vestbench.studies.starts.experiment import NOT_WARMED, WARMED
from vestbench.studies.starts.summary import summarise_warm_up


def verdict(outcomes: Sequence[Outcome], **changes: object) -> tuple[object, Reason]:
    found = summarise_bench(bench_run(outcomes, plan=changes))
    return found.acceptance, found.why


# --- groups --------------------------------------------------------------------------


def test_groups_are_made_by_proof_and_not_by_plan() -> None:
    run = bench_run(
        [
            sample(0, 0, reused=True, role=Role.COLD, latency=36.0),
            sample(0, 1, role=Role.SUBSEQUENT, latency=97.0),
            sample(0, 2, reused=True, latency=37.0),
        ]
    )

    found = summarise_bench(run)

    assert found.cold.typical("latency") == 97.0
    assert found.subsequent.typical("latency") == 36.5


def test_phases_that_did_not_happen_are_absent() -> None:
    found = summarise_bench(bench_run(sessions([97.3] * 3)))

    cold = [metric.name for metric in found.cold.metrics]
    later = [metric.name for metric in found.subsequent.metrics]
    assert cold == ["latency", "connect", "tls", "send", "wait", "receive", "client"]
    assert later == ["latency", "send", "wait", "receive", "client"]
    assert found.subsequent.typical("tls") is None


def test_name_resolution_appears_where_it_happened() -> None:
    found = summarise_bench(bench_run([sample(0, dns=2.5), sample(1)]))

    dns = found.cold.metric("dns")
    assert dns is not None
    assert (dns.n, dns.p50.point) == (1, 2.5)


def test_the_clients_time_is_what_the_phases_leave() -> None:
    found = summarise_bench(bench_run([sample(latency=97.3)]))

    # 97.3 - 30 - 31.5 - 0.1 - 35 - 0.2
    assert found.cold.typical("client") == pytest.approx(0.5)


def test_a_failure_counts_as_infinitely_slow() -> None:
    outcomes = [sample(n, latency=90.0 + n) for n in range(3)]

    one = summarise_bench(bench_run([*outcomes, failure(3)])).cold
    many = summarise_bench(bench_run([*outcomes, *map(failure, range(3, 7))])).cold

    latency = one.metric("latency")
    assert latency is not None
    assert (latency.n, latency.low, latency.high) == (4, 90.0, inf)
    assert latency.p50.point == 91.5
    assert one.failures == 1
    assert many.typical("latency") == inf
    assert many.typical("wait") == 35.0  # phases are those of samples


@pytest.mark.parametrize(
    ("reused", "role", "side"),
    [
        (True, Role.COLD, "subsequent"),
        (False, Role.SUBSEQUENT, "cold"),
        (None, Role.COLD, "cold"),
        (None, Role.SUBSEQUENT, "subsequent"),
    ],
)
def test_a_failure_belongs_to_what_it_proved_or_else_to_its_plan(
    reused: bool | None, role: Role, side: str
) -> None:
    found = summarise_bench(bench_run([failure(reused=reused, role=role)]))

    assert found.cold.failures == (side == "cold")
    assert found.subsequent.failures == (side == "subsequent")


def test_failures_are_counted_by_kind() -> None:
    kinds = [FailureKind.TIMEOUT, FailureKind.DNS, FailureKind.TIMEOUT]

    found = summarise_bench(
        bench_run([failure(n, kind=k) for n, k in enumerate(kinds)])
    )

    assert found.failures == (("dns", 1), ("timeout", 2))


def test_a_metric_has_ranks_for_its_quantiles() -> None:
    found = metric("wait", [float(n) for n in range(1, 101)], 0.95)

    assert (found.n, found.low, found.high) == (100, 1.0, 100.0)
    assert found.p50.point == 50.5
    assert (found.p50.low, found.p50.high) == (40.0, 61.0)
    assert found.p90.point == pytest.approx(90.1)
    assert found.p99.high is None


# --- reuse ---------------------------------------------------------------------------


def test_reuse_is_counted_over_requests_that_should_have_reused() -> None:
    run = bench_run(
        [
            sample(0, 0),
            sample(0, 1, reused=True),
            sample(0, 2, role=Role.SUBSEQUENT, connection=5),
            failure(0, 3, role=Role.SUBSEQUENT, reused=True),
            failure(0, 4, role=Role.SUBSEQUENT),
            sample(1, 0),
            failure(2, 0),
        ]
    )

    reuse = summarise_bench(run).reuse

    assert (reuse.expected, reuse.reused) == (4, 2)
    assert reuse.connections == 3
    assert reuse.sessions == 3


# --- the saving ----------------------------------------------------------------------


def test_the_saving_of_a_session_is_its_cold_request_minus_the_median_of_the_rest() -> (
    None
):
    outcomes = [
        sample(0, 0, latency=100.0),
        sample(0, 1, reused=True, latency=30.0),
        sample(0, 2, reused=True, latency=36.0),
        sample(0, 3, reused=True, latency=90.0),
    ]

    saving = summarise_bench(bench_run(outcomes)).saving

    assert saving is not None
    assert (saving.median_lo, saving.median_hi, saving.rounds) == (64.0, 64.0, 1)
    assert saving.interval is None


def test_concurrent_cold_requests_of_a_session_have_one_vote() -> None:
    outcomes = [
        sample(0, 0, latency=90.0),
        sample(0, 1, latency=100.0),
        sample(0, 2, latency=140.0),
        sample(0, 3, reused=True, latency=40.0),
    ]

    saving = summarise_bench(bench_run(outcomes)).saving

    assert saving is not None
    assert (saving.rounds, saving.median_lo) == (1, 60.0)


def test_the_median_and_interval_are_over_sessions() -> None:
    # Savings 61, 62, ... 80; with 20 rounds at 95 % 17 equal votes decide.
    run = bench_run(sessions([97.0 + n for n in range(20)]))

    saving = summarise_bench(run).saving

    assert saving is not None
    assert saving.median_lo == saving.median_hi == 70.5
    assert saving.interval is not None
    assert saving.needed == saving.interval.rank_high
    assert saving.interval.low == 61.0 + 20 - saving.needed
    assert saving.interval.high == 60.0 + saving.needed


def test_percent_and_round_trips_are_of_each_session() -> None:
    found = summarise_bench(bench_run(sessions([72.0, 90.0, 144.0])))

    assert found.percent is not None
    assert found.percent.median_lo == pytest.approx(100 * 54 / 90)
    assert found.round_trips is not None
    assert found.round_trips.median_lo == pytest.approx(54 / 30)


def test_a_failed_subsequent_request_leaves_the_saving_open_below() -> None:
    outcomes: list[Outcome] = [
        sample(0, 0, latency=100.0),
        sample(0, 1, reused=True, latency=40.0),
        failure(0, 2, reused=True, elapsed=60.0),
    ]

    saving = summarise_bench(bench_run(outcomes)).saving

    assert saving is not None
    assert saving.median_lo == -inf
    assert saving.median_hi == 50.0  # as if it had succeeded when it failed


def test_a_failed_cold_request_leaves_the_saving_open_above() -> None:
    outcomes: list[Outcome] = [
        failure(0, 0, elapsed=100.0),
        sample(0, 1, reused=True, latency=40.0),
    ]

    found = summarise_bench(bench_run(outcomes))

    assert found.saving is not None
    assert (found.saving.median_lo, found.saving.median_hi) == (60.0, inf)
    assert found.percent is not None
    assert found.percent.median_hi == 100.0


def test_a_session_without_both_sorts_has_no_vote() -> None:
    outcomes = [sample(0, 0), sample(1, 1, reused=True)]

    found = summarise_bench(bench_run(outcomes))

    assert found.saving is None
    assert found.percent is None
    assert found.closure is None


# --- closure -------------------------------------------------------------------------


def test_the_saving_closes_against_the_phases_that_were_left_out() -> None:
    outcomes: list[Outcome] = []
    for n in range(12):
        outcomes.append(
            sample(
                n, dns=1.5, connect=30.25, tls=32.0, send=0.2, wait=36.0, client=0.75
            )
        )
        outcomes.append(sample(n, 1, reused=True, send=0.1, wait=35.0, client=0.5))

    found = summarise_bench(bench_run(outcomes)).closure

    assert found is not None
    assert found.saving == pytest.approx(1.5 + 30.25 + 32.0 + 0.1 + 1.0 + 0.25)
    assert found.opening == pytest.approx(63.75)
    assert found.residual == pytest.approx(1.35)
    changes = (found.send, found.wait, found.receive, found.client)
    assert sum(change or 0.0 for change in changes) == pytest.approx(found.residual)
    assert found.rtt == 30.0
    assert found.tls_round_trips == 1
    assert found.expected == pytest.approx(1.5 + 2 * 30.0)
    assert found.handshake_cpu == pytest.approx(30.25 + 32.0 - 2 * 30.0)


@pytest.mark.parametrize(
    ("version", "trips"), [("TLSv1.3", 1), ("TLSv1.2", 2), ("", 0), ("TLSv1.1", 2)]
)
def test_the_round_trips_of_a_handshake_depend_on_its_version(
    version: str, trips: int
) -> None:
    run = bench_run([replace(s, tls_version=version) for s in sessions([97.3] * 12)])

    found = summarise_bench(run).closure

    assert found is not None
    assert found.tls_round_trips == trips
    assert found.expected == (1 + trips) * 30.0


def test_an_open_saving_does_not_close() -> None:
    outcomes: list[Outcome] = [sample(0), failure(0, 1, reused=True)]

    assert summarise_bench(bench_run(outcomes)).closure is None


# --- the route -----------------------------------------------------------------------


def test_the_round_trip_is_the_kernels_over_connections_opened() -> None:
    outcomes = [
        sample(0, syn_rtt=29.0, connect=33.0),
        sample(1, syn_rtt=31.0, connect=33.0),
        sample(2, syn_rtt=None, connect=33.0),
        sample(2, 1, reused=True, syn_rtt=99.0),
    ]

    assert round_trip_ms(bench_run(outcomes)) == 30.0


def test_without_the_kernel_the_round_trip_is_the_connect_phase() -> None:
    outcomes = [sample(n, syn_rtt=None, connect=30.0 + n) for n in range(3)]

    assert round_trip_ms(bench_run(outcomes)) == 31.0


def test_without_a_connection_there_is_no_round_trip() -> None:
    assert round_trip_ms(bench_run([failure()])) is None
    assert round_trip_ms(bench_run([sample(reused=True)])) is None


def test_the_round_trip_of_a_relayed_link_is_what_was_asked_for() -> None:
    link = {**CONDITIONS["link"], "engine": "relay", "rtt_ms": 80.0}
    outcomes = [
        sample(n, connect=0.3, tls=162.0, syn_rtt=0.05, latency=330.0)
        for n in range(12)
    ]
    outcomes += [sample(n, 1, reused=True, latency=86.0) for n in range(12)]
    run = bench_run(outcomes, conditions={"link": link})

    found = summarise_bench(run).closure

    assert is_relayed(run)
    assert round_trip_ms(run) == 80.0
    assert found is not None
    assert found.expected == 160.0
    assert found.handshake_cpu == pytest.approx(2.3)


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


# --- warm-up -------------------------------------------------------------------------


def start(
    session: int, arm: str, latency: float, *, reused: bool | None = None
) -> list[Outcome]:
    """Return the outcomes of one start of a warm-up run."""
    if arm == NOT_WARMED:
        return [sample(session, arm=arm, latency=latency, connection=10 * session)]
    warm_ups: list[Outcome] = [
        sample(
            session,
            i,
            role=Role.WARM_UP,
            arm=arm,
            latency=100.0 + i,
            connection=10 * session + 1 + i,
        )
        for i in range(2)
    ]
    first = sample(
        session,
        2,
        role=Role.SUBSEQUENT,
        reused=reused is not False,
        arm=arm,
        latency=latency,
        connection=10 * session + 1,
    )
    return [*warm_ups, first]


def test_a_warm_up_saves_what_the_first_request_takes_less() -> None:
    outcomes = []
    for n in range(12):
        outcomes += start(n, WARMED, 36.0) + start(n, NOT_WARMED, 90.0 + n)

    found = summarise_warm_up(warm_up_run(outcomes))

    assert found.rounds == 12
    assert found.saving is not None
    assert found.saving.median_lo == 59.5
    assert found.saving.decision is Decision.PASS
    assert (found.warm_up_requests, found.warm_up_connections) == (24, 24)
    assert found.reused == 12
    assert found.warm_up is not None
    assert found.warmed is not None
    assert found.not_warmed is not None
    assert found.warm_up.p50.point == 100.5
    assert found.warmed.high == 36.0
    assert (found.not_warmed.low, found.not_warmed.high) == (90.0, 101.0)


def test_a_first_request_that_did_not_reuse_is_not_counted_as_such() -> None:
    outcomes = start(0, WARMED, 36.0) + start(1, WARMED, 99.0, reused=False)

    found = summarise_warm_up(warm_up_run(outcomes))

    assert found.reused == 1
    assert found.warmed is not None
    assert found.warmed.n == 2  # and it stays in the figure


def test_a_round_with_one_start_has_no_vote() -> None:
    found = summarise_warm_up(warm_up_run(start(0, WARMED, 36.0)))

    assert found.rounds == 0
    assert found.saving is None
    assert found.not_warmed is None


def test_a_failed_start_leaves_its_round_open() -> None:
    outcomes = [
        *start(0, WARMED, 36.0),
        failure(0, elapsed=100.0, arm=NOT_WARMED),
    ]

    found = summarise_warm_up(warm_up_run(outcomes))

    assert found.saving is not None
    assert (found.saving.median_lo, found.saving.median_hi) == (64.0, inf)
    assert found.not_warmed is not None
    assert not isfinite(found.not_warmed.high)
