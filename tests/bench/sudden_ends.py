"""Disturb many runs at moments drawn by lot: `nox -s faults`.

    python -m tests.bench.sudden_ends [--tries 200] [--seed 1]

Each try is a run that gets SIGINT or SIGTERM, or is killed, or loses a child process.
Whatever holds after every one of them is in `tests.support.sudden`; the first try after
which it does not hold ends the study, and its seed repeats it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.sudden import disturb, drawn


def main(argv: list[str] | None = None) -> int:
    """Make all tries; the exit status is 1 where one of them left what it must not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tries", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(argv)
    kinds: Counter[str] = Counter()
    for seed in range(given.seed * 1000, given.seed * 1000 + given.tries):
        what = drawn(seed)
        with TemporaryDirectory() as folder:
            try:
                disturb(what, Path(folder))
            except AssertionError as error:
                sys.stderr.write(f"{what.said}\n{error}\n")
                return 1
        kinds[f"{what.number.name} to {what.whom or 'the command'}"] += 1
    for kind, count in sorted(kinds.items()):
        sys.stdout.write(f"{count:4}  {kind}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
