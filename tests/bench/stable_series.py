"""How often a change is found in series of runs in which nothing has changed.

And how many runs after a change it takes to find it. Run it with `nox -s statistics`,
or alone with `python -m tests.bench.stable_series`; the rules are in `stats.trend`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.bench.stored import command_of, host, positive, save
from vestbench._version import __version__
from vestbench.model.verdict import Change
from vestbench.stats.orders import rarity
from vestbench.stats.trend import (
    MARGIN,
    SIGNIFICANCE,
    change_points,
    newest_run,
)

LEVEL = 2.2  # round trips
SPREADS = (0.03, 0.10)  # standard deviation from run to run, of the level
LENGTHS = (10, 20, 60)
BEFORE = 20  # runs before a change
DROPS = (0.15, 0.30, 0.50)  # of the level
LONGEST_WAIT = 20

# In stable series: what the significance allows, with three standard errors of 4,000
# series; and what the margin leaves of it.
MOST_SPLIT = 1.5
MOST_SHOWN = 0.5

Noise = Callable[[np.random.Generator, int], "np.ndarray[Any, Any]"]


def _skewed(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    drawn = rng.lognormal(0, 0.6, count)
    spread = np.sqrt((np.exp(0.36) - 1) * np.exp(0.36))
    scaled: np.ndarray[Any, Any] = (drawn - np.exp(0.18)) / spread
    return scaled


def _outliers(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    rare = rng.random(count) < 0.05
    return rng.standard_normal(count) + rare * rng.exponential(10, count)


def _dragging(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    values = rng.standard_normal(count + 1)
    for place in range(1, count + 1):
        values[place] = 0.5 * values[place - 1] + np.sqrt(0.75) * values[place]
    return values[1:]


STABLE: dict[str, Noise] = {
    "normal": lambda rng, count: rng.standard_normal(count),
    "skewed": _skewed,
    "outliers 5 %": _outliers,
}
# Not stable to a test that shuffles runs, and shown for that.
OTHER: dict[str, Noise] = {"AR(1) 0.5": _dragging}


def series(
    rng: np.random.Generator, noise: Noise, count: int, spread: float
) -> list[float]:
    """Return savings of runs in round trips that vary about one level."""
    return [float(v) for v in LEVEL * (1 + spread * noise(rng, count))]


def false_alarms(rng: np.random.Generator, runs: int) -> Iterator[dict[str, Any]]:
    """Yield, for each sort of series, how many percent of them show a change."""
    for name, noise in {**STABLE, **OTHER}.items():
        for spread in SPREADS:
            for count in LENGTHS:
                drawn = [series(rng, noise, count, spread) for _ in range(runs)]
                newest = [newest_run(values) for values in drawn]
                moved = sum(
                    n is not None and n.change is not Change.NO_CHANGE_SHOWN
                    for n in newest
                )
                split = sum(rarity(values) <= SIGNIFICANCE for values in drawn)
                shown = sum(bool(change_points(values)) for values in drawn)
                yield {
                    "noise": name,
                    "stable": name in STABLE,
                    "spread_percent": 100 * spread,
                    "length": count,
                    "split_percent": round(100 * split / runs, 3),
                    "shown_percent": round(100 * shown / runs, 3),
                    "newest_percent": round(100 * moved / runs, 3),
                }


def delays(rng: np.random.Generator, runs: int) -> Iterator[dict[str, Any]]:
    """Yield how many runs after a drop of the saving the change is shown."""
    for drop in DROPS:
        waits = [_wait(rng, drop) for _ in range(runs)]
        yield {
            "before": BEFORE,
            "drop_percent": 100 * drop,
            "spread_percent": 100 * SPREADS[0],
            "median_runs": float(median(waits)),
            "p90_runs": round(float(np.quantile(waits, 0.9)), 1),
        }


def _wait(rng: np.random.Generator, drop: float) -> int:
    values = series(rng, STABLE["normal"], BEFORE, SPREADS[0])
    after = series(rng, STABLE["normal"], LONGEST_WAIT, SPREADS[0])
    for waited, value in enumerate(after, start=1):
        values.append((1 - drop) * value)
        if any(abs(c.at - BEFORE) <= 1 for c in change_points(values)):
            return waited
    return LONGEST_WAIT + 1


def passed(cells: Sequence[dict[str, Any]]) -> bool:
    """Say whether no stable series splits, or shows a change, too often."""
    return all(
        cell["split_percent"] <= MOST_SPLIT and cell["shown_percent"] <= MOST_SHOWN
        for cell in cells
        if cell["stable"]
    )


def tables(cells: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """Yield the cells as tables."""
    for key in ("stable", "drop_percent"):
        rows = [cell for cell in cells if key in cell]
        table = Table(*(name.replace("_", " ") for name in rows[0]))
        for row in rows:
            table.add_row(*map(str, row.values()))
        yield table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stable_series")
    parser.add_argument(
        "--runs", type=positive, default=4000, help="series of each sort"
    )
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--output", type=Path, default=Path("results/trend.toml"))
    options, command = command_of(parser, arguments)
    started, begin = datetime.now(UTC).replace(microsecond=0), time.monotonic()
    rng = np.random.default_rng(options.seed)
    alarms = list(false_alarms(rng, options.runs))
    waits = list(delays(rng, max(1, options.runs // 10)))
    content = {
        "format": 1,
        "kind": "changes in series of runs",
        "passed": passed(alarms),
        "command": command,
        "seed": options.seed,
        "runs": options.runs,
        "started": started,
        "duration_s": round(time.monotonic() - begin, 1),
        "host": host(),
        "versions": {"numpy": np.__version__, "vestbench": __version__},
        "rules": {
            "significance_percent": 100 * SIGNIFICANCE,
            "margin_percent": 100 * MARGIN,
            "most_split_percent": MOST_SPLIT,
            "most_shown_percent": MOST_SHOWN,
        },
        "stable": alarms,
        "after_a_drop": waits,
    }
    save(options.output, content)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(*tables([*alarms, *waits]))
    console.print(f"{options.output}: {'met' if content['passed'] else 'MISSED'}")
    return 0 if content["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
