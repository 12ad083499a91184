"""What a comparison warns of, and what interleaving is for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import pytest

from tests.support.compared import (
    PASS,
    coins,
    ends,
    in_rounds,
    judged,
    judgement_of,
    of,
    request,
    steady,
    whole,
)
from tests.support.crossing import crossing_probability
from tests.support.records import COMPARE_PLAN, compare_run, known
from tests.support.reference_data import Round as Row
from vestbench.model.request import Outcome, Sample
from vestbench.model.verdict import Verdict
from vestbench.studies.compare.rounds import Round

# --- warnings ------------------------------------------------------------------------


def test_an_effect_of_the_order_is_noticed() -> None:
    rows = steady(40, control=110.0, candidate=50.0)

    def slower_first(o: Outcome) -> Outcome:
        if isinstance(o, Sample) and o.slot.index == 0:
            return replace(o, latency_ns=o.latency_ns + 20_000_000)
        return o

    plain = whole(in_rounds(rows), min_rounds=40).pairs[0]
    found = whole(map(slower_first, in_rounds(rows)), min_rounds=40).pairs[0]

    assert plain.order is not None
    assert found.order is not None
    assert not plain.order.warns
    assert found.order.warns
    assert found.order.effect_ms == pytest.approx(20.0, abs=0.1)


def test_the_limit_of_the_order_effect_is_in_ms_for_a_target_in_percent_too() -> None:
    rows = steady(40, control=1000.0, candidate=400.0)  # 60 % saved

    pair = whole(
        in_rounds(rows), min_saving_ms=None, min_saving_percent=50.0, min_rounds=40
    ).pairs[0]

    assert pair.order is not None
    # Half the distance of 600 ms from 50 % of 1000 ms.
    assert pair.order.limit_ms == pytest.approx(50.0, abs=0.1)


def test_savings_that_resemble_their_neighbours_are_noticed() -> None:
    waves = [Row(110.0 + 8 * (n // 10 % 2), True, 50, True) for n in range(40)]
    mixed = [Row(110.0 + 8 * (n * 7 % 5), True, 50, True) for n in range(40)]

    found, plain = of(waves, min_rounds=40), of(mixed, min_rounds=40)

    assert found.agreement is not None
    assert plain.agreement is not None
    assert found.agreement.warns
    assert not plain.agreement.warns


def test_medians_that_do_not_fit_the_saving_are_noticed() -> None:
    # Savings 50, 60 and 50; but the typical request of either arm is of the second.
    kinds = [
        Row(100, True, 50, True),
        Row(200, True, 140, True),
        Row(300, True, 250, True),
    ]
    rows = [kinds[n % 3] for n in range(39)]

    odd, plain = of(rows, min_rounds=39), of(steady(39), min_rounds=39)

    assert odd.mismatch is not None
    assert plain.mismatch is not None
    assert odd.mismatch.of_medians_ms == 60
    assert odd.mismatch.median_ms == odd.saving.median_lo == 50
    assert odd.mismatch.warns
    assert not plain.mismatch.warns


def test_a_plateau_of_delayed_acknowledgements_is_noticed() -> None:
    def stalled(o: Outcome) -> Outcome:
        if isinstance(o, Sample) and o.reused and o.slot.session % 2:
            return replace(o, wait_ns=known(o.wait_ns) + 41_000_000)
        return o

    outcomes = in_rounds(steady(20))
    plain = whole(outcomes, min_rounds=20).pairs[0]
    found = whole(map(stalled, outcomes), min_rounds=20).pairs[0]

    assert plain.plateau is None
    assert found.plateau is not None
    assert found.plateau.count == 10
    assert found.plateau.excess_ms == pytest.approx(41.0)


def test_a_connect_whose_syn_was_lost_is_noticed() -> None:
    def lost(o: Outcome) -> Outcome:
        if isinstance(o, Sample) and not o.reused and o.slot.session == 4:
            return replace(o, connect_ns=1_030_000_000, retransmits=1)
        return o

    outcomes = in_rounds(steady(12))
    plain, found = whole(outcomes), whole(map(lost, outcomes))

    assert plain.syn_retransmissions == ()
    assert [one.wait_s for one in found.syn_retransmissions] == [1]
    assert (plain.retransmits, found.retransmits) == (0, 1)


def test_the_span_is_from_the_first_request_to_the_last() -> None:
    assert whole(in_rounds(steady(12))).span_s == 11.5


# --- what interleaving is for --------------------------------------------------------


def route(slot: int, slots: int, rng: random.Random, drift: float = 30.0) -> float:
    """Return what a pooled request takes in a slot: the route gets slower."""
    return 40.0 + drift * slot / slots + rng.uniform(0, 4)


@pytest.mark.parametrize("seed", range(5))
def test_a_drifting_route_fools_a_block_design_but_not_interleaved_rounds(
    seed: int,
) -> None:
    rng = random.Random(seed)
    rounds, true_saving = 60, 50.0
    slots = 2 * rounds
    rows_in = []
    for number, first in zip(range(rounds), coins(seed), strict=False):
        times = [route(2 * number + place, slots, rng) for place in range(2)]
        control, candidate = times if first else times[::-1]
        rows_in += [
            request(number, 0 if first else 1, "unpooled", control + true_saving),
            request(number, 1 if first else 0, "pooled", candidate),
        ]
    blocks = [route(slot, slots, rng) for slot in range(slots)]

    (pair,) = whole(rows_in, min_rounds=rounds, min_saving_ms=45.0).pairs
    block_control = median(blocks[:rounds]) + true_saving
    block_saving = block_control - median(blocks[rounds:])

    low, high = ends(pair)
    assert pair.acceptance is PASS
    assert low <= true_saving <= high
    assert high - low < 4
    assert abs(pair.saving.median_lo - true_saving) < 2
    assert abs(block_saving - true_saving) > 10
    assert block_saving < 45.0  # it would have failed what is true


def noise_of(rng: random.Random) -> Callable[[], float]:
    """Return slot noise with a trend, bursts and outliers, the same for both arms."""
    level = 0.0

    def draw() -> float:
        nonlocal level
        level = 0.8 * level + rng.gauss(0, 3)
        outlier = 200.0 if rng.random() < 0.05 else 0.0
        return 80 + abs(level) + rng.lognormvariate(0, 0.6) + outlier

    return draw


def test_arms_that_are_alike_pass_no_more_often_than_the_bound() -> None:
    runs, cap = 250, 60
    passed = failed = covered = 0
    plan = {"min_saving_ms": 0.001, "close": 0.0, "max_rounds": cap}

    for seed in range(runs):
        rng = random.Random(seed)
        draw = noise_of(rng)
        judgement = judgement_of(compare_run(plan=plan))
        for number in range(cap):
            first, second = draw(), draw()
            control_first = rng.random() < 0.5
            control, candidate = (first, second) if control_first else (second, first)
            outcomes = {
                "unpooled": request(number, 1 - control_first, "unpooled", control),
                "pooled": request(number, int(control_first), "pooled", candidate),
            }
            if judgement.add(Round(number=number, outcomes=outcomes)):
                break
        outcome = judgement.verdicts["pooled"].state
        interval = outcome.saving.interval
        assert interval is not None
        passed += outcome.verdict is Verdict.PASS
        failed += outcome.verdict is Verdict.FAIL
        covered += interval.low <= 0 <= interval.high

    bound = crossing_probability(24, max_rounds=cap)
    assert bound < 0.0236
    # Four standard errors of the simulation beyond what is exact.
    allowed = runs * bound + 4 * (runs * bound) ** 0.5
    assert passed <= allowed
    assert failed <= allowed
    assert covered >= runs - 2 * allowed


def test_arms_that_are_alike_never_reach_a_saving_worth_having() -> None:
    for seed in range(40):
        rng = random.Random(seed)
        draw = noise_of(rng)
        rows = [Row(draw(), True, draw(), True) for _ in range(200)]
        judgement, _ = judged(rows, {})

        assert judgement.verdicts["pooled"].state.verdict is Verdict.FAIL


def test_the_default_plan_is_the_one_of_the_specification() -> None:
    assert COMPARE_PLAN["min_rounds"] == 12
    assert COMPARE_PLAN["max_rounds"] == 200
