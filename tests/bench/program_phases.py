"""Are the phases of a program that is not ours right? Held against curl and the link.

Run it as `python -m tests.bench.program_phases`; it stores its figures in
`results/accuracy-program-phases.toml` and exits 1 when a bar is missed. It takes a
minute, and a machine that does nothing else.

In each round, in an order drawn by lot, curl opens a connection for each of some
requests behind links of 10, 30 and 80 ms, sends as many more over one connection, and
says of each how long it took. Of the same requests `exec` says so by the packets at
curl's end of the link.

- `connect` is held against the link's known round trip, and so is the `wait` of
  requests that found their connection open, without the time that the exchange itself
  has taken, by its own clock (of the first request on a connection it also ends the
  handshake, which is in no time of its own);
- `connect`, `tls` and `program` together are held against curl's time from the end of
  the name lookup to `pretransfer`, when it was about to send its request. The two do
  not mean the same inside that sum: what curl computes between SYN-ACK and ClientHello
  belongs to TLS with both, but curl stamps when it has read a packet, and packets are
  stamped when they came.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import FEWEST, Bar, at_least, carry_out, figure, in_turns
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.model.traffic import Connection, Request
from vestbench.programs.account import traffic_of
from vestbench.programs.running import run_program
from vestbench.programs.wanted import Streams, Wanted

ROUNDS = 12
REQUESTS = 10
RTTS_MS = (10.0, 30.0, 80.0)
SEED = 20261128
URL = "https://server-prod.hz.vestmarkets.com/v2/ticker/latest"
WRITTEN = '{"lookup":%{time_namelookup},"pretransfer":%{time_pretransfer}}\n'
SUM_LIMIT_MS = 1.0
NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Told:
    """Medians over the requests of one curl, in ms."""

    connect: float
    wait: float  # less the exchange's own time
    opening: float  # connect, tls and program, by packets
    pretransfer: float  # from the end of the name lookup, by curl


def limit_ms(rtt_ms: float) -> float:
    """Return how far a phase of one round trip may be from it: 0.3 ms, or 2 %."""
    return max(0.3, 0.02 * rtt_ms)


def opening_ms(connection: Connection, request: Request) -> float:
    """Return the time from the SYN to the first packet of the request, in ms."""
    began = request.began_ns
    if began is None:
        message = "the packets of a request are missing"
        raise ValueError(message)
    return (began - connection.opened_ns) / NS_PER_MS


def on_the_way_ms(request: Request) -> float:
    """Return the wait without what the exchange took from request to answer, in ms."""
    wait, answered = request.wait_ns, request.answered_ns
    if wait is None or answered is None:
        message = "a request was not answered"
        raise ValueError(message)
    return (wait - (answered - request.arrived_ns)) / NS_PER_MS


def tell(rtt_ms: float) -> Told:
    """Run curl once, and return what it and the packets say."""
    with tempfile.TemporaryFile("w+") as out:
        each = ("-sS", "-o", os.devnull, "-w", WRITTEN, f"{URL}?n=[1-{REQUESTS}]")
        done = run_program(
            Wanted(
                argv=["curl", "-H", "Connection: close", *each, "--next", *each],
                env=dict(os.environ),
                cwd=Path("/"),
                exchange=ExchangeSpec(processing_ms=0.0),
                link=LinkSpec(rtt_ms=rtt_ms),
                streams=Streams(stdout=out.fileno()),
            )
        )
        out.seek(0)
        said = [json.loads(line) for line in out][:REQUESTS]
    traffic = traffic_of([done])
    sent = traffic.requests_of()
    pairs = [(opened, sent[opened.serial][0]) for opened in traffic.connections]
    *cold, kept = pairs
    later = sent[kept[0].serial][1:]
    if (len(cold), len(later), len(said)) != (REQUESTS, REQUESTS - 1, REQUESTS):
        message = f"{len(pairs)} connections, {len(later)} requests on the last of them"
        raise ValueError(message)
    return Told(
        connect=statistics.median((c.connect_ns or 0) / NS_PER_MS for c, _ in cold),
        wait=statistics.median(on_the_way_ms(r) for r in later),
        opening=statistics.median(opening_ms(c, r) for c, r in cold),
        pretransfer=statistics.median(
            1e3 * (each["pretransfer"] - each["lookup"]) for each in said
        ),
    )


def bars(rtt_ms: float, found: Sequence[Told]) -> list[Bar]:
    """Return the limits at one round trip, each with what was found, in ms."""
    name, limit = f"{rtt_ms:g} ms", limit_ms(rtt_ms)
    offsets = {
        f"connect, of {name}": (limit, [each.connect - rtt_ms for each in found]),
        f"wait, of {name}": (limit, [each.wait - rtt_ms for each in found]),
        f"to the request, of curl's at {name}": (
            SUM_LIMIT_MS,
            [each.opening - each.pretransfer for each in found],
        ),
    }
    return [
        Bar(name=what, limit=bar, found=figure(values), two_sided=True, unit="ms")
        for what, (bar, values) in offsets.items()
    ]


def study(options: argparse.Namespace, _: Console) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    tell(RTTS_MS[0])  # files into the page cache
    things = {rtt: partial(tell, rtt) for rtt in RTTS_MS}
    taken = in_turns(options.rounds, random.Random(options.seed), things)
    found = [bar for rtt, told in taken.items() for bar in bars(rtt, told)]
    shown = Table(title="phases of curl by packets, less what is held against them")
    for name in ("what", "n", "offset, ms", "limit", ""):
        shown.add_column(name, justify="right")
    for bar in found:
        limit = f"{bar.limit:g} {bar.unit}"
        shown.add_row(bar.name, str(bar.found.n), str(bar.found), limit, bar.outcome)
    content = {
        "rounds": options.rounds,
        "requests": REQUESTS,
        "rtt_ms": list(RTTS_MS),
        "bar": [bar.row() for bar in found],
    }
    return content, shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.program_phases",
        description="Hold the phases that exec shows against curl and the link.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="program-phases",
        output="results/accuracy-program-phases.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
