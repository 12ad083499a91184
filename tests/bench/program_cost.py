"""What does `exec` cost: until a program starts, and for each of its requests?

Run it as `python -m tests.bench.program_cost`; it stores its figures in
`results/overhead-program-cost.toml` and exits 1 when a bar is missed. It takes two
minutes.

In each round, in an order drawn by lot, the same client sends the same requests over
one connection to the same exchange behind the same link: once inside, where every
connection is caught and an account is kept, and once in a bare lab. What is held
against the bar is the difference of the two medians of a round.
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import FEWEST, Bar, at_least, carry_out, figure, in_turns
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.programs.running import run_program
from vestbench.programs.wanted import Streams, Wanted
from vestbench.simulator.venue import SimulatedVenue

ROUNDS = 20
REQUESTS = 150
LEFT_OUT = 5  # the first ones, which pay for caches
LINK_RTT_MS = 10.0
SEED = 20261128
SET_UP_LIMIT_S = 0.5
REQUEST_LIMIT_MS = 0.1
HOST = "server-prod.hz.vestmarkets.com"

EXCHANGE = ExchangeSpec(processing_ms=0.0)
CLIENT = """
import json, socket, ssl, sys, time
host, port, name, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
context = ssl._create_unverified_context()
stream = socket.create_connection((host, port))
stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
stream = context.wrap_socket(stream, server_hostname=name)
request = f"GET /v2/ticker/latest HTTP/1.1\\r\\nHost: {name}\\r\\n\\r\\n".encode()
taken = []
for _ in range(count):
    begin = time.perf_counter_ns()
    stream.sendall(request)
    answer = b""
    while not answer.endswith(b"]}"):
        answer += stream.recv(65536)
    taken.append((time.perf_counter_ns() - begin) / 1e6)
    time.sleep(0.002)
print(json.dumps(taken))
"""


class Rounds:
    """Runs the client both ways, and keeps how long each set-up took."""

    def __init__(self) -> None:
        self.set_up_s: list[float] = []

    def inside(self) -> float:
        """Return the median latency inside, in ms."""
        with tempfile.TemporaryFile("w+") as out:
            done = run_program(
                Wanted(
                    argv=self._client(HOST, 443),
                    env=dict(os.environ),
                    cwd=Path("/"),
                    exchange=EXCHANGE,
                    link=LinkSpec(rtt_ms=LINK_RTT_MS),
                    streams=Streams(stdout=out.fileno()),
                )
            )
            self.set_up_s.append(done.setup_s)
            return _median(out)

    def bare(self) -> float:
        """Return the median latency in a bare lab, in ms."""
        link = LinkSpec(rtt_ms=LINK_RTT_MS)
        with (
            tempfile.TemporaryFile("w+") as out,
            SimulatedVenue(EXCHANGE, link) as venue,
        ):
            host, port = venue.base_url("").removeprefix("https://").split(":")
            client = venue.spawn(self._client(host, int(port)), {1: out.fileno()})
            client.wait(60.0)
            return _median(out)

    @staticmethod
    def _client(host: str, port: int) -> list[str]:
        words = (host, str(port), HOST, str(REQUESTS))
        return [sys.executable, "-I", "-S", "-c", CLIENT, *words]


def _median(out: Any) -> float:
    out.seek(0)
    taken: list[float] = json.load(out)
    return statistics.median(taken[LEFT_OUT:])


def bars(
    set_up_s: Sequence[float], inside: Sequence[float], bare: Sequence[float]
) -> list[Bar]:
    """Return the limits, each with what was found."""
    more = [mine - other for mine, other in zip(inside, bare, strict=True)]
    return [
        Bar(name="exec, up", limit=SET_UP_LIMIT_S, found=figure(set_up_s), unit="s"),
        Bar(
            name="exec, each request",
            limit=REQUEST_LIMIT_MS,
            found=figure(more),
            unit="ms",
        ),
    ]


def study(options: argparse.Namespace, _: Console) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    rounds = Rounds()
    rounds.inside()  # files into the page cache
    rounds.set_up_s.clear()
    things = {"inside": rounds.inside, "bare": rounds.bare}
    taken = in_turns(options.rounds, random.Random(options.seed), things)
    found = bars(rounds.set_up_s, taken["inside"], taken["bare"])
    shown = Table(title="exec, medians")
    for name in ("what", "n", "found", "limit", ""):
        shown.add_column(name, justify="right")
    for what, values in taken.items():
        one = figure(values)
        shown.add_row(f"request, {what}", str(one.n), f"{one} ms", "", "")
    for bar in found:
        limit = f"{bar.limit:g} {bar.unit}"
        shown.add_row(bar.name, str(bar.found.n), str(bar.found), limit, bar.outcome)
    content = {
        "rounds": options.rounds,
        "requests": REQUESTS - LEFT_OUT,
        "rtt_ms": LINK_RTT_MS,
        "bar": [bar.row() for bar in found],
        "request_ms": [
            {"what": what, **asdict(figure(values))} for what, values in taken.items()
        ],
    }
    return content, shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.program_cost",
        description="Hold what exec costs a program against a bare lab.",
    )
    parser.add_argument("--rounds", type=at_least(FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="program-cost",
        output="results/overhead-program-cost.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
