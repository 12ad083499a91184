"""How long does the help of a command take with each version of typer?

Run it as `python -m tests.bench.typer_versions`; it stores its figures in
`results/overhead-typer-versions.toml` and exits 1 when a bar is missed. It takes a
minute, and pip has to reach packages.

`vestbench bench --help` with each version that pyproject.toml allows is held against
the help of a program of one `int` option, as Typer's own documentation writes it, with
the fastest of them. The same program's run, and the next version that is not allowed,
are measured beside them, without a bar: they are why the range is what it is.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from tests.bench.figures import (
    FEWEST,
    Bar,
    Figure,
    at_least,
    carry_out,
    figure,
    in_turns,
)
from tests.bench.start_up import COMMAND, ratios, seconds_to_end
from tests.support.paths import ROOT

ROUNDS = 20
SEED = 20261128
LIMIT = 1.3
# The first and the last of each range of minor versions, and the newest.
VERSIONS = ("0.26.0", "0.26.8", "0.27.3", "0.28.0", "0.29.2")
PROGRAM = """
import typer

def main(number: int = 1) -> None:
    '''Do nothing.'''

typer.run(main)
"""
BARE = [sys.executable, "-c", PROGRAM]
WORDS = {
    "vestbench bench --help": [*COMMAND, "bench", "--help"],
    "program --help": [*BARE, "--help"],
    "program": [*BARE, "--number", "2"],
}
Taken = Mapping[tuple[str, str], Sequence[float]]


def allowed(versions: Sequence[str]) -> list[str]:
    """Return which of these versions an installation of vestbench may have."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = map(Requirement, project["dependencies"])
    (found,) = (each for each in wanted if each.name == "typer")
    return [version for version in versions if version in found.specifier]


def measure(
    versions: Sequence[str], rounds: int, seed: int
) -> dict[tuple[str, str], list[float]]:
    """Start everything in turns, and return seconds by what and version."""
    with tempfile.TemporaryDirectory() as folder:
        things: dict[tuple[str, str], Callable[[], float]] = {}
        for version in versions:
            place = Path(folder) / version
            _install(version, place)
            for name, argv in WORDS.items():
                things[name, version] = partial(_seconds, argv, place)
        for thing in things.values():  # files into the page cache
            thing()
        return in_turns(rounds, random.Random(seed), things)


def _install(version: str, place: Path) -> None:
    """Install a version alone: what it needs is in the environment of the study."""
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps"]
    subprocess.run([*pip, "--target", place, f"typer=={version}"], check=True)


def _seconds(argv: Sequence[str], place: Path) -> float:
    # With what is compiled kept, as an installation has it.
    written = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": ""}
    return seconds_to_end(argv, written)


def fastest(taken: Taken, versions: Sequence[str]) -> str:
    """Return the version whose help of the bare program is shown first."""
    return min(versions, key=lambda v: figure(taken["program --help", v]).median)


def bars(taken: Taken, versions: Sequence[str]) -> list[Bar]:
    """Return the limit for each version, of those given, with what was found."""
    best = fastest(taken, versions)
    return [
        Bar(
            name=f"vestbench bench --help, typer {version}, "
            f"of a program of one option, typer {best}",
            limit=LIMIT,
            found=_ratio(taken, version, "program --help", best),
            unit="ratio",
        )
        for version in versions
    ]


def _ratio(taken: Taken, version: str, name: str, best: str) -> Figure:
    ours = taken["vestbench bench --help", version]
    return figure(ratios(ours, taken[name, best]))


def study(options: argparse.Namespace, _: Console) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    versions = allowed(VERSIONS)
    taken = measure(VERSIONS, options.rounds, options.seed)
    found = bars(taken, versions)
    best = fastest(taken, versions)
    content = {
        "rounds": options.rounds,
        "allowed": versions,
        "fastest": best,
        "bar": [bar.row() for bar in found],
        "ratio": [
            {"typer": v, "to": name, **asdict(_ratio(taken, v, name, best))}
            for v in VERSIONS
            for name in ("program --help", "program")
        ],
        "seconds": [
            {"what": what, "typer": version, **asdict(figure(values))}
            for (what, version), values in taken.items()
        ],
    }
    return content, table(taken, found)


def table(taken: Taken, found: Sequence[Bar]) -> Table:
    """Return times by version, and bars."""
    shown = Table(title="help by versions of typer, medians")
    for name in ("what", "n", "found", "limit", ""):
        shown.add_column(name, justify="right")
    for (what, version), values in taken.items():
        one = figure([1e3 * value for value in values])
        shown.add_row(f"{what}, {version}", str(one.n), f"{one} ms", "", "")
    for bar in found:
        limit = f"{bar.limit:g} {bar.unit}"
        shown.add_row(bar.name, str(bar.found.n), str(bar.found), limit, bar.outcome)
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.typer_versions",
        description="Hold the help of a command against a bare program's.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="typer-versions",
        output="results/overhead-typer-versions.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
