"""Warnings appear where their cause was put in, and not in ordinary noise."""

import math
import random
from math import inf

import numpy as np
import pytest

from tests.support.reference_data import generated_rounds, savings
from vestbench.stats.diagnostics import (
    lag1_sign_agreement,
    median_mismatch,
    order_effect,
    plateau,
    syn_retransmissions,
)

# Who goes first


def test_a_penalty_on_the_first_request_is_its_order_effect() -> None:
    orders = [True, False] * 10
    seen = [60.0 + (8 if first else -8) for first in orders]

    effect = order_effect(zip(seen, orders, strict=True), target=50)

    assert effect is not None
    assert effect.effect_ms == 8
    assert effect.limit_ms == 5  # half the distance of the median, 60, from the target
    assert (effect.control_first, effect.candidate_first) == (10, 10)
    assert effect.warns


def test_a_penalty_that_cannot_change_the_verdict_is_no_warning() -> None:
    orders = [True, False] * 10
    seen = [90.0 + (8 if first else -8) for first in orders]

    effect = order_effect(zip(seen, orders, strict=True), target=50)

    assert effect is not None
    assert effect.limit_ms == 20
    assert not effect.warns


def test_two_milliseconds_never_warn() -> None:
    effect = order_effect([(52.0, True), (48.0, False)] * 6, target=50)

    assert effect is not None
    assert (effect.effect_ms, effect.limit_ms, effect.warns) == (2, 2, False)


def test_a_negative_order_effect_warns_as_well() -> None:
    effect = order_effect([(47.0, True), (53.0, False)] * 6, target=50)

    assert effect is not None
    assert effect.effect_ms == -3
    assert effect.warns


def test_one_order_alone_has_no_effect() -> None:
    assert order_effect([(1.0, True), (2.0, True)], target=50) is None
    assert order_effect([], target=50) is None


# Rounds that resemble their neighbours


def test_alternating_savings_disagree() -> None:
    result = lag1_sign_agreement([1.0, 3.0] * 8)

    assert result is not None
    assert (result.agreement, result.limit, result.rounds) == (-1, 0.5, 16)
    assert not result.warns


def test_blocks_of_savings_agree() -> None:
    # Signs ----++++----++++: 12 of 15 neighbours agree, 3 differ.
    result = lag1_sign_agreement(([1.0] * 4 + [3.0] * 4) * 2)

    assert result is not None
    assert result.agreement == pytest.approx(9 / 15)
    assert result.warns


def test_a_value_at_the_median_agrees_with_nobody() -> None:
    result = lag1_sign_agreement([1.0, 2.0, 3.0])

    assert result is not None
    assert result.agreement == 0


def test_independent_rounds_seldom_warn() -> None:
    chance = random.Random(5)
    warned = 0
    for _ in range(500):
        result = lag1_sign_agreement([chance.gauss(60, 5) for _ in range(50)])
        warned += result is not None and result.warns

    assert warned / 500 < 0.04


def test_one_round_has_no_neighbour() -> None:
    assert lag1_sign_agreement([5.0]) is None
    assert lag1_sign_agreement([]) is None


# Two medians that a reader would take for one


def test_medians_of_a_shift_alone_agree() -> None:
    mismatch = median_mismatch([(150, 90), (152, 92), (158, 98)], interval_width=4)

    assert mismatch is not None
    assert (mismatch.of_medians_ms, mismatch.median_ms) == (60, 60)
    assert mismatch.limit_ms == pytest.approx(1.4)
    assert not mismatch.warns


def test_medians_of_opposed_noise_differ() -> None:
    mismatch = median_mismatch([(100, 90), (120, 10), (200, 50)], interval_width=10)

    assert mismatch is not None
    assert (mismatch.of_medians_ms, mismatch.median_ms) == (70, 110)
    assert mismatch.warns


def test_an_unknown_interval_never_finds_a_mismatch() -> None:
    mismatch = median_mismatch([(100, 90), (120, 10), (200, 50)], interval_width=inf)

    assert mismatch is not None
    assert not mismatch.warns


def test_a_mismatch_needs_rounds() -> None:
    assert median_mismatch([], interval_width=1) is None


@pytest.mark.parametrize("bad", [math.nan, inf])
def test_savings_are_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        order_effect([(bad, True)], target=50)
    with pytest.raises(ValueError, match="not finite"):
        lag1_sign_agreement([bad, 1.0])
    with pytest.raises(ValueError, match="not finite"):
        median_mismatch([(1.0, bad)], interval_width=1)


# The plateau at 40 ms


def jittered(centre: float, count: int, *, spread: float = 1.0) -> list[float]:
    chance = random.Random(count)
    return [centre + chance.uniform(0, spread) for _ in range(count)]


def test_stalled_requests_are_a_plateau() -> None:
    found = plateau(jittered(31, 30) + jittered(73, 20))

    assert found is not None
    assert found.count == 20
    assert found.share == pytest.approx(0.4)
    assert found.floor_ms == pytest.approx(31.5, abs=0.3)
    assert found.excess_ms == pytest.approx(42, abs=0.5)


def test_an_arm_stalled_throughout_needs_a_known_floor() -> None:
    stalled = jittered(73, 40)

    assert plateau(stalled) is None
    found = plateau(stalled, floor_ms=31.5)
    assert found is not None
    assert found.share == 1


def test_few_stalled_requests_are_no_plateau() -> None:
    assert plateau(jittered(31, 10) + jittered(73, 4)) is None  # fewer than five
    assert plateau(jittered(31, 10) + jittered(73, 5)) is not None
    assert plateau(jittered(31, 30) + jittered(73, 7)) is None  # under a fifth


def test_a_wide_distribution_is_no_plateau() -> None:
    # A quarter lies 38 to 46 ms above the floor, but as many on either side of that.
    assert plateau([56 + 0.1 * i for i in range(320)], floor_ms=30) is None
    chance = random.Random(2)
    for _ in range(100):
        skewed = [30 + chance.lognormvariate(3, 0.8) for _ in range(100)]
        assert plateau(skewed) is None


def test_ordinary_rounds_have_no_plateau() -> None:
    for seed in range(1, 6):
        rounds = generated_rounds(seed, 60, 200)
        assert plateau([r.candidate for r in rounds]) is None


def test_failures_are_part_of_the_share_of_a_plateau() -> None:
    found = plateau(jittered(31, 20) + jittered(73, 20) + [inf] * 10)

    assert found is not None
    assert found.share == pytest.approx(0.4)


@pytest.mark.parametrize("arm", [[], [inf, inf]])
def test_an_arm_without_answers_has_no_plateau(arm: list[float]) -> None:
    assert plateau(arm) is None


# SYN retransmissions


def test_a_value_one_second_above_the_median_is_a_repeated_syn() -> None:
    values = [*jittered(30, 20), 1043.0]

    (found,) = syn_retransmissions(values, rtt_ms=30)

    assert (found.index, found.value_ms, found.wait_s) == (20, 1043, 1)
    assert found.excess_ms == pytest.approx(1012.5, abs=0.5)


# What Linux 6.18 was measured to wait: four linear timeouts, then doubled ones.
@pytest.mark.parametrize(
    ("waited", "wait"),
    [(1013, 1), (2039, 2), (3061, 3), (4086, 4), (5109, 5), (7125, 7), (3000, 3)],
)
def test_waits_of_the_kernel_are_known(waited: float, wait: int) -> None:
    (found,) = syn_retransmissions([30.0] * 20 + [30 + waited])

    assert found.wait_s == wait


@pytest.mark.parametrize("value", [200.0, 900.0, 1150.0, 1500.0, 6500.0, inf])
def test_other_slow_values_are_no_repeated_syn(value: float) -> None:
    assert syn_retransmissions([30.0] * 20 + [value]) == ()


def test_a_long_route_widens_the_tolerance() -> None:
    values = [150.0] * 20 + [1270.0]

    assert syn_retransmissions(values) == ()
    assert len(syn_retransmissions(values, rtt_ms=150)) == 1


@pytest.mark.parametrize("arm", [[], [inf] * 3])
def test_an_arm_without_answers_has_no_repeated_syn(arm: list[float]) -> None:
    assert syn_retransmissions(arm) == ()


@pytest.mark.parametrize("bad", [math.nan, -1.0])
def test_latencies_are_not_negative(bad: float) -> None:
    with pytest.raises(ValueError, match="NaN or negative"):
        plateau([1.0, bad])
    with pytest.raises(ValueError, match="NaN or negative"):
        syn_retransmissions([1.0, bad])
    with pytest.raises(ValueError, match="NaN or negative"):
        syn_retransmissions([1.0], rtt_ms=bad)


def test_numbers_do_not_depend_on_numpy() -> None:
    seen = np.array(savings(generated_rounds(1, 60, 50)))
    orders = np.arange(50) % 2 == 0

    effect = order_effect(zip(seen, orders, strict=True), target=50)
    agreement = lag1_sign_agreement(seen)  # type: ignore[arg-type]
    stalled = plateau(np.float32([31] * 9 + [73] * 9))  # type: ignore[arg-type]

    assert effect == order_effect(
        zip(seen.tolist(), orders.tolist(), strict=True), target=50
    )
    assert effect is not None
    assert agreement is not None
    assert stalled is not None
    numbers = [
        effect.effect_ms,
        effect.limit_ms,
        agreement.agreement,
        stalled.excess_ms,
    ]
    assert [type(number) for number in numbers] == [float] * 4
