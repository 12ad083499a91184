"""Disturb many runs at moments drawn by lot: `nox -s faults`.

    python -m tests.bench.sudden_ends [--tries 200] [--seed 1]

Every second try is a run that gets a signal, or is killed, or loses a child process at
any moment, from its start on; what holds after it is in `tests.support.sudden`. The
others are of an exchange that outlives the run, which loses at most what came in the
last second: `tests.support.counted`. The first try after which it does not hold ends
the study, and its seed repeats it.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.counted import Ending, drawn_ending, end
from tests.support.sudden import Disturbance, disturb, drawn


def main(argv: list[str] | None = None) -> int:
    """Make all tries; the exit status is 1 where one of them left what it must not."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tries", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(argv)
    kinds, worst = Counter[str](), Counter[str]()
    for seed in range(given.seed * 1000, given.seed * 1000 + given.tries):
        what = drawn_ending(seed) if seed % 2 else drawn(seed)
        with TemporaryDirectory() as folder:
            try:
                lost = _try(what, Path(folder))
            except AssertionError as error:
                sys.stderr.write(f"{what.said}\n{error}\n")
                return 1
        kinds[what.kind] += 1
        worst[what.kind] = max(worst[what.kind], lost)
    for kind, count in sorted(kinds.items()):
        sys.stdout.write(f"{count:4}  {kind}, at most {worst[kind]} requests lost\n")
    return 0


def _try(what: Disturbance | Ending, folder: Path) -> int:
    """Make a try, and return how many requests are known to be lost."""
    if isinstance(what, Ending):
        return end(what, folder)
    disturb(what, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
