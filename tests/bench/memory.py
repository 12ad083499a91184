"""Does a run of a million requests need more memory than a short one?

Run it as `python -m tests.bench.memory`; it stores its figures in
`results/overhead-memory.toml` and exits 1 when a bar is missed. It takes half an hour;
`--requests` makes it shorter.

`vestbench bench` sends the requests to the exchange on plain loopback, and the resident
memory of its processes is read once a second: of the command, of the process that sends
and of the exchange. What a process grew by is its most while requests were sent, less
what it had when the first ones were on disk. What the tables take afterwards has a line
of its own, and so has `vestbench report` of the file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.bench.figures import Bar, Figure, carry_out
from tests.bench.stored import positive

REQUESTS = 1_000_000
SEED = 20261202
GROWTH_LIMIT_MB = 20.0
MB = 1e6
_EVERY_S = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")

COMMAND = "command"
SENDING = "sending process"
EXCHANGE = "exchange"
# What a process is, by what its command line names.
_MODULES = {
    "vestbench.workers.worker": SENDING,
    "vestbench.simulator.exchange": EXCHANGE,
}


@dataclass(slots=True)
class Resident:
    """The resident memory of one process, in bytes, as it was read."""

    begin: int = 0  # when the first requests were on disk
    most: int = 0  # until the last request was done
    readings: list[int] = field(default_factory=list)

    def take(self, resident: int) -> None:
        """Take a reading."""
        self.begin = self.begin or resident
        self.most = max(self.most, resident)
        self.readings.append(resident)

    @property
    def growth(self) -> int:
        """What it grew by."""
        return self.most - self.begin


def resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def most_resident(pid: int) -> int:
    """Return the most resident memory that a process ever had; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return 1024 * int(found[0]) if found else 0


def processes(command: int) -> dict[str, int]:
    """Return the process identifiers of a run by what the processes are."""
    found = {COMMAND: command}
    children = Path(f"/proc/{command}/task/{command}/children")
    for child in children.read_text().split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        except OSError:
            continue
        found.update({_MODULES[word]: int(child) for word in words if word in _MODULES})
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the processes of one run had."""

    seconds: float
    by_process: Mapping[str, Resident]
    after: int  # the most that the command had after its last request, in bytes


def watch(program: subprocess.Popen[bytes], partial: Path) -> Watched:
    """Read the memory of a run's processes until it ends.

    Raises:
        RuntimeError: It failed, or ended before anything was on disk.
    """
    begin = time.perf_counter()
    while not (partial.exists() and b"[[samples]]" in partial.read_bytes()):
        if program.poll() is not None:
            message = "the run ended before its first requests were on disk"
            raise RuntimeError(message)
        time.sleep(_EVERY_S / 20)
    pids = processes(program.pid)
    found = {name: Resident() for name in pids}
    after = 0
    while program.poll() is None:
        readings = {name: resident(pid) for name, pid in pids.items()}
        if all(readings.values()):
            for name, reading in readings.items():
                found[name].take(reading)
        after = most_resident(program.pid) or after
        time.sleep(_EVERY_S if all(readings.values()) else _EVERY_S / 20)
    if program.returncode:
        message = f"vestbench failed: status {program.returncode}"
        raise RuntimeError(message)
    return Watched(seconds=time.perf_counter() - begin, by_process=found, after=after)


def most_of(argv: Sequence[str], folder: Path) -> tuple[float, int]:
    """Run a program; return its seconds, and the most memory it had, in bytes."""
    begin = time.perf_counter()
    program = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        message = f"{' '.join(argv)} failed: status {program.returncode}"
        raise RuntimeError(message)
    return time.perf_counter() - begin, 1024 * usage.ru_maxrss


def bars(watched: Watched) -> list[Bar]:
    """Return the limits, each with what was found."""
    return [
        Bar(
            name=f"{name}, grown",
            limit=GROWTH_LIMIT_MB,
            found=_one(watched.by_process[name].growth / MB),
            unit="MB",
        )
        for name in (COMMAND, SENDING)
    ]


def _one(value: float) -> Figure:
    """Return what was found once; the most there was has no interval."""
    return Figure(n=1, median=value, low=value, high=value)


def rows(watched: Watched) -> Iterable[dict[str, Any]]:
    """Return what each process had, in MB, a hundred readings at most."""
    for name, process in watched.by_process.items():
        every = max(1, len(process.readings) // 100)
        yield {
            "name": name,
            "begin_mb": process.begin / MB,
            "most_mb": process.most / MB,
            "grown_mb": process.growth / MB,
            "readings_mb": [reading / MB for reading in process.readings[::every]],
        }


def table(content: Mapping[str, Any]) -> Table:
    """Return what is stored as it is shown."""
    title = f"resident memory over {content['requests']:,} requests, MB"
    shown = Table(title=title)
    for name in ("process", "at the begin", "most", "grown", "limit", ""):
        shown.add_column(name, justify="right")
    outcomes = {bar["name"]: bar for bar in content["bar"]}
    for row in content["process"]:
        bar = outcomes.get(f"{row['name']}, grown")
        figures = (f"{row[key]:.1f}" for key in ("begin_mb", "most_mb", "grown_mb"))
        limit = (f"{bar['limit']:g}", bar["outcome"]) if bar else ("", "")
        shown.add_row(row["name"], *figures, *limit)
    shown.add_row("command, its tables included", "", f"{content['after_mb']:.1f}")
    shown.add_row("report of the file", "", f"{content['report_mb']:.1f}")
    return shown


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        Progress(console=console, transient=True) as progress,
    ):
        folder = Path(scratch)
        path = folder / "run.toml"
        vestbench = [sys.executable, "-m", "vestbench"]
        argv = [*vestbench, "bench", "--quiet", "--rtt", "0ms", "--processing", "0ms"]
        argv += ["--requests", str(options.requests), "--seed", str(options.seed)]
        argv += ["--output", str(path)]
        progress.add_task("requests", total=None)
        program = subprocess.Popen(argv, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            watched = watch(program, path.with_name(path.name + ".partial"))
        finally:
            program.kill()
            program.wait()
        size = path.stat().st_size
        report_s, report = most_of([*vestbench, "report", str(path)], folder)
    content: dict[str, Any] = {
        "requests": options.requests,
        "run_s": watched.seconds,
        "file_mb": size / MB,
        "after_mb": watched.after / MB,
        "report_s": report_s,
        "report_mb": report / MB,
        "bar": [bar.row() for bar in bars(watched)],
        "process": list(rows(watched)),
    }
    return content, table(content)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.memory",
        description="Hold the memory of a long run against that of a short one.",
    )
    parser.add_argument("--requests", type=positive, default=REQUESTS)
    return carry_out(
        parser,
        study,
        kind="memory of a long run",
        output="results/overhead-memory.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
