"""Comparisons in rounds, and what is said of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.records import compare_run, failure, sample
from tests.support.reference_data import Round as Row
from vestbench.model.request import Outcome, Role
from vestbench.model.verdict import Verdict
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.rounds import Judgement, Round, target_of
from vestbench.studies.compare.summary import (
    CompareSummary,
    PairSummary,
    summarise_compare,
)

PASS, FAIL = Verdict.PASS, Verdict.FAIL
INCONCLUSIVE, INVALID = Verdict.INCONCLUSIVE, Verdict.INVALID


def request(
    number: int, place: int, label: str, ms: float, ok: bool = True, **fields: Any
) -> Outcome:
    """Return a measured request of an arm; what its label says, it did."""
    cold = label.startswith("unpooled")
    if not ok:
        role = Role.COLD if cold else Role.SUBSEQUENT
        return failure(number, place, arm=label, elapsed=ms, role=role)
    defaults: dict[str, Any] = {
        "reused": not cold,
        "arm": label,
        "latency": ms,
        "start": 1000.0 * number + 500 * place,
        "connection": 10 * number + place,
    }
    return sample(number, place, **{**defaults, **fields})


def coins(seed: int = 7) -> Iterable[bool]:
    rng = random.Random(seed)
    while True:
        yield rng.random() < 0.5


def in_rounds(
    rows: Sequence[Row], candidate: str = "pooled", control: str = "unpooled"
) -> list[Outcome]:
    """Return the outcomes of rounds whose order was tossed for."""
    outcomes = []
    for number, (row, first) in enumerate(zip(rows, coins(), strict=False)):
        outcomes += [
            request(number, 0 if first else 1, control, row.control, row.control_ok),
            request(
                number, 1 if first else 0, candidate, row.candidate, row.candidate_ok
            ),
        ]
    return outcomes


def steady(
    count: int, control: float = 100.0, candidate: float = 40.0, step: float = 0.01
) -> list[Row]:
    """Return rounds that differ a little, so that no two savings are equal."""
    rows = []
    for n in range(count):
        off = step * ((7 * n) % 11)
        rows.append(Row(control + off, True, candidate + step * ((3 * n) % 5), True))
    return rows


def of(rows: Sequence[Row], **plan: Any) -> PairSummary:
    (pair,) = whole(in_rounds(rows), **plan).pairs
    return pair


def whole(outcomes: Iterable[Outcome], **plan: Any) -> CompareSummary:
    return summarise_compare(compare_run(outcomes, plan=plan))


def ends(pair: PairSummary) -> tuple[float, float]:
    interval = pair.saving.interval
    assert interval is not None
    return interval.low, interval.high


def judgement_of(run: CompareRun) -> Judgement:
    target, percent = target_of(run)
    return Judgement(run.plan, target, percent=percent)


def judged(rows: Sequence[Row], plan: dict[str, Any]) -> tuple[Judgement, list[Row]]:
    """Judge rounds as they come, and return those that it took."""
    run = compare_run(plan=plan)
    judgement = judgement_of(run)
    for taken, (number, row) in enumerate(enumerate(rows), start=1):
        outcomes = {
            "unpooled": request(number, 0, "unpooled", row.control, row.control_ok),
            "pooled": request(number, 1, "pooled", row.candidate, row.candidate_ok),
        }
        if judgement.add(Round(number=number, outcomes=outcomes)):
            return judgement, list(rows[:taken])
    judgement.verdicts["pooled"].finish()
    return judgement, list(rows)
