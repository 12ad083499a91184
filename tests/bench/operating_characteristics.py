"""How often is the verdict wrong? Simulated runs against the exact bounds.

Run it as `python -m tests.bench.operating_characteristics`; it stores its figures in
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
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.bench.error_rates import (
    JUST_BELOW_MS,
    Bar,
    Figures,
    Summary,
    bars,
    figures,
    rounded,
    summary,
)
from tests.bench.judges import (
    BLOCK,
    CONFIDENCE,
    TARGET_MS,
    THRESHOLD,
    Judged,
    blocks,
    check,
    sequential,
)
from tests.bench.simulated_runs import CAP, NOISES, Conditions, simulate
from tests.bench.stored import command_of, host, positive, save
from vestbench._version import __version__
from vestbench.stats.evidence import MIN_ROUNDS

# 1: first format.
FORMAT = 1
KIND = "operating characteristics"

CLOSE_MS = 2.5

JITTERS_MS = (1.0, 5.0, 10.0, 20.0)
SAVINGS_MS = (30.0, 45.0, JUST_BELOW_MS, TARGET_MS, 55.0, 80.0)


RUNS = 10_000
SEED = 20_260_301
BATCH = 1000  # runs simulated at once: what still fits the caches
CHECKED = 20  # runs of every batch that the class judges as well


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
        return {key: rounded(value) for key, value in asdict(record).items()}

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
        prog="python -m tests.bench.operating_characteristics",
        description="Simulate the error rates of the sequential verdict.",
    )
    parser.add_argument("--runs", type=positive, default=RUNS, help="per cell")
    parser.add_argument("--seed", type=_natural, default=SEED)
    parser.add_argument("--output", type=Path, default=Path("results/statistics.toml"))
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1)
    options, command = command_of(parser, arguments)

    started, begin = datetime.now(UTC).replace(microsecond=0), time.monotonic()
    result = study(
        runs=options.runs,
        seed=options.seed,
        workers=options.workers,
        console=Console(stderr=True),
    )
    content = document(
        result,
        command=command,
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
