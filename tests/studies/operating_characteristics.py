"""How often is the verdict wrong? Simulated runs against the exact bounds.

Run it as `python -m tests.studies.operating_characteristics`; it stores its figures in
`results/statistics.toml` and exits 1 when one of its bars is missed.

A cell is a kind of noise, its size, a true saving and whether a run may stop for
closeness. Per cell, thousands of runs are simulated round by round and judged by the
rules of `SequentialVerdict`, evaluated for all runs at once; the first runs of every
batch are judged by the class as well, and a single difference ends the study. The same
noise is judged by a block design too (every control request, then every request of the
candidate), which has no bar: it shows why rounds are interleaved.

All data are synthetic. Noise belongs to the request *slot*, never to an arm, which is
what the exact bound rests on: a pooled connection that is slow by itself is not here.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.studies.stored import host, positive, save
from vestbench import __version__
from vestbench.stats import (
    CONFIDENCE_THRESHOLDS,
    MIN_ROUNDS,
    Reason,
    SequentialVerdict,
    Verdict,
    crossing_probability,
    votes_needed,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# 1: first format.
FORMAT = 1
KIND = "operating characteristics"

TARGET_MS = 50.0
CONFIDENCE = 0.95
THRESHOLD = CONFIDENCE_THRESHOLDS[CONFIDENCE]
CAP = 200  # rounds
SLOTS = 2 * CAP  # one request each
CLOSE_MS = 2.5

JITTERS_MS = (1.0, 5.0, 10.0, 20.0)
# Strictly below the target, by one tick of the clock, so that a PASS is wrong.
JUST_BELOW_MS = TARGET_MS - 1e-6
SAVINGS_MS = (30.0, 45.0, JUST_BELOW_MS, TARGET_MS, 55.0, 80.0)
FAR_MS = 20.0  # from here on no wrong verdict at all is allowed
# Not zero: in a burst the jitter is four times itself, so at 20 ms even this distance
# is a quarter of the noise, and one run in 15,000 is wrong.
FAR_PERCENT = 0.1

BASE_MS = 80.0
SHAPE = 0.6  # of the lognormal part of a latency
PERIOD = 200  # slots over which the drift adds up; the shift comes in their middle
DRIFT_MS = 40.0
SHIFT_MS = 25.0
PHI = 0.8
SKEW = 0.35  # shape of the lognormal saving
BLOCK = 100  # requests per arm of the block design
Z_95 = NormalDist().inv_cdf(0.975)

RUNS = 10_000
SEED = 20_260_301
BATCH = 1000  # runs simulated at once: what still fits the caches
CHECKED = 20  # runs of every batch that the class judges as well


# --- noise: what a request would take in each slot, in ms, one column per run ---------

_MEAN = math.exp(SHAPE**2 / 2)
_SD = _MEAN * math.sqrt(math.expm1(SHAPE**2))


def _excess(
    rng: np.random.Generator, jitter: float, runs: int, slots: int = SLOTS
) -> Floats:
    """Return lognormal times whose standard deviation is `jitter`."""
    times: Floats = np.exp(SHAPE * rng.standard_normal((slots, runs))) * (jitter / _SD)
    return times


def iid(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return independent requests: 80 ms and a lognormal time."""
    return BASE_MS + _excess(rng, jitter, runs)


def drift(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return a route that gets 40 ms slower, or faster, with every 200 slots."""
    sign = rng.choice([-1.0, 1.0], runs)
    trend = DRIFT_MS / PERIOD * np.arange(SLOTS)
    times: Floats = iid(rng, jitter, runs) + trend[:, None] * sign
    return times


def shift(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return a route that is 25 ms slower, or faster, from slot 100 on."""
    sign = rng.choice([-1.0, 1.0], runs)
    step = SHIFT_MS * (np.arange(SLOTS) >= PERIOD // 2)
    times: Floats = iid(rng, jitter, runs) + step[:, None] * sign
    return times


def outliers(
    share: float, rng: np.random.Generator, jitter: float, runs: int
) -> Floats:
    """Return requests of which a share takes 100 ms and an exponential time longer."""
    hit = rng.random((SLOTS, runs)) < share
    slow = np.zeros(hit.shape)
    slow[hit] = 100.0 + rng.exponential(200.0, np.count_nonzero(hit))
    return iid(rng, jitter, runs) + slow


def ar1(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return an AR(1) per slot with lognormal innovations, `jitter` in all."""
    settled = 60  # slots before the first one: 0.8^60 of the start is left
    noise = _excess(rng, jitter, runs, settled + SLOTS)
    noise -= _MEAN / _SD * jitter
    noise *= math.sqrt(1 - PHI**2)
    for slot in range(1, len(noise)):
        noise[slot] += PHI * noise[slot - 1]
    return BASE_MS + _MEAN / _SD * jitter + noise[settled:]


def burst(rng: np.random.Generator, jitter: float, runs: int) -> Floats:
    """Return a noisy neighbour: 20 slots, a fifth of the time, x4 jitter and 15 ms."""
    leave = 1 / 20
    enter = leave * 0.2 / 0.8
    busy = np.empty((SLOTS, runs), dtype=np.bool_)
    busy[0] = rng.random(runs) < 0.2
    draws = rng.random((SLOTS, runs))
    for slot in range(1, SLOTS):
        last = busy[slot - 1]
        busy[slot] = np.where(last, draws[slot] >= leave, draws[slot] < enter)
    excess = _excess(rng, jitter, runs)
    return BASE_MS + np.where(busy, 4 * excess + 15.0, excess)


Noise = Callable[[np.random.Generator, float, int], Floats]
SKEWED = "skewed saving"
NOISES: dict[str, Noise] = {
    "iid": iid,
    "drift": drift,
    "shift": shift,
    "outliers 1 %": partial(outliers, 0.01),
    "outliers 5 %": partial(outliers, 0.05),
    "AR(1)": ar1,
    "bursts": burst,
    SKEWED: iid,  # the slots are ordinary, the savings are not
}


@lru_cache(maxsize=64)
def skew_offset(jitter: float, saving: float) -> float:
    """Return what moves the median of a skewed saving seen through noise to `saving`.

    The median of a sum is not the sum of the medians. It is solved for by bisection on
    grids of quantiles, without random numbers.
    """

    def normal(points: int) -> Floats:
        places = (np.arange(points) + 0.5) / points
        return np.array([NormalDist().inv_cdf(place) for place in places])

    slot = np.exp(SHAPE * normal(400)) * (jitter / _SD)
    noise = np.sort((slot[:, None] - slot).ravel())
    savings = saving * np.exp(SKEW * normal(1000))
    low, high = -saving, saving
    for _ in range(50):
        offset = (low + high) / 2
        below = np.searchsorted(noise, saving - offset - savings).mean() / noise.size
        low, high = (low, offset) if below < 0.5 else (offset, high)
    return (low + high) / 2


# --- data and judges ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What is true of some runs."""

    noise: str
    jitter_ms: float
    saving_ms: float  # the median of the savings of single rounds, exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Simulated runs: a row per slot or per round, a column per run."""

    slots: Floats
    savings: Floats  # one row per round
    control_first: Bools  # the coin, one row per round

    @property
    def control(self) -> Floats:
        """What the control took in each round."""
        first, second = self.slots[0::2], self.slots[1::2]
        return np.where(self.control_first, first, second) + self.savings

    @property
    def candidate(self) -> Floats:
        """What the candidate took in each round."""
        first, second = self.slots[0::2], self.slots[1::2]
        return np.where(self.control_first, second, first)


def simulate(rng: np.random.Generator, conditions: Conditions, runs: int) -> Data:
    """Return runs of 200 rounds, with a fair coin for the order in each round."""
    slots = NOISES[conditions.noise](rng, conditions.jitter_ms, runs)
    savings = np.full((CAP, runs), conditions.saving_ms)
    if conditions.noise == SKEWED:
        savings *= np.exp(SKEW * rng.standard_normal(savings.shape))
        savings += skew_offset(conditions.jitter_ms, conditions.saving_ms)
    coins = rng.integers(0, 2, (CAP, runs), dtype=np.int8).astype(np.bool_)
    return Data(slots=slots, savings=savings, control_first=coins)


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
            state = verdict.add(
                control[row, run],
                True,
                candidate[row, run],
                True,
                bool(data.control_first[row, run]),
            )
            if (state is Verdict.RUNNING) != (row + 1 < judged.rounds[run]):
                break
            if state is not Verdict.RUNNING:
                break
        outcome = verdict.outcome
        interval = outcome.saving.interval
        said = (
            outcome.verdict is not Verdict.RUNNING,
            outcome.verdict is Verdict.PASS,
            outcome.verdict is Verdict.FAIL,
            outcome.reason is Reason.CLOSE,
            interval is not None
            and interval.low <= conditions.saving_ms <= interval.high,
            outcome.rounds,
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
        rounds += outcome.rounds
    return rounds


# --- figures --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one judge did in one cell. Standard errors are in the unit they follow."""

    noise: str
    jitter_ms: float
    saving_ms: float
    close_ms: float | None  # None: runs did not stop for closeness
    runs: int
    pass_percent: float
    fail_percent: float
    close_percent: float
    wrong_percent: float  # PASS below the target, FAIL at or above it
    wrong_se: float
    coverage_percent: float
    coverage_se: float
    rounds_median: float
    rounds_mean: float
    rounds_mean_se: float

    @property
    def false_pass_percent(self) -> float | None:
        """None where the saving reaches the target, so that no PASS is wrong."""
        return self.wrong_percent if self.saving_ms < TARGET_MS else None

    @property
    def false_fail_percent(self) -> float | None:
        """None where the saving misses the target."""
        return None if self.saving_ms < TARGET_MS else self.wrong_percent

    @property
    def is_boundary(self) -> bool:
        """Whether the saving is the target, or the nearest one below it."""
        return self.saving_ms in (JUST_BELOW_MS, TARGET_MS)

    @property
    def is_far(self) -> bool:
        """Whether a wrong verdict would have no excuse."""
        return abs(self.saving_ms - TARGET_MS) >= FAR_MS

    def table(self) -> dict[str, Any]:
        """Return the figures for the file, without what does not apply."""
        table = {
            **asdict(self),
            "false_pass_percent": self.false_pass_percent,
            "false_fail_percent": self.false_fail_percent,
        }
        del table["wrong_percent"]
        return {
            key: _rounded(value) for key, value in table.items() if value is not None
        }


def figures(
    conditions: Conditions, close_ms: float | None, parts: Sequence[Judged]
) -> Figures:
    """Count what a judge said about the runs of one cell."""
    passed = np.concatenate([part.passed for part in parts])
    failed = np.concatenate([part.failed for part in parts])
    rounds = np.concatenate([part.rounds for part in parts])
    runs = len(rounds)
    wrong = passed if conditions.saving_ms < TARGET_MS else failed
    covered = np.concatenate([part.covered for part in parts])
    close = np.concatenate([part.close for part in parts])
    return Figures(
        **asdict(conditions),
        close_ms=close_ms,
        runs=runs,
        pass_percent=_percent(passed),
        fail_percent=_percent(failed),
        close_percent=_percent(close),
        wrong_percent=_percent(wrong),
        wrong_se=standard_error(_percent(wrong), runs),
        coverage_percent=_percent(covered),
        coverage_se=standard_error(_percent(covered), runs),
        rounds_median=float(np.median(rounds)),
        rounds_mean=float(rounds.mean()),
        rounds_mean_se=float(rounds.std() / math.sqrt(runs)),
    )


def _percent(hits: Bools) -> float:
    return 100.0 * int(np.count_nonzero(hits)) / len(hits)


def standard_error(percent: float, runs: int) -> float:
    """Return the Monte-Carlo standard error of a percentage, in points."""
    return math.sqrt(percent * (100 - percent) / runs)


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One demand on all cells, and the cell that comes nearest to missing it."""

    name: str
    demand: str
    limit_percent: float
    cells: int
    worst_percent: float
    worst_cell: str
    passed: bool


def bars(cells: Iterable[Figures]) -> tuple[Bar, ...]:
    """Hold the cells to the exact bounds; three standard errors are for the simulation.

    The standard error is the one at the bound, so it does not depend on what was found.
    Without closeness the true rate *is* the bound, so a cell of 10,000 runs exceeds the
    limit by chance once in 510 times, and one of the 64 such cells with one seed in
    nine. A seed that misses the bars is no bug by itself; two that miss them alike are.

    Raises:
        ValueError: A bar has no cell to judge.
    """
    every = tuple(cells)
    exact = 100 * crossing_probability(THRESHOLD, max_rounds=CAP)
    promised = 100 * CONFIDENCE
    boundary = tuple(cell for cell in every if cell.is_boundary)
    runs = min(cell.runs for cell in every)

    def bar(name: str, demand: str, limit: float, among: Sequence[Figures]) -> Bar:
        covers = name == "coverage"
        values = [c.coverage_percent if covers else c.wrong_percent for c in among]
        worst = (min if covers else max)(values)
        cell = among[values.index(worst)]
        where = (
            f"{cell.noise}, jitter {cell.jitter_ms:g} ms, saving "
            f"{_saving(cell.saving_ms)}, {'no ' if cell.close_ms is None else ''}close"
        )
        return Bar(
            name=name,
            demand=demand,
            limit_percent=limit,
            cells=len(among),
            worst_percent=worst,
            worst_cell=where if covers or worst else "none",
            passed=worst >= limit if covers else worst <= limit,
        )

    at_most = exact + 3 * standard_error(exact, runs)
    exactly = f"the exact {exact:.3f} % + 3 standard errors"
    return (
        bar(
            "false PASS",
            f"at the boundary, in every cell, at most {exactly}",
            at_most,
            [cell for cell in boundary if cell.saving_ms < TARGET_MS],
        ),
        bar(
            "false FAIL",
            f"at the boundary, in every cell, at most {exactly}",
            at_most,
            [cell for cell in boundary if cell.saving_ms >= TARGET_MS],
        ),
        bar(
            "coverage",
            f"at the stop, in every cell, at least {promised:g} % - 3 standard errors",
            promised - 3 * standard_error(promised, runs),
            every,
        ),
        bar(
            "far",
            f"{FAR_MS:g} ms or more from the target, in every cell, at most "
            f"{FAR_PERCENT:g} % wrong",
            FAR_PERCENT,
            [cell for cell in every if cell.is_far],
        ),
    )


def _saving(saving_ms: float) -> str:
    below = saving_ms == JUST_BELOW_MS
    return f"just below {TARGET_MS:g} ms" if below else f"{saving_ms:g} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The worst cell of one kind of noise, over jitters, savings and both stops.

    Every run has two verdicts, without and with closeness.
    """

    noise: str
    verdicts: int
    false_pass_percent: float  # at the boundary, as all down to coverage
    false_fail_percent: float
    pooled_false_pass_percent: float  # of all jitters together, without closeness
    pooled_false_fail_percent: float
    pooled_se: float  # of the exact bound at as many runs
    block_false_pass_percent: float
    block_false_fail_percent: float
    coverage_percent: float  # of all savings
    block_coverage_percent: float
    far_verdicts: int  # 20 ms or more from the target
    far_wrong_verdicts: int
    far_rounds_median: float  # the largest of the medians of the cells


def summary(noise: str, cells: Sequence[Figures], block: Sequence[Figures]) -> Summary:
    """Sum up one kind of noise, or all of them, under the name given."""
    far = [cell for cell in cells if cell.is_far]

    def worst(among: Sequence[Figures], *, below: bool) -> float:
        return max(
            cell.wrong_percent
            for cell in among
            if cell.is_boundary and (cell.saving_ms < TARGET_MS) == below
        )

    def pooled(*, below: bool) -> list[Figures]:
        return [
            cell
            for cell in cells
            if cell.is_boundary
            and cell.close_ms is None
            and (cell.saving_ms < TARGET_MS) == below
        ]

    def mean(among: Sequence[Figures]) -> float:
        wrong = sum(cell.wrong_percent * cell.runs for cell in among)
        return wrong / sum(cell.runs for cell in among)

    exact = 100 * crossing_probability(THRESHOLD, max_rounds=CAP)
    return Summary(
        noise=noise,
        verdicts=sum(cell.runs for cell in cells),
        false_pass_percent=worst(cells, below=True),
        false_fail_percent=worst(cells, below=False),
        pooled_false_pass_percent=mean(pooled(below=True)),
        pooled_false_fail_percent=mean(pooled(below=False)),
        pooled_se=standard_error(exact, sum(c.runs for c in pooled(below=True))),
        block_false_pass_percent=worst(block, below=True),
        block_false_fail_percent=worst(block, below=False),
        coverage_percent=min(cell.coverage_percent for cell in cells),
        block_coverage_percent=min(cell.coverage_percent for cell in block),
        far_verdicts=sum(cell.runs for cell in far),
        far_wrong_verdicts=sum(round(c.wrong_percent * c.runs / 100) for c in far),
        far_rounds_median=max(cell.rounds_median for cell in far),
    )


# --- the study ------------------------------------------------------------------------

ALL = tuple(
    Conditions(noise=noise, jitter_ms=jitter, saving_ms=saving)
    for noise in NOISES
    for jitter in JITTERS_MS
    for saving in SAVINGS_MS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The figures of one set of conditions, by each judge."""

    sequential: tuple[Figures, ...]  # without and with closeness
    block: Figures
    checked_runs: int  # judged by the class as well
    checked_rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All figures of a study."""

    cells: tuple[Figures, ...]
    blocks: tuple[Figures, ...]
    checked_runs: int
    checked_rounds: int

    @property
    def bars(self) -> tuple[Bar, ...]:
        """What the cells of the sequential verdict are held to."""
        return bars(self.cells)

    @property
    def passed(self) -> bool:
        """Whether every bar is met."""
        return all(bar.passed for bar in self.bars)

    @property
    def summaries(self) -> tuple[Summary, ...]:
        """One per kind of noise, and one of all."""
        names = list(dict.fromkeys(cell.noise for cell in self.cells))
        return (
            *(
                summary(
                    name,
                    [cell for cell in self.cells if cell.noise == name],
                    [cell for cell in self.blocks if cell.noise == name],
                )
                for name in names
            ),
            summary("all", self.cells, self.blocks),
        )


def simulate_cell(
    conditions: Conditions,
    *,
    runs: int,
    seed: int,
    checked: int = CHECKED,
    threshold: int = THRESHOLD,
) -> Cell:
    """Simulate and judge the runs of one set of conditions.

    Args:
        conditions: What is true of them. Their random numbers depend on these and on
            `seed` alone, not on what else is simulated.
        runs: How many.
        seed: Of the study.
        checked: How many runs of each batch the class judges as well.
        threshold: The evidence at which to stop; another one than that of the class is
            for tests, with nothing checked.
    """
    closes = (None, CLOSE_MS)
    parts: dict[float | None, list[Judged]] = {close: [] for close in closes}
    block = []
    checked_runs = checked_rounds = 0
    key = [seed, ALL.index(conditions)]
    for batch, start in enumerate(range(0, runs, BATCH)):
        rng = np.random.default_rng([*key, batch])
        data = simulate(rng, conditions, min(BATCH, runs - start))
        for close in closes:
            judged = sequential(data, conditions, close_ms=close, threshold=threshold)
            few = min(checked, len(judged.rounds))
            checked_rounds += check(data, conditions, judged, few, close)
            checked_runs += few
            parts[close].append(judged)
        block.append(blocks(data, conditions))
    return Cell(
        sequential=tuple(figures(conditions, close, parts[close]) for close in closes),
        block=figures(conditions, None, block),
        checked_runs=checked_runs,
        checked_rounds=checked_rounds,
    )


def study(
    *,
    runs: int,
    seed: int,
    conditions: Sequence[Conditions] = ALL,
    workers: int = 1,
    checked: int = CHECKED,
    threshold: int = THRESHOLD,
    console: Console | None = None,
) -> Study:
    """Simulate all conditions, in processes of their own if there are several."""
    one = partial(
        simulate_cell, runs=runs, seed=seed, checked=checked, threshold=threshold
    )
    with _mapping(workers) as mapping:
        cells = list(
            track(
                mapping(one, conditions),
                "simulating",
                len(conditions),
                console=console or Console(quiet=True),
            )
        )
    return Study(
        cells=tuple(figure for cell in cells for figure in cell.sequential),
        blocks=tuple(cell.block for cell in cells),
        checked_runs=sum(cell.checked_runs for cell in cells),
        checked_rounds=sum(cell.checked_rounds for cell in cells),
    )


Mapping = Callable[[Callable[[Conditions], Cell], Sequence[Conditions]], Iterator[Cell]]


@contextmanager
def _mapping(workers: int) -> Iterator[Mapping]:
    if workers == 1:
        yield map
        return
    # Spawned: the progress line has a thread, and a fork would copy its locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield pool.map


# A block design has no rounds, and no closeness to stop for.
_BLOCK_KEYS = {
    *("noise", "jitter_ms", "saving_ms", "runs", "pass_percent", "fail_percent"),
    *("false_pass_percent", "false_fail_percent", "wrong_se"),
    *("coverage_percent", "coverage_se"),
}


def document(
    result: Study, *, command: str, seed: int, started: datetime, duration_s: float
) -> dict[str, Any]:
    """Return what the file holds. Percentages of runs are exact, the rest rounded."""

    def row(record: Summary | Bar) -> dict[str, Any]:
        return {key: _rounded(value) for key, value in asdict(record).items()}

    return {
        "format": FORMAT,
        "kind": KIND,
        "passed": result.passed,
        "command": command,
        "seed": seed,
        "runs": result.cells[0].runs,  # of each cell
        "started": started,
        "duration_s": round(duration_s, 1),
        "host": host(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "vestbench": __version__,
        },
        "rules": {
            "target_ms": TARGET_MS,
            "just_below_ms": JUST_BELOW_MS,
            "confidence": CONFIDENCE,
            "threshold": THRESHOLD,
            "min_rounds": MIN_ROUNDS,
            "max_rounds": CAP,
            "close_ms": CLOSE_MS,
            "block_requests_per_arm": BLOCK,
            "block_test": "Mann-Whitney, two-sided 95 %, on the same slot noise",
        },
        "checked_against_class": {  # without a difference, or there were no file
            "runs": result.checked_runs,
            "rounds": result.checked_rounds,
        },
        "bar": [row(bar) for bar in result.bars],
        "summary": [row(line) for line in result.summaries],
        "cell": [cell.table() for cell in result.cells],
        "block": [
            {key: value for key, value in cell.table().items() if key in _BLOCK_KEYS}
            for cell in result.blocks
        ],
    }


def summary_table(result: Study) -> Table:
    """Return the worst figures of each kind of noise."""
    table = Table(title=f"worst cell of each noise, {result.cells[0].runs} runs a cell")
    table.add_column("noise")
    for name in (
        "false PASS %",
        "false FAIL %",
        "all jitters: PASS, FAIL %",
        "coverage %",
        "far: wrong",
        "far: rounds",
        "blocks: false PASS %",
        "blocks: coverage %",
    ):
        table.add_column(name, justify="right")
    for line in result.summaries:
        table.add_row(
            line.noise,
            f"{line.false_pass_percent:.2f}",
            f"{line.false_fail_percent:.2f}",
            f"{line.pooled_false_pass_percent:.2f}, "
            f"{line.pooled_false_fail_percent:.2f}",
            f"{line.coverage_percent:.2f}",
            f"{line.far_wrong_verdicts} of {line.far_verdicts}",
            f"{line.far_rounds_median:g}",
            f"{line.block_false_pass_percent:.2f}",
            f"{line.block_coverage_percent:.2f}",
        )
    return table


def bar_table(result: Study) -> Table:
    """Return the bars and the worst cell of each."""
    table = Table(title="bars")
    for name in ("bar", "limit %", "worst %", "worst cell", ""):
        table.add_column(name, justify="right" if name.endswith("%") else "left")
    for bar in result.bars:
        table.add_row(
            bar.name,
            f"{bar.limit_percent:.3f}",
            f"{bar.worst_percent:.3f}",
            bar.worst_cell,
            "met" if bar.passed else "MISSED",
        )
    return table


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        message = f"{number} is negative"
        raise argparse.ArgumentTypeError(message)
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.studies.operating_characteristics",
        description="Simulate the error rates of the sequential verdict.",
    )
    parser.add_argument("--runs", type=positive, default=RUNS, help="per cell")
    parser.add_argument("--seed", type=_natural, default=SEED)
    parser.add_argument("--output", type=Path, default=Path("results/statistics.toml"))
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1)
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    if not options.output.parent.is_dir() or options.output.is_dir():
        parser.error(f"cannot write {options.output}: choose another --output")

    started, begin = datetime.now(UTC).replace(microsecond=0), time.monotonic()
    result = study(
        runs=options.runs,
        seed=options.seed,
        workers=options.workers,
        console=Console(stderr=True),
    )
    content = document(
        result,
        command=shlex.join(["python", "-m", *parser.prog.split()[2:], *given]),
        seed=options.seed,
        started=started,
        duration_s=time.monotonic() - begin,
    )
    save(options.output, content)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(summary_table(result))
    console.print(bar_table(result))
    console.print(f"{options.output}: {'every bar met' if result.passed else 'MISSED'}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
