"""What a comparison says of its target, and what its saving is made of."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.support.compared import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    ends,
    in_rounds,
    of,
    steady,
    whole,
)
from tests.support.records import compare_run, sample
from tests.support.reference_data import DS1
from tests.support.reference_data import Round as Row
from vestbench.model.request import Outcome, Sample
from vestbench.model.verdict import Reason, Verdict
from vestbench.studies.compare.question import theoretical_saving_ms
from vestbench.studies.compare.rounds import target_of
from vestbench.studies.compare.summary import summarise_compare

# --- targets -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(30.0, PASS), (37.0, PASS), (41.0, INCONCLUSIVE), (43.0, FAIL), (50.0, FAIL)],
)
def test_a_target_in_percent_is_judged_by_percentages(
    percent: float, expected: Verdict
) -> None:
    rows = [row for row in DS1 for _ in range(2)]  # without the outlier's reach

    summary = whole(
        in_rounds(rows), min_saving_ms=None, min_saving_percent=percent, close=0.0
    )

    assert summary.acceptance is expected
    assert (summary.target, summary.percent_target) == (percent, True)


def test_a_missed_percentage_is_not_blamed_on_the_route() -> None:
    rows = steady(12, control=60.0, candidate=50.0)

    pair = of(rows, min_saving_ms=None, min_saving_percent=90.0)

    assert (pair.acceptance, pair.why) == (FAIL, Reason.NONE)


def test_an_automatic_target_is_what_the_discarded_rounds_settled() -> None:
    run = compare_run(
        in_rounds(steady(12)),
        plan={"min_saving_ms": None, "min_saving": "auto"},
        conditions={"auto_target_ms": 48.0},
    )

    assert target_of(run) == (48.0, False)
    assert summarise_compare(run).target == 48.0
    assert summarise_compare(run).acceptance is PASS


def test_a_tie_with_the_target_passes() -> None:
    rows = [Row(100, True, 50, True)] * 12

    assert of(rows, close=0.0).acceptance is PASS


@pytest.mark.parametrize(
    ("route_ms", "why"),
    [(10.0, Reason.TOO_SHORT), (24.0, Reason.TOO_SHORT), (25.0, Reason.NONE)],
)
def test_a_route_too_short_for_the_target_is_named(
    route_ms: float, why: Reason
) -> None:
    saving = 2 * route_ms
    if route_ms == 25.0:
        saving = 48.0  # it could have been more
    outcomes = [
        replace(
            o,
            connect_ns=None if o.reused else round(route_ms * 1e6),
            tls_ns=None if o.reused else round(route_ms * 1e6),
            syn_rtt_us=round(route_ms * 1000),
        )
        for o in in_rounds(steady(12, control=40 + saving, candidate=40.0))
        if isinstance(o, Sample)
    ]

    (pair,) = whole(outcomes, close=0.0).pairs

    assert (pair.acceptance, pair.why) == (FAIL, why)
    assert pair.breakdown is not None
    assert pair.breakdown.expected == pytest.approx(2 * route_ms)


def test_crypto_counts_as_reachable() -> None:
    outcomes = [
        replace(o, connect_ns=20_000_000, tls_ns=34_000_000, syn_rtt_us=20_000)
        if isinstance(o, Sample) and not o.reused
        else o
        for o in in_rounds(steady(12, control=85.0, candidate=40.0))
    ]

    (pair,) = whole(outcomes, close=0.0).pairs

    assert pair.breakdown is not None
    assert pair.breakdown.expected == 40.0
    assert (pair.acceptance, pair.why) == (FAIL, Reason.NONE)  # 54 ms could be saved


@pytest.mark.parametrize(
    ("arms", "control"),
    [
        ({"pooled": "pooled", "unpooled": "unpooled"}, "pooled"),
        ({"unpooled": "unpooled", "unpooled-2": "unpooled"}, "unpooled-2"),
        ({"pooled": "pooled", "warmed": "warmed"}, "warmed"),
    ],
)
def test_the_route_is_no_limit_unless_the_control_alone_opens_connections(
    arms: dict[str, str], control: str
) -> None:
    candidate = next(label for label in arms if label != control)
    outcomes = [
        replace(o, connect_ns=None if o.reused else 10_000_000, syn_rtt_us=10_000)
        for o in in_rounds(steady(12, 50.0, 50.0), candidate, control)
        if isinstance(o, Sample)
    ]

    (pair,) = summarise_compare(compare_run(outcomes, arms=arms, control=control)).pairs

    assert (pair.acceptance, pair.why) == (FAIL, Reason.NONE)
    assert pair.breakdown is not None
    assert pair.breakdown.expected is None


@pytest.mark.parametrize(
    ("tls", "expected"), [("TLSv1.3", 60.0), ("TLSv1.2", 90.0), ("", 30.0)]
)
def test_the_route_allows_one_round_trip_and_those_of_tls(
    tls: str, expected: float
) -> None:
    outcomes = [o for o in in_rounds(steady(3)) if isinstance(o, Sample)]
    samples = [replace(o, tls_version=tls) for o in outcomes]

    assert theoretical_saving_ms(samples) == expected


def test_the_route_is_measured_by_the_connects_where_the_kernel_is_silent() -> None:
    samples = [sample(n, connect=10.0 + n, syn_rtt=None) for n in range(3)]

    assert theoretical_saving_ms(samples) == 2 * 11.0
    assert theoretical_saving_ms([sample(reused=True)]) is None
    assert theoretical_saving_ms([]) is None


# --- projection ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "expected"), [(0.8, 24), (0.7, 56), (0.65, 105), (0.6, 255), (0.55, None)]
)
def test_the_projection_is_where_the_same_share_of_votes_decides(
    share: float, expected: int | None
) -> None:
    n = 20
    rows = [Row(100, True, 40 if i < share * n else 60, True) for i in range(n)]
    random.Random(1).shuffle(rows)

    pair = of(rows, min_rounds=n, close=0.0)

    assert pair.projection == expected


# --- what the saving is made of ------------------------------------------------------


def test_a_pool_against_a_pool_saves_nothing_and_closes() -> None:
    rng = random.Random(4)
    rows = [Row(40 + rng.random(), True, 40 + rng.random(), True) for _ in range(12)]
    arms = {"pooled": "pooled", "pooled-2": "pooled"}

    summary = summarise_compare(
        compare_run(
            in_rounds(rows, "pooled", "pooled-2"), arms=arms, control="pooled-2"
        )
    )

    (pair,) = summary.pairs
    assert pair.acceptance is FAIL
    assert ends(pair)[0] < 0 < ends(pair)[1]
    assert pair.breakdown is not None
    assert pair.breakdown.opening == 0
    assert pair.breakdown.rest == pytest.approx(0, abs=0.5)
    assert pair.breakdown.expected is None
    assert summary.rtt_ms is None
    assert pair.round_trips is None


def test_the_saving_closes_against_the_handshakes() -> None:
    rng = random.Random(8)
    outcomes: list[Outcome] = []
    for number in range(12):
        wait = 35 + rng.random()
        outcomes += [
            sample(number, 0, arm="unpooled", wait=wait),
            sample(number, 1, arm="pooled", reused=True, wait=wait),
        ]

    (pair,) = whole(outcomes).pairs

    assert pair.breakdown is not None
    assert pair.breakdown.opening == pytest.approx(61.5)
    assert pair.breakdown.rest == pytest.approx(0.0, abs=1e-9)
    assert pair.breakdown.expected == 60.0
    assert pair.round_trips is not None
    assert pair.round_trips.median_lo == pytest.approx(61.5 / 30)
