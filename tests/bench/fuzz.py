"""Have files as strangers would make them read, for a while: `nox -s fuzz`.

    python -m tests.bench.fuzz [--seconds 60] [--seed 1]

The same changes as in `tests.results.test_hostile_files`, by plain seeds: that of the
file at which something goes wrong is said, and repeats it as `--seed`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.support.hostile import spoilt, write
from tests.support.records import store
from tests.support.strangers import (
    KEYS,
    TOML,
    keys_from,
    read_by_commands,
    runs,
    settings_from,
)


def main(argv: list[str] | None = None) -> int:
    """Go on until the time is over, or something goes wrong, which is raised."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args(argv)
    end = time.monotonic() + given.seconds
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        good = {name: store(run, Path(f"{name}.toml")) for name, run in runs().items()}
        whole = {name: path.read_bytes() for name, path in good.items()}
        whole |= {"settings": TOML, "keys": KEYS}
        Path("spoilt").mkdir()
        seed = given.seed
        while time.monotonic() < end:
            rng = Random(seed)
            name = rng.choice(tuple(whole))
            data = spoilt(whole[name], rng)
            try:
                if name == "settings":
                    settings_from(data)
                elif name == "keys":
                    keys_from(data)
                else:
                    suffix = rng.choice(("", ".partial"))
                    path = write(Path("spoilt", f"run.toml{suffix}"), data)
                    read_by_commands(path, good[name], rng)
            except BaseException:
                sys.stderr.write(f"--seed {seed}, a changed {name}:\n")
                raise
            seed += 1
        os.chdir("/")
    sys.stdout.write(f"{seed - given.seed} files, from seed {given.seed}: all well\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
