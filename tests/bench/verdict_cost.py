"""What a verdict costs: the default comparison against a design of fixed size.

Run it as `python -m tests.bench.verdict_cost`; it stores its figures in
`results/overhead-verdict-cost.toml`. It takes 2 minutes.

Over one emulated link of 30 ms, in turns:

- sequential: pooled against unpooled as `vestbench compare` does it, in interleaved
  rounds on fresh connections, looked at after each, until 50 ms are decided;
- fixed: 100 requests of each arm, alternating, the pooled ones on one connection that
  is opened once: the cheapest way to send that many. Its verdict is the interval of the
  median of the 100 differences.

Requests are counted at the exchange, those that open connections included; seconds are
those from the first of these requests to the verdict.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from tests.bench.figures import FEWEST, Figure, at_least, carry_out, figure
from tests.bench.stored import link_account
from tests.support.records import compare_plan
from vestbench.model.client import PoolSettings, SessionPlan
from vestbench.model.request import NS_PER_MS, Outcome, RequestSpec, Role, Sample, Slot
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.model.strategy import POOLED, UNPOOLED
from vestbench.running.ports import Pacer
from vestbench.simulator.venue import SimulatedVenue
from vestbench.stats.evidence import MAX_ROUNDS
from vestbench.studies.compare.experiment import Comparison
from vestbench.studies.compare.question import name_arms
from vestbench.studies.compare.rounds import Judgement, Round
from vestbench.venues.base import Venue
from vestbench.venues.vest.public import vest
from vestbench.workers.remote import RemoteStack

RTT_MS = 30.0
TARGET_MS = 50.0
ROUNDS = 12  # verdicts of the sequential design; the fixed one gives half as many
FIXED = 100  # requests of each arm
SEED = 20261130


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one verdict was, and what it cost."""

    verdict: str
    requests: int
    seconds: float
    median_ms: float
    low_ms: float
    high_ms: float


class Designs:
    """Both designs at one exchange."""

    def __init__(self, sim: SimulatedVenue, stack: RemoteStack, venue: Venue) -> None:
        self._sim = sim
        self._stack = stack
        self._venue = venue

    def sequential(self, seed: int) -> Verdict:
        """Compare as the command does by default."""
        arms = name_arms([POOLED, UNPOOLED])
        plan = compare_plan(arms, confidence=0.95, max_rounds=MAX_ROUNDS)
        judgement = Judgement(plan, TARGET_MS, percent=False)
        comparison = Comparison(
            plan.changed(seed=seed),
            PoolSettings(),
            range(MAX_ROUNDS),
            self._stack,
            self._request,
            self._warm_up,
            pacer=Pacer(),
        )
        comparison.set_up()

        def judge(number: int, found: Mapping[str, Outcome]) -> bool:
            return judgement.add(Round(number=number, outcomes=found))

        return self._counted(
            lambda: comparison.run(lambda _: None, judge),
            lambda: _of_judgement(judgement),
        )

    def fixed(self) -> Verdict:
        """Send a fixed number of requests of each arm, alternating."""
        pooled, unpooled = (
            self._stack.open(SessionPlan(pool=PoolSettings(), strategy=strategy))
            for strategy in (POOLED, UNPOOLED)
        )
        savings: list[float] = []

        def send() -> None:
            pooled.send(self._request(), _slot(Role.PRIMER))
            for _ in range(FIXED):
                cold = unpooled.send(self._request(), _slot(Role.COLD))
                warm = pooled.send(self._request(), _slot(Role.SUBSEQUENT))
                if not (isinstance(cold, Sample) and isinstance(warm, Sample)):
                    message = f"a request failed: {cold}, {warm}"
                    raise ConnectionError(message)
                savings.append((cold.latency_ns - warm.latency_ns) / NS_PER_MS)

        try:
            return self._counted(send, lambda: of_savings(savings))
        finally:
            pooled.close()
            unpooled.close()

    def _counted(
        self, deed: Callable[[], Any], verdict: Callable[[], tuple[str, Figure]]
    ) -> Verdict:
        before, begin = self._sim.counters().requests, time.perf_counter()
        deed()
        name, saving = verdict()
        seconds = time.perf_counter() - begin
        return Verdict(
            verdict=name,
            requests=self._sim.counters().requests - before,
            seconds=seconds,
            median_ms=saving.median,
            low_ms=saving.low,
            high_ms=saving.high,
        )

    def _request(self) -> RequestSpec:
        return self._venue.request(self._venue.endpoint(), now_ms=0)

    def _warm_up(self) -> RequestSpec:
        return self._venue.request(self._venue.warm_up, now_ms=0)


def _slot(role: Role) -> Slot:
    return Slot(session=0, index=0, role=role)


def _of_judgement(judgement: Judgement) -> tuple[str, Figure]:
    state = judgement.verdicts["pooled"].state
    interval = state.saving.interval
    saving = Figure(
        n=state.rounds,
        median=state.saving.median_lo,
        low=interval.low if interval else float("-inf"),
        high=interval.high if interval else float("inf"),
    )
    return str(state.verdict), saving


def of_savings(savings_ms: Sequence[float]) -> tuple[str, Figure]:
    """Return the verdict of a fixed design, and the saving: by its interval alone."""
    saving = figure(savings_ms)
    if saving.low >= TARGET_MS:
        return "PASS", saving
    return ("FAIL" if saving.high <= TARGET_MS else "INCONCLUSIVE"), saving


def measure(
    rounds: int, seed: int, console: Console
) -> tuple[dict[str, list[Verdict]], dict[str, Any]]:
    """Have both designs give verdicts in turns; return them, and the link's account."""
    rng = random.Random(seed)
    found: dict[str, list[Verdict]] = {"sequential": [], "fixed": []}
    link = LinkSpec(rtt_ms=RTT_MS, seed=seed)
    with SimulatedVenue(ExchangeSpec(), link) as sim:
        if sim.engine == "relay":
            sys.exit(f"no packet link on this machine: {sim.refusals}")
        with RemoteStack(sim.spawn, ca_pem=sim.ca_pem) as stack:
            designs = Designs(sim, stack, vest("sim", sim.base_url()))
            for number in track(range(rounds), "rounds", console=console):
                found["sequential"].append(designs.sequential(rng.randrange(2**32)))
                if number % 2:
                    found["fixed"].append(designs.fixed())
        return found, link_account(sim.stop())


def row(design: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return what is stored of a design."""
    return {
        "design": design,
        "verdicts": dict(Counter(verdict.verdict for verdict in verdicts)),
        "requests": asdict(figure([verdict.requests for verdict in verdicts])),
        "seconds": asdict(figure([verdict.seconds for verdict in verdicts])),
        "median_ms": asdict(figure([verdict.median_ms for verdict in verdicts])),
        "width_ms": asdict(figure([v.high_ms - v.low_ms for v in verdicts])),
        "verdict": [asdict(verdict) for verdict in verdicts],
    }


def table(found: Mapping[str, Sequence[Verdict]]) -> Table:
    """Return the medians of both designs."""
    shown = Table(title=f"to decide {TARGET_MS:g} ms at {RTT_MS:g} ms, medians")
    for name in ("design", "verdicts", "requests", "seconds", "interval, ms wide"):
        shown.add_column(name, justify="right")
    for design, verdicts in found.items():
        count = Counter(verdict.verdict for verdict in verdicts)
        shown.add_row(
            design,
            ", ".join(f"{n} {name}" for name, n in count.items()),
            str(figure([verdict.requests for verdict in verdicts])),
            str(figure([verdict.seconds for verdict in verdicts])),
            str(figure([v.high_ms - v.low_ms for v in verdicts])),
        )
    return shown


def study(
    options: argparse.Namespace, console: Console
) -> tuple[dict[str, Any], Table]:
    """Measure, and return what is stored and what is shown."""
    found, link = measure(options.rounds, options.seed, console)
    content = {
        "rounds": options.rounds,
        "rtt_ms": RTT_MS,
        "target_ms": TARGET_MS,
        "fixed_requests_per_arm": FIXED,
        "bar": [],
        "design": [row(design, verdicts) for design, verdicts in found.items()],
        "link": link,
    }
    return content, table(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.verdict_cost",
        description="Count what a verdict takes, sequential and of fixed size.",
    )
    parser.add_argument("--rounds", type=at_least(2 * FEWEST), default=ROUNDS)
    return carry_out(
        parser,
        study,
        kind="cost of a verdict",
        output="results/overhead-verdict-cost.toml",
        seed=SEED,
        arguments=arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
