"""Judges of simulated runs: the sequential verdict for all at once, and blocks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.simulated_runs import CAP, Bools, Conditions, Data, Floats
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.evidence import CONFIDENCE_THRESHOLDS, MIN_ROUNDS, votes_needed
from vestbench.stats.sequential import SequentialVerdict

TARGET_MS = 50.0
CONFIDENCE = 0.95
THRESHOLD = CONFIDENCE_THRESHOLDS[CONFIDENCE]
BLOCK = 100  # requests per arm of the block design
Z_95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge said about each run."""

    passed: Bools
    failed: Bools
    close: Bools  # neither passed nor failed because the saving is close to the target
    covered: Bools  # the interval given with the verdict holds the true saving
    rounds: NDArray[np.int64]


Judge = Callable[[Data, Conditions], Judged]


def sequential(
    data: Data,
    conditions: Conditions,
    *,
    close_ms: float | None = None,
    threshold: int = THRESHOLD,
) -> Judged:
    """Judge all runs at once as `SequentialVerdict` does one run without failures."""
    saving = data.control - data.candidate
    needed = np.array([votes_needed(n, threshold) or n + 1 for n in range(1, CAP + 1)])

    def count(hits: Bools) -> NDArray[np.int16]:
        return np.cumsum(hits, axis=0, dtype=np.int16)

    def enough(votes: NDArray[np.int16]) -> Bools:
        reached: Bools = votes >= needed[:, None].astype(np.int16)
        reached[: MIN_ROUNDS - 1] = False
        return reached

    passing = count(saving >= TARGET_MS)
    passes = enough(passing)
    fails = enough(np.arange(1, CAP + 1, dtype=np.int16)[:, None] - passing)
    near = np.zeros_like(passes)
    if close_ms is not None:
        near = enough(count(saving > TARGET_MS - close_ms))
        near &= enough(count(saving < TARGET_MS + close_ms))
    stops = passes | fails | near
    stops[-1] = True
    last = stops.argmax(axis=0)

    def at_stop(rows: NDArray[Any]) -> NDArray[Any]:
        taken: NDArray[Any] = np.take_along_axis(rows, last[None], axis=0)[0]
        return taken

    rounds, k = last + 1, needed[last]
    passed, failed = at_stop(passes), at_stop(fails)
    # The interval is [D(n-k+1), D(k)], so these counts say whether it holds the truth.
    up_to = at_stop(count(saving <= conditions.saving_ms))
    below = at_stop(count(saving < conditions.saving_ms))
    return Judged(
        passed=passed,
        failed=failed,
        close=at_stop(near) & ~passed & ~failed,
        covered=(up_to >= rounds - k + 1) & (below < k),
        rounds=rounds,
    )


def blocks(data: Data, conditions: Conditions) -> Judged:
    """Judge a block design: 100 requests of the control, then 100 of the candidate.

    The Mann-Whitney test in its normal approximation, two-sided at 95 %, of the slot
    noise that the first 100 rounds had; the interval is the one that inverts the test.
    """
    control = data.slots[:BLOCK] + data.savings[:BLOCK]
    candidate = data.slots[BLOCK : 2 * BLOCK]

    def score(saving: float) -> Floats:
        both = np.concatenate([control - saving, candidate]).T
        from_control = both.argsort(axis=1) < BLOCK
        ranks = from_control @ np.arange(1.0, 2 * BLOCK + 1)
        wins = ranks - BLOCK * (BLOCK + 1) / 2
        sd = BLOCK * math.sqrt((2 * BLOCK + 1) / 12)
        z: Floats = (wins - BLOCK**2 / 2) / sd
        return z

    z = score(TARGET_MS)
    runs = len(z)
    return Judged(
        passed=z > Z_95,
        failed=z < -Z_95,
        close=np.zeros(runs, dtype=np.bool_),
        covered=np.abs(score(conditions.saving_ms)) <= Z_95,
        rounds=np.full(runs, BLOCK),
    )


class DisagreementError(Exception):
    """The class and its evaluation for many runs at once say different things."""


def check(
    data: Data,
    conditions: Conditions,
    judged: Judged,
    runs: int,
    close_ms: float | None,
) -> int:
    """Give the first runs to the class, and return how many rounds it took.

    Raises:
        DisagreementError: It did not run, stop and judge as `judged` says, or its
            interval covers the truth where that one's does not.
    """
    control, candidate = data.control, data.candidate
    rounds = 0
    for run in range(runs):
        verdict = SequentialVerdict(
            target=TARGET_MS, confidence=CONFIDENCE, max_rounds=CAP, close=close_ms
        )
        for row in range(CAP):
            given = verdict.add(
                control[row, run],
                True,
                candidate[row, run],
                True,
                bool(data.control_first[row, run]),
            )
            if (given is None) != (row + 1 < judged.rounds[run]):
                break
            if given is not None:
                break
        state = verdict.state
        interval = state.saving.interval
        said = (
            state.verdict is not None,
            state.verdict is Verdict.PASS,
            state.verdict is Verdict.FAIL,
            state.reason is Reason.CLOSE,
            interval is not None
            and interval.low <= conditions.saving_ms <= interval.high,
            state.rounds,
        )
        expected = (
            True,
            bool(judged.passed[run]),
            bool(judged.failed[run]),
            bool(judged.close[run]),
            bool(judged.covered[run]),
            int(judged.rounds[run]),
        )
        if said != expected:
            message = f"{conditions}, run {run}: {said} by the class, not {expected}"
            raise DisagreementError(message)
        rounds += state.rounds
    return rounds
