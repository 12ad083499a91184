"""Does vestbench measure what curl and a bare socket measure?

Run it as `python -m tests.bench.peers`; it stores its figures in
`results/accuracy-peers.toml` and exits 1 when a bar is missed. It takes 3 minutes.

Three clients take turns, in an order drawn by lot, at the same exchange, on loopback
(with no service time, and with the usual 5 ms) and over emulated links of 10, 30 and
80 ms:

- vestbench: its httpx stack in its measuring process, as `bench` uses it;
- curl: one process a turn, which discards a first exchange (its process has caches to
  fill; vestbench has burn-in), then opens a connection, then reuses it;
- raw: a process with a socket and TLS and nothing else (`raw_socket`), paced as the
  first is, so that its wire window, from the first byte written to the first byte
  read, is what there is to be measured.

A turn is one cold request and some that reuse; of the latter its median counts. What is
reported is the median over rounds of the difference within a round. curl's times are
cumulative, so a phase is a difference of two of them, and its wait includes sending:

    dns      time_namelookup                      the name is localhost; on the links
    connect  time_connect - time_namelookup       the address is a literal
    tls      time_appconnect - time_connect
    wait     time_starttransfer - time_pretransfer
    total    time_total

curl builds its TLS context, certificates included, after the connection is there, so
its tls holds that too. It is given a file with one certificate; what this still costs
is measured in Python and stored as `context`.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from tests.bench.figures import FEWEST, Bar, Figure, at_least, carry_out, figure
from tests.bench.peers_turns import PAUSE_S, USES, Route, Turn, measure
from tests.bench.programs import find, output_of
from tests.bench.stored import link_account
from vestbench.model.request import NS_PER_MS

ROUNDS = 40
SEED = 20261125

PHASES = ("dns", "connect", "tls", "wait", "window", "network", "total")
PHASE_LIMIT_MS = 0.3
PHASE_LIMIT_SHARE = 0.02
WINDOW_LIMIT = 1.10  # of the raw socket's, on loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One phase as vestbench and another client saw it, in ms."""

    rtt_ms: float
    processing_ms: float
    request: str  # cold or reused
    phase: str
    peer: str
    ours: Figure
    theirs: Figure
    difference: Figure  # ours - theirs, within a round
    ratio: Figure  # ours / theirs, within a round

    @property
    def where(self) -> str:
        """Name the route."""
        if self.rtt_ms:
            return f"{self.rtt_ms:g} ms"
        served = f", {self.processing_ms:g} ms served" if self.processing_ms else ""
        return f"loopback{served}"


def compare(route: Route) -> list[Comparison]:
    """Hold what vestbench saw against what each other client saw."""
    ours = route.turns["vestbench"]
    return [
        found
        for peer in ("curl", "raw")
        for request in ("cold", "reused")
        for phase in PHASES
        if (found := _compare_phase(route, peer, request, phase, ours)) is not None
    ]


def _compare_phase(
    route: Route, peer: str, request: str, phase: str, ours: Sequence[Turn]
) -> Comparison | None:
    pairs = [
        (times[phase], theirs[phase])
        for mine, other in zip(ours, route.turns[peer], strict=True)
        if phase in (times := getattr(mine, request))
        and phase in (theirs := getattr(other, request))
    ]
    if not pairs:
        return None
    return Comparison(
        rtt_ms=route.rtt_ms,
        processing_ms=route.processing_ms,
        request=request,
        phase=phase,
        peer=peer,
        ours=figure([a for a, _ in pairs]),
        theirs=figure([b for _, b in pairs]),
        difference=figure([a - b for a, b in pairs]),
        ratio=figure([a / b for a, b in pairs if b > 0] or [1.0]),
    )


def bars(comparisons: Iterable[Comparison]) -> list[Bar]:
    """Return the limits of the study, each with the figure held against it."""
    found = []
    for row in comparisons:
        what = f"{row.request} {row.phase}, against {row.peer}"
        if row.peer == "curl" and row.rtt_ms and row.phase != "window":
            share = PHASE_LIMIT_SHARE * row.theirs.median
            found.append(
                Bar(
                    name=f"{row.where}: {what}",
                    limit=max(PHASE_LIMIT_MS, share),
                    found=row.difference,
                    two_sided=True,
                    unit="ms",
                )
            )
        if row.peer == "raw" and not row.rtt_ms and row.phase == "window":
            found.append(
                Bar(
                    name=f"{row.where}: {what}",
                    limit=WINDOW_LIMIT,
                    found=row.ratio,
                    unit="ratio",
                )
            )
    return found


def context_ms(ca_pem: str, times: int = 20) -> Figure:
    """Return what it costs to build a TLS context that trusts one certificate."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter_ns()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_pem)
        taken.append((time.perf_counter_ns() - begin) / NS_PER_MS)
    return figure(taken)


def comparison_table(comparisons: Iterable[Comparison]) -> Table:
    """Return the figures of all comparisons."""
    table = Table(title="as vestbench and as others see it, ms")
    for name in (
        *("route", "request", "phase", "against", "ours", "theirs", "difference"),
    ):
        table.add_column(name, justify="right")
    for row in comparisons:
        table.add_row(
            row.where,
            row.request,
            row.phase,
            row.peer,
            f"{row.ours.median:.3f}",
            f"{row.theirs.median:.3f}",
            f"{row.difference.median:+.3f} "
            f"[{row.difference.low:+.3f}, {row.difference.high:+.3f}]",
        )
    return table


def bar_table(found: Iterable[Bar]) -> Table:
    """Return the bars and what was held against them."""
    table = Table(title="bars")
    for name in ("bar", "limit", "found", ""):
        table.add_column(name, justify="right")
    for bar in found:
        table.add_row(
            bar.name, f"{bar.limit:.3g} {bar.unit}", str(bar.found), bar.outcome
        )
    return table


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Group]:
    """Measure, and return what is stored and what is shown."""
    curl = find("curl")
    if curl is None:
        sys.exit("curl is missing: apt-get install curl")
    routes = measure(options.rounds, options.seed, console)
    comparisons = [row for route in routes for row in compare(route)]
    found = bars(comparisons)
    content = {
        "rounds": options.rounds,
        "uses": USES,
        "pause_ms": 1e3 * PAUSE_S,
        "curl": output_of([curl, "--version"]).partition("\n")[0],
        "context_ms": asdict(context_ms(routes[0].sim.ca_pem)),
        "bar": [bar.row() for bar in found],
        "comparison": [asdict(row) for row in comparisons],
        "link": [
            {"rtt_ms": route.rtt_ms, **link_account(route.report)}
            for route in routes
            if route.report is not None
        ],
    }
    return content, Group(comparison_table(comparisons), bar_table(found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.peers",
        description="Measure what curl and a bare socket measure, in turns.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="accuracy against curl and a raw socket",
        output="results/accuracy-peers.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
