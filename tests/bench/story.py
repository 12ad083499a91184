"""What did the story's change buy its bot? The bot itself is asked, in Rust.

Run it as `python -m tests.bench.story`; it stores what it found in
`results/story-answered.toml`, and beside it `story-before.toml` and `story-after.toml`,
the two results of `vestbench exec` that `vestbench compare` judges. It takes 12
minutes, of which the starts that idle need ten, side by side with all others.

The bot is `tests/programs/rust_bot`, built from Debian's crates; the newer reqwest is
pyreqwest's. Each cell is one `vestbench exec --runs N`, so each start has a link, an
exchange and a process of its own. Latencies are those that the bot saw; connections,
needless ones and Nagle's delays are of the account that `exec` keeps.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import files, version
from itertools import product
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from tests.bench.figures import FEWEST, Bar, Figure, at_least, carry_out, figure
from vestbench.studies.registry import load_run
from vestbench.studies.traffic.causes import Why
from vestbench.studies.traffic.plan import TrafficRun
from vestbench.studies.traffic.summary import openings_in, summarise_traffic

ROOT = Path(__file__).parents[2]
RUST = ROOT / "tests" / "programs" / "rust_bot"
URL = "https://server-prod.hz.vestmarkets.com/v2"
OLD, NEWER = "0.11", "newer"
CLIENTS = ("after", "before", "each", "no-idle")
RTTS_MS = (10, 30, 80)
REQUESTS = 4
STARTS, IDLE_STARTS = 12, 6
PAUSES_S = (61, 85, 95)
CLOSES_S = (60, 75, 0)  # 0 is never; `exec` is told an hour then
IDLE_RTT_MS = 30
KEPT_RTT_MS = 30
LATER_LIMIT_MS = 0.5  # between two clients that do the same
SEED = 20261128
_WARMED = re.compile(r"connection pool warmed up \(latency=(\d+)ms\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One client under one set of conditions."""

    reqwest: str
    client: str
    rtt_ms: int
    starts: int
    warm_up: bool = False
    pause_s: float = 0.0  # before each request after the first
    closes_s: int = 75
    requests: int = REQUESTS
    priority: int = 0  # at which it runs, of real-time ones; 0 is none

    def command(self, bot: Path, output: Path) -> list[str]:
        """Return `vestbench exec` of it, as it is typed."""
        closes = f"{self.closes_s}s" if self.closes_s else "1h"
        words = ["--runs", str(self.starts), "--rtt", f"{self.rtt_ms}ms"]
        words += ("--idle-timeout", closes, "--output", str(output), "--")
        newer = (sys.executable, str(ROOT / "tests" / "bench" / "newer_reqwest.py"))
        words += (str(bot),) if self.reqwest == OLD else newer
        words += (URL, str(self.requests), self.client, "--pause", str(self.pause_s))
        if self.reqwest == OLD and not self.warm_up:
            words += ("--no-warm-up",)
        chrt = ("chrt", "-f", str(self.priority)) if self.priority else ()
        return [*chrt, sys.executable, "-m", "vestbench", "exec", *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of a cell, start by start."""

    cell: Cell
    ms: list[list[float]]  # of each start, its requests as the bot saw them
    warm_up_ms: list[float]
    account: dict[str, Any]

    @property
    def first_ms(self) -> list[float]:
        """The first request of each start, after the warm-up if there is one."""
        return [each[0] for each in self.ms]

    @property
    def later_ms(self) -> list[float]:
        """The median of the others of each start."""
        return [statistics.median(each[1:]) for each in self.ms]

    def row(self) -> dict[str, Any]:
        """Return it as it is stored."""
        taken = {"first_ms": self.first_ms, "later_ms": self.later_ms}
        if self.warm_up_ms:
            taken["warm_up_ms"] = self.warm_up_ms
        shown = {name: asdict(figure(values)) for name, values in taken.items()}
        return {**asdict(self.cell), **self.account, **shown}


def carried_out(cell: Cell, bot: Path, folder: Path) -> Found:
    """Start the bot as often as a cell wants, and read what it and `exec` say.

    Raises:
        RuntimeError: It did not end as it should.
    """
    output = folder / f"{'-'.join(map(str, asdict(cell).values()))}.toml"
    command = cell.command(bot, output)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(said) != cell.starts:
        raise RuntimeError(done.stderr)
    return Found(
        cell=cell,
        ms=[each["ms"] for each in said],
        warm_up_ms=[float(ms) for ms in _WARMED.findall(done.stderr)],
        account=_account(output, [each["connections"] for each in said]),
    )


def _account(output: Path, said: Sequence[int]) -> dict[str, Any]:
    """Return the account of a result, held against what the bot's runtime counted."""
    run = cast(TrafficRun, load_run(output))
    found = summarise_traffic(run)
    connections = [each.connections for each in found.runs]
    if connections != list(said):
        message = f"{output}: reqwest opened {said}, the account has {connections}"
        raise RuntimeError(message)
    again = [each.why for each in openings_in(run) if each.why is not Why.FIRST]
    return {
        # Of each start; one number where all are alike.
        "connections": sorted(set(connections)),
        "needless": sorted({each.needless for each in found.runs}),
        "nagle": sum(each.count for each in found.delays if each.kind == "nagle"),
        "opened": found.connections,
        "again": {str(why): again.count(why) for why in dict.fromkeys(again)},
    }


def cells(starts: int, priority: int) -> list[Cell]:
    """Return those that do not idle."""
    bots = [*product([OLD], CLIENTS, (False, True)), *_NEWER_BOTS]
    return [
        Cell(
            reqwest=reqwest,
            client=client,
            warm_up=warm,
            rtt_ms=rtt,
            starts=starts,
            priority=priority,
        )
        for (reqwest, client, warm), rtt in product(bots, RTTS_MS)
    ]


_NEWER_BOTS = ((NEWER, "after", False), (NEWER, "before", False))


def idle_cells(starts: int, pauses: Sequence[float]) -> list[Cell]:
    """Return those with a pause between two requests."""
    wanted = product((OLD, NEWER), ("after", "before"), pauses, CLOSES_S)
    return [
        Cell(
            reqwest=reqwest,
            client=client,
            rtt_ms=IDLE_RTT_MS,
            starts=starts,
            pause_s=pause,
            closes_s=closes,
            requests=2,
        )
        for reqwest, client, pause, closes in wanted
    ]


def trips(found: Iterable[Found]) -> Iterator[dict[str, Any]]:
    """Yield how many round trips a first and a later request take.

    They are the slope between the shortest and the longest link, so what a request
    costs beside the route is in none of them.
    """
    by_cell = {
        (each.cell.reqwest, each.cell.client, each.cell.rtt_ms): each
        for each in found
        if not each.cell.warm_up
    }
    near, far = min(RTTS_MS), max(RTTS_MS)
    for reqwest, client in sorted({key[:2] for key in by_cell}):
        one, other = by_cell[reqwest, client, near], by_cell[reqwest, client, far]
        yield {
            "reqwest": reqwest,
            "client": client,
            "first": asdict(_slope(one.first_ms, other.first_ms, far - near)),
            "later": asdict(_slope(one.later_ms, other.later_ms, far - near)),
        }


def _slope(near: Sequence[float], far: Sequence[float], more_ms: float) -> Figure:
    return figure([(b - a) / more_ms for a, b in zip(near, far, strict=True)])


def bars(found: Iterable[Found]) -> Iterator[Bar]:
    """Yield how much later requests of `before` take longer than those of `after`."""
    later = {
        (each.cell.rtt_ms, each.cell.client): each.later_ms
        for each in found
        if each.cell.reqwest == OLD and not each.cell.warm_up
    }
    for rtt in RTTS_MS:
        pairs = zip(later[rtt, "before"], later[rtt, "after"], strict=True)
        yield Bar(
            name=f"{rtt} ms: a later request, before less after",
            limit=LATER_LIMIT_MS,
            found=figure([before - after for before, after in pairs]),
            two_sided=True,
            unit="ms",
        )


def built() -> Path:
    """Build the bot from Debian's crates, and return where it is."""
    words = ["cargo", "build", "--offline", "--release"]
    subprocess.run(words, cwd=RUST, check=True)  # where its settings are
    return RUST / "target" / "release" / "rust_bot"


def versions() -> dict[str, Any]:
    """Return of which libraries the two bots are made."""
    lock = (RUST / "Cargo.lock").read_text("utf-8")
    names = ("reqwest", "hyper", "tokio", "native-tls")
    locked = {
        name: re.findall(rf'^name = "{name}"\nversion = "(.*)"', lock, re.MULTILINE)[0]
        for name in names
    }
    (sbom,) = (f for f in files("pyreqwest") or () if f.name.endswith(".json"))
    parts = json.loads(sbom.read_text("utf-8"))["components"]
    newer = {each["name"]: each["version"] for each in parts if each["name"] in names}
    return {OLD: locked, NEWER: {**newer, "pyreqwest": version("pyreqwest")}}


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Table]:
    """Start the bot in all cells, and return what is stored and what is shown."""
    wanted = cells(options.starts, options.priority)
    random.Random(options.seed).shuffle(wanted)
    idling = idle_cells(options.idle_starts, options.pauses)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bot = built()
        with ThreadPoolExecutor(len(idling)) as pool:
            idle = [pool.submit(carried_out, cell, bot, folder) for cell in idling]
            found = []
            for cell in wanted:
                console.print(str(cell), highlight=False)
                found.append(carried_out(cell, bot, folder))
                _keep(cell, folder, options.output.parent)
            idled = [each.result() for each in idle]
    found.sort(key=lambda each: wanted_order(each.cell))
    content = {
        "url": URL,
        "programs": versions(),
        "bar": [bar.row() for bar in bars(found)],
        "round_trips": list(trips(found)),
        "cell": [each.row() for each in found],
        "idle": [each.row() for each in idled],
    }
    return content, _table([*found, *idled])


def wanted_order(cell: Cell) -> tuple[Any, ...]:
    """Return where a cell stands in the file."""
    client = CLIENTS.index(cell.client)
    return cell.reqwest != OLD, client, cell.warm_up, cell.rtt_ms


def _keep(cell: Cell, folder: Path, results: Path) -> None:
    """Keep the results of `exec` that `vestbench compare` can judge."""
    if (cell.reqwest, cell.warm_up, cell.rtt_ms) != (OLD, False, KEPT_RTT_MS):
        return
    if cell.client in ("before", "after"):
        name = f"{'-'.join(map(str, asdict(cell).values()))}.toml"
        shutil.copy(folder / name, results / f"story-{cell.client}.toml")


def _table(found: Iterable[Found]) -> Table:
    shown = Table(title="the story's bot")
    names = ("reqwest", "client", "warm-up", "ms", "idle", "closes")
    for name in (*names, "connections", "again", "first", "later"):
        shown.add_column(name, justify="right")
    for each in found:
        cell, account = each.cell, each.account
        shown.add_row(
            *(cell.reqwest, cell.client, str(cell.warm_up), str(cell.rtt_ms)),
            *(f"{cell.pause_s:g}", str(cell.closes_s), str(account["connections"])),
            *(str(account["again"]), str(figure(each.first_ms))),
            str(figure(each.later_ms)),
        )
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.story",
        description="Ask the story's own bot what its change has bought it.",
    )
    parser.add_argument("--starts", type=at_least(FEWEST), default=STARTS)
    parser.add_argument("--idle-starts", type=at_least(FEWEST), default=IDLE_STARTS)
    parser.add_argument("--pauses", type=float, nargs="+", default=PAUSES_S)
    parser.add_argument(
        "--priority",
        type=int,
        default=0,
        help="real-time, of the cells that do not idle",
    )
    return carry_out(
        parser,
        study,
        kind="story",
        output="results/story-answered.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
