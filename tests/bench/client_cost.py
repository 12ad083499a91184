"""What a pooled request of vestbench costs, against the bare library in one process.

Run it as `python -m tests.bench.client_cost`; it stores its figures in
`results/overhead-client-cost.toml` and exits 1 when a bar is missed. It takes half a
minute.

Both send the same request to the simulated exchange on plain loopback, each over its
own open connection, one after the other in an order drawn by lot. What is compared is
the latency that vestbench reports with the time that a call of the bare library takes.
"""

from __future__ import annotations

import argparse
import gc
import random
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from time import perf_counter_ns, sleep
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.bench.figures import FEWEST, Bar, Figure, at_least, carry_out, figure
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.columns import client_ns
from vestbench.model.request import NS_PER_MS, RequestSpec, Role, Sample, Slot
from vestbench.model.session import Session
from vestbench.model.simulated import ExchangeSpec
from vestbench.simulator.venue import SimulatedVenue
from vestbench.stacks.httpx_stack import HttpxStack
from vestbench.venues.vest.public import vest

BATCHES = 60
PAIRS = 25  # of requests in a batch, of which the medians count
PAUSE_S = 0.001  # before each request
SEED = 20261129
LIMIT = 1.05

Call = Callable[[], Any]  # one request, its body read
_SLOT = Slot(session=0, index=0, role=Role.SUBSEQUENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A session of vestbench, and the same library alone."""

    ours: Session
    bare: Call


def httpx_pair(ca_pem: str, spec: RequestSpec, cleanup: ExitStack) -> Pair:
    """Return our httpx stack, and an `httpx.Client`."""
    ours = HttpxStack(ca_pem).open(SessionPlan(pool=PoolSettings()))
    cleanup.callback(ours.close)
    context = ssl.create_default_context(cadata=ca_pem)
    client = cleanup.enter_context(httpx.Client(verify=context, trust_env=False))
    headers = dict(spec.headers)
    return Pair(ours=ours, bare=lambda: client.get(spec.url, headers=headers))


def reqwest_pair(ca_pem: str, spec: RequestSpec, cleanup: ExitStack) -> Pair:
    """Return our reqwest stack, and a client of pyreqwest."""
    stack = import_module("vestbench.stacks.reqwest_stack").ReqwestStack(ca_pem)
    ours = stack.open(SessionPlan(pool=PoolSettings()))
    cleanup.callback(ours.close)
    builder = import_module("pyreqwest.client").SyncClientBuilder()
    builder = builder.add_root_certificate_pem(ca_pem.encode()).no_proxy()
    client = builder.timeout(timedelta(seconds=10)).build()
    cleanup.callback(client.close)
    headers = list(spec.headers)

    def bare() -> Any:
        return client.get(spec.url).headers(headers).build().send().bytes()

    return Pair(ours=ours, bare=bare)


MakePair = Callable[[str, RequestSpec, ExitStack], Pair]


def pairs() -> dict[str, MakePair]:
    """Return how to make a pair of each library that is installed."""
    found: dict[str, MakePair] = {"httpx": httpx_pair}
    stack = find_spec("vestbench.stacks.reqwest_stack")
    if stack is not None and find_spec("pyreqwest") is not None:
        found["reqwest"] = reqwest_pair
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Medians over the requests of a batch, in ms."""

    ours: float  # the latency that is reported
    client: float | None  # of it, what is no phase; None where there are no phases
    call: float  # the whole call, with what is done after the clock has stopped
    bare: float

    @property
    def ratio(self) -> float:
        """What is reported, over what the bare library takes."""
        return self.ours / self.bare


def measure(pair: Pair, spec: RequestSpec, rng: random.Random) -> Batch:
    """Send a batch of pairs of requests."""
    samples, calls, bare = [], [], []
    for _ in range(PAIRS):
        for is_ours in rng.sample((True, False), 2):
            sleep(PAUSE_S)
            begin = perf_counter_ns()
            if not is_ours:
                pair.bare()
                bare.append(perf_counter_ns() - begin)
                continue
            outcome = pair.ours.send(spec, _SLOT)
            calls.append(perf_counter_ns() - begin)
            if not isinstance(outcome, Sample):
                message = f"a request failed: {outcome}"
                raise ConnectionError(message)
            samples.append(outcome)
    if not all(sample.reused for sample in samples):
        message = "not all requests reused their connection"
        raise ConnectionError(message)
    times: list[int | None] = [client_ns(sample) for sample in samples]
    known = [ns for ns in times if ns is not None]
    return Batch(
        ours=median(sample.latency_ns for sample in samples) / NS_PER_MS,
        client=median(known) / NS_PER_MS if known else None,
        call=median(calls) / NS_PER_MS,
        bare=median(bare) / NS_PER_MS,
    )


def bars(found: Mapping[str, Sequence[Batch]]) -> list[Bar]:
    """Return the limit for each library, with what was found."""
    return [
        Bar(
            name=f"{name}: latency of vestbench, of the bare library",
            limit=LIMIT,
            found=figure([batch.ratio for batch in batches]),
            unit="ratio",
        )
        for name, batches in found.items()
    ]


def figures(batches: Sequence[Batch]) -> dict[str, Figure]:
    """Return the figure of each time that is known, in ms, and of the ratio."""
    values = {
        name: [getattr(batch, name) for batch in batches]
        for name in ("ours", "client", "call", "bare", "ratio")
    }
    return {name: figure(found) for name, found in values.items() if None not in found}


def table(found: Mapping[str, Sequence[Batch]]) -> Table:
    """Return the figures of each library."""
    shown = Table(title="a pooled request on loopback, medians of batches, ms")
    for name in ("library", "latency", "of it client", "whole call", "bare", "ratio"):
        shown.add_column(name, justify="right")
    for name, batches in found.items():
        known = figures(batches)
        fields = ("ours", "client", "call", "bare", "ratio")
        shown.add_row(name, *(str(known.get(field, "")) for field in fields))
    return shown


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    rng = random.Random(options.seed)
    found: dict[str, list[Batch]] = {}
    exchange = ExchangeSpec(processing_ms=0.0)
    with SimulatedVenue(exchange, None) as sim, ExitStack() as cleanup:
        venue = vest("sim", sim.base_url())
        spec = venue.request(venue.endpoint(), now_ms=0)
        made = {name: make(sim.ca_pem, spec, cleanup) for name, make in pairs().items()}
        for pair in made.values():  # connections, caches
            for _ in range(PAIRS):
                pair.ours.send(spec, _SLOT)
                pair.bare()
        gc.collect()
        gc.freeze()
        gc.disable()  # for both: no garbage is collected within a request
        for _ in track(range(options.batches), "batches", console=console):
            for name in rng.sample(list(made), len(made)):
                found.setdefault(name, []).append(measure(made[name], spec, rng))
    judged = bars(found)
    content = {
        "batches": options.batches,
        "pairs_per_batch": PAIRS,
        "bar": [bar.row() for bar in judged],
        "library": [
            {
                "name": name,
                **{field: asdict(one) for field, one in figures(batches).items()},
            }
            for name, batches in found.items()
        ],
    }
    return content, table(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status: 1 if a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.client_cost",
        description="Hold a pooled request against the bare library.",
    )
    parser.add_argument("--batches", type=at_least(FEWEST), default=BATCHES)
    return carry_out(
        parser,
        study,
        kind="client time",
        output="results/overhead-client-cost.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
