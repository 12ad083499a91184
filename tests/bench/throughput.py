"""What a long run costs: time in requests, time between them, and processor time.

Run it as `python -m tests.bench.throughput`; it stores its figures in
`results/overhead-throughput.toml`. It takes a minute, and another for `--against`.

`vestbench bench` sends some thousand requests to the exchange on plain loopback, with
neither a link nor a service time, so that nothing hides what the tool itself needs.
With `--against FOLDER` another checkout does the same in turns, in an order drawn by
lot, and the ratios of both are stored: what a change has gained.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import FEWEST, at_least, carry_out, figure, in_turns
from tests.bench.stored import positive
from vestbench.model.request import NS_PER_MS, NS_PER_S
from vestbench.studies.registry import load_run

ROUNDS = 8
REQUESTS = 2000
SEED = 20261201
HERE = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run of the command took; ms are for one request."""

    seconds: float  # of the whole command
    latency_ms: float  # mean time within a request
    between_ms: float  # mean time between two requests
    cpu_ms: float  # of all processes, the exchange included
    outside_s: float  # before the first request and after the last


def run_once(folder: Path, requests: int, seed: int) -> Cost:
    """Run the command of the checkout in `folder`, and return what it took."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run.toml"
        argv = [sys.executable, "-m", "vestbench", "bench", "--quiet"]
        argv += ["--requests", str(requests), "--rtt", "0ms", "--processing", "0ms"]
        argv += ["--seed", str(seed), "--output", str(path)]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        begin = time.perf_counter()
        program = subprocess.Popen(
            argv, cwd=scratch, env=environment, stdout=subprocess.DEVNULL
        )
        # With the usage of the children that it has waited for.
        _, status, usage = os.wait4(program.pid, 0)
        seconds = time.perf_counter() - begin
        program.returncode = os.waitstatus_to_exitcode(status)
        if program.returncode:
            message = f"vestbench in {folder} failed: status {program.returncode}"
            raise RuntimeError(message)
        run = load_run(path)
        spans = [(s.start_ns, s.start_ns + s.latency_ns) for s in run.samples]
    return cost(spans, seconds, usage.ru_utime + usage.ru_stime)


def cost(spans: Sequence[tuple[int, int]], seconds: float, cpu_s: float) -> Cost:
    """Return what a run took, of the begin and end of each of its requests, in ns."""
    ordered = sorted(spans)
    inside = sum(end - begin for begin, end in ordered)
    whole = ordered[-1][1] - ordered[0][0]
    n = len(ordered)
    return Cost(
        seconds=seconds,
        latency_ms=inside / n / NS_PER_MS,
        between_ms=(whole - inside) / max(1, n - 1) / NS_PER_MS,
        cpu_ms=1e3 * cpu_s / n,
        outside_s=seconds - whole / NS_PER_S,
    )


def ratios(now: Sequence[Cost], before: Sequence[Cost]) -> dict[str, Any]:
    """Return each figure now over what it was before, within rounds."""
    return {
        field.name: asdict(
            figure(
                [
                    getattr(new, field.name) / getattr(old, field.name)
                    for new, old in zip(now, before, strict=True)
                ]
            )
        )
        for field in fields(Cost)
    }


def table(found: Mapping[str, Sequence[Cost]]) -> Table:
    """Return the figures of each checkout."""
    shown = Table(title="a run on plain loopback, medians of runs")
    shown.add_column("checkout")
    for field in fields(Cost):
        shown.add_column(field.name, justify="right")
    for name, costs in found.items():
        figures = [
            str(figure([getattr(cost, field.name) for cost in costs]))
            for field in fields(Cost)
        ]
        shown.add_row(name, *figures)
    return shown


def study(options: argparse.Namespace, _: Console) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    folders = {"now": HERE}
    if options.against is not None:
        folders["before"] = options.against.resolve()
    rng = random.Random(options.seed)

    def runner(folder: Path) -> Callable[[], Cost]:
        return lambda: run_once(folder, options.requests, rng.randrange(2**32))

    things = {name: runner(folder) for name, folder in folders.items()}
    for thing in things.values():  # files into the page cache
        thing()
    found: dict[str, list[Cost]] = in_turns(options.rounds, rng, things)
    content: dict[str, Any] = {
        "rounds": options.rounds,
        "requests": options.requests,
        "bar": [],
        "checkout": [
            {
                "name": name,
                **{
                    field.name: asdict(
                        figure([getattr(cost, field.name) for cost in costs])
                    )
                    for field in fields(Cost)
                },
            }
            for name, costs in found.items()
        ],
    }
    if "before" in found:
        content["now_over_before"] = ratios(found["now"], found["before"])
    return content, table(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.throughput",
        description="Tell what a long run on loopback is made of.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    parser.add_argument("--requests", type=positive, default=REQUESTS)
    parser.add_argument("--against", type=Path, help="another checkout, in turns")
    return carry_out(
        parser,
        study,
        kind="cost of a long run",
        output="results/overhead-throughput.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
