"""Rounds played through the sequential verdict."""

from typing import Any

from tests.support.reference_data import Round
from vestbench.stats.bounds import saving_bounds
from vestbench.stats.decision import Interval, SavingSummary, summarise
from vestbench.stats.sequential import SequentialVerdict


def run(rounds: list[Round], **options: Any) -> SequentialVerdict:
    """Feed rounds in alternating order, until it stops or they end."""
    verdict = SequentialVerdict(**options)
    for place, row in enumerate(rounds):
        verdict.add(*row, control_first=place % 2 == 0)
    return verdict


BOTH_FAILED = Round(1000, False, 1000, False)


def summary_of(rounds: list[Round], target: float = 50) -> SavingSummary:
    return summarise([saving_bounds(*row) for row in rounds], target=target)


def ends(interval: Interval | None, digits: int = 4) -> tuple[float, float]:
    assert interval is not None
    return round(interval.low, digits), round(interval.high, digits)
