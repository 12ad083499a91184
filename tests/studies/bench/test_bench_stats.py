"""What a bench run says of its groups and its saving, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from tests.support.records import CONDITIONS, bench_run, failure, sample, sessions
from vestbench.model.request import FailureKind, Outcome, Role
from vestbench.stats.metrics import metric
from vestbench.studies.bench.summary import Reuse, summarise_bench
from vestbench.studies.parts.route import is_relayed, round_trip_ms

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


def shared_at_first(*more: Outcome, **plan: object) -> Reuse:
    """Return the reuse of a session whose two cold requests shared a connection."""
    outcomes = [
        sample(0, 0, role=Role.COLD, connection=1),
        sample(0, 1, role=Role.COLD, reused=True, connection=1),
        sample(0, 2, role=Role.SUBSEQUENT, reused=True, connection=1),
        sample(0, 3, role=Role.SUBSEQUENT, connection=2),
        *more,
    ]
    return summarise_bench(bench_run(outcomes, plan={"concurrency": 2, **plan})).reuse


def test_what_cold_requests_shared_is_no_miss_when_it_is_opened_later() -> None:
    reuse = shared_at_first(sample(0, 4, reused=True, connection=2))

    assert (reuse.expected, reuse.reused, reuse.connections) == (2, 2, 2)


def test_nor_is_it_a_miss_when_the_request_that_opens_it_fails() -> None:
    outcomes: list[Outcome] = [
        sample(0, 0, role=Role.COLD, connection=1),
        sample(0, 1, role=Role.COLD, reused=True, connection=1),
        sample(0, 2, reused=True, connection=1),
        failure(0, 3, role=Role.SUBSEQUENT, reused=False),
    ]
    reuse = summarise_bench(bench_run(outcomes, plan={"concurrency": 2})).reuse

    assert (reuse.expected, reuse.reused) == (1, 1)


def test_a_connection_more_than_requests_at_once_is_a_miss() -> None:
    reuse = shared_at_first(sample(0, 4, role=Role.SUBSEQUENT, connection=3))

    assert (reuse.expected, reuse.reused, reuse.connections) == (2, 1, 3)


def test_where_the_pool_keeps_fewer_a_shared_connection_excuses_nothing() -> None:
    reuse = shared_at_first(
        sample(0, 4, role=Role.SUBSEQUENT, connection=3),
        sample(0, 5, role=Role.SUBSEQUENT, connection=4),
        kept_idle=1,
    )

    assert (reuse.expected, reuse.reused) == (2, 1)


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
    assert found.breakdown is None


# --- breakdown -----------------------------------------------------------------------


def test_the_saving_closes_against_the_phases_that_were_left_out() -> None:
    outcomes: list[Outcome] = []
    for n in range(12):
        outcomes.append(
            sample(
                n, dns=1.5, connect=30.25, tls=32.0, send=0.2, wait=36.0, client=0.75
            )
        )
        outcomes.append(sample(n, 1, reused=True, send=0.1, wait=35.0, client=0.5))

    found = summarise_bench(bench_run(outcomes)).breakdown

    assert found is not None
    assert found.saving == pytest.approx(1.5 + 30.25 + 32.0 + 0.1 + 1.0 + 0.25)
    assert found.opening == pytest.approx(63.75)
    assert found.rest == pytest.approx(1.35)
    changes = (found.send, found.wait, found.receive, found.client)
    assert sum(change or 0.0 for change in changes) == pytest.approx(found.rest)
    assert found.rtt == 30.0
    assert found.tls_round_trips == 1
    assert found.expected == pytest.approx(1.5 + 2 * 30.0)
    assert found.beyond_handshakes == pytest.approx(30.25 + 32.0 - 2 * 30.0)


@pytest.mark.parametrize(
    ("version", "trips"), [("TLSv1.3", 1), ("TLSv1.2", 2), ("", 0), ("TLSv1.1", 2)]
)
def test_the_round_trips_of_a_handshake_depend_on_its_version(
    version: str, trips: int
) -> None:
    run = bench_run([replace(s, tls_version=version) for s in sessions([97.3] * 12)])

    found = summarise_bench(run).breakdown

    assert found is not None
    assert found.tls_round_trips == trips
    assert found.expected == (1 + trips) * 30.0


def test_an_open_saving_does_not_close() -> None:
    outcomes: list[Outcome] = [sample(0), failure(0, 1, reused=True)]

    assert summarise_bench(bench_run(outcomes)).breakdown is None


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

    found = summarise_bench(run).breakdown

    assert is_relayed(run)
    assert round_trip_ms(run) == 80.0
    assert found is not None
    assert found.expected == 160.0
    assert found.beyond_handshakes == pytest.approx(2.3)
