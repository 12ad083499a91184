"""Figures with intervals, the bars they are held against, and how a study is run."""

from __future__ import annotations

import argparse
import math
import os
import platform
import random
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console, RenderableType

from tests.bench.stored import command_of, host, plain, positive, save
from vestbench._version import __version__
from vestbench.stats.quantiles import estimate

K = TypeVar("K")
CONFIDENCE = 0.95
# What is measured in turns is measured this often at least: below, a median has no
# interval.
FEWEST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A median with its 95 % interval, free of any assumption on the distribution."""

    n: int
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it with three digits, as tables show it."""
        return f"{self.median:.3g} [{self.low:.3g}, {self.high:.3g}]"


def figure(values: Sequence[float]) -> Figure:
    """Return the median of `values`, with infinite ends where there are too few.

    Raises:
        ValueError: There are none.
    """
    found = estimate(values, 0.5, CONFIDENCE)
    if found.point is None:
        message = "no values, no figure"
        raise ValueError(message)
    return Figure(
        n=found.n,
        median=found.point,
        low=-math.inf if found.low is None else found.low,
        high=math.inf if found.high is None else found.high,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A limit, and the figure that is held against it."""

    name: str
    limit: float
    found: Figure
    two_sided: bool = False  # the limit is for the distance from zero
    unit: str = ""

    @property
    def outcome(self) -> str:
        """Met or missed, where the whole interval says so; open where it does not."""
        low, high = self.found.low, self.found.high
        if self.two_sided:
            nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
            low, high = nearest, max(abs(self.found.low), abs(self.found.high))
        if high <= self.limit:
            return "met"
        return "missed" if low > self.limit else "open"

    def row(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "name": self.name,
            "limit": self.limit,
            "two_sided": self.two_sided,
            "unit": self.unit,
            **asdict(self.found),
            "outcome": self.outcome,
        }


def machine() -> dict[str, Any]:
    """Return on what, and with which versions, a study was carried out."""
    versions = {name: version(name) for name in ("httpx", "httpcore", "typer")}
    return {
        "host": host(),
        "versions": {
            "vestbench": __version__,
            "python": platform.python_version(),
            "openssl": ssl.OPENSSL_VERSION,
            **versions,
        },
    }


def in_turns(
    rounds: int, rng: random.Random, things: Mapping[K, Callable[[], Any]]
) -> dict[K, list[Any]]:
    """Do all things once a round, in an order drawn by lot, and return what came."""
    found: dict[K, list[Any]] = {name: [] for name in things}
    for _ in range(rounds):
        for name in rng.sample(list(things), len(things)):
            found[name].append(things[name]())
    return found


def at_least(fewest: int) -> Callable[[str], int]:
    """Return a reader of numbers that are not below `fewest`."""

    def read(text: str) -> int:
        number = int(text)
        if number < fewest:
            message = f"{number} is too few: at least {fewest}"
            raise argparse.ArgumentTypeError(message)
        return number

    return read


Study = Callable[[argparse.Namespace, Console], tuple[dict[str, Any], RenderableType]]


def carry_out(
    parser: argparse.ArgumentParser,
    study: Study,
    *,
    kind: str,
    output: str,
    seed: int,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a study, store what it found, show it, and return the exit status.

    Args:
        parser: With the options of the study; those all studies have are added.
        study: Takes the options and a console for progress, returns what is stored,
            with a list of rows `bar`, and what is shown.
        kind: Of the file.
        output: Where it goes unless the user says otherwise.
        seed: Likewise.
        arguments: Of the command line; None takes those of this process.

    Returns:
        1 if a bar is missed, else 0.
    """
    parser.add_argument("--seed", type=positive, default=seed)
    parser.add_argument("--output", type=Path, default=Path(output))
    options, command = command_of(parser, arguments)
    path: Path = options.output
    started, begin = datetime.now(UTC).replace(microsecond=0), time.monotonic()
    load = os.getloadavg()[0]
    content, shown = study(options, Console(stderr=True))
    missed = [bar["name"] for bar in content["bar"] if bar["outcome"] == "missed"]
    facts = {
        "format": 1,
        "kind": kind,
        "passed": not missed,
        "command": command,
        "seed": options.seed,
        "started": started,
        "duration_s": round(time.monotonic() - begin, 1),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    save(path, plain({**facts, **machine(), **content}))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(shown)
    text = f"MISSED: {'; '.join(missed)}" if missed else "no bar missed"
    console.print(f"{path}: {text}", markup=False, highlight=False)
    return 1 if missed else 0
