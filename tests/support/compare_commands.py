"""`vestbench compare` over real sockets."""

from dataclasses import dataclass
from pathlib import Path

from typer.testing import Result

from tests.support.command import vestbench
from tests.support.studies import compare_of
from vestbench.studies.compare.plan import CompareRun
from vestbench.studies.compare.summary import (
    CompareSummary,
    PairSummary,
    summarise_compare,
)
from vestbench.studies.registry import load_run

EASY = ("--min-saving", "0.01ms")
# A wrong program is wrong each time; a busy machine is not busy so often.
TRIES = 3


def compare(*words: str) -> Result:
    return vestbench("compare", *words)


def flat(text: str) -> str:
    return " ".join(text.split())


def read_run(name: str) -> tuple[CompareRun, CompareSummary]:
    run = compare_of(load_run(Path(name)))
    return run, summarise_compare(run)


def only_pair(summary: CompareSummary) -> PairSummary:
    (pair,) = summary.pairs
    return pair


@dataclass(frozen=True)
class Shown:
    """A run that passed, once for all tests that only look at it."""

    path: Path
    result: Result


passed_run: list[Shown] = []
