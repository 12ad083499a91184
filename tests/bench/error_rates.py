"""How often the judges were wrong: figures of each cell, and the bars for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tests.bench.judges import CONFIDENCE, TARGET_MS, THRESHOLD, Judged
from tests.bench.simulated_runs import CAP, Bools, Conditions
from tests.support.crossing import crossing_probability

# Strictly below the target, by one tick of the clock, so that a PASS is wrong.
JUST_BELOW_MS = TARGET_MS - 1e-6
FAR_MS = 20.0  # from here on no wrong verdict at all is allowed
# Not zero: in a burst the jitter is four times itself, so at 20 ms even this distance
# is a quarter of the noise, and one run in 15,000 is wrong.
FAR_PERCENT = 0.1


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
            key: rounded(value) for key, value in table.items() if value is not None
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


def rounded(value: Any) -> Any:
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
