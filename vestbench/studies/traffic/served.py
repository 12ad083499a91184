"""The account of clients from outside, to which an exchange was served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from vestbench.model.request import NS_PER_S, Failure, Sample
from vestbench.model.run import Conclusion, Link, RunOf, Server
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.programs.account import served_traffic
from vestbench.results.writing import RunWriter
from vestbench.simulator.exchange_messages import Seen
from vestbench.studies.traffic.experiment import conditions_of, write_all
from vestbench.studies.traffic.outcomes import outcomes_of
from vestbench.studies.traffic.plan import TrafficPlan, TrafficRun

COMMAND = "serve"
CLIENTS = "clients"  # what stands for the name of a program


class Served(NamedTuple):
    """What clients did, and what they met."""

    seen: Seen
    began_ns: int  # of the clock of `seen`, at `started`
    ended_ns: int
    started: datetime
    exchange: ExchangeSpec
    link: LinkSpec | None  # a relay


def served_run(served: Served, plan: TrafficPlan) -> TrafficRun:
    """Return what clients sent as a run of the study."""
    traffic = served_traffic(
        served.seen, began_ns=served.began_ns, ended_ns=served.ended_ns
    )
    outcomes = outcomes_of(traffic)
    link = None
    if served.link is not None:
        link = Link.like(served.link, engine="relay", refusals=())
    return RunOf(
        command=COMMAND,
        label=CLIENTS,
        started=served.started.replace(microsecond=0),
        plan=plan,
        conditions=conditions_of(
            CLIENTS, served.exchange, link, traffic, served.started
        ),
        samples=tuple(each for each in outcomes if isinstance(each, Sample)),
        failures=tuple(each for each in outcomes if isinstance(each, Failure)),
        conclusion=Conclusion(
            interrupted=False,
            stopped="",
            duration_s=round((served.ended_ns - served.began_ns) / NS_PER_S, 6),
            server=Server(
                connections=len(traffic.connections), requests=len(traffic.requests)
            ),
            traffic=traffic,
        ),
    )


class Keeper:
    """Writes the account to its file, where one is wanted.

    Args:
        writer: Of the file that is wanted.
    """

    def __init__(self, writer: RunWriter | None) -> None:
        self._writer = writer
        self.has_kept = writer is None

    def keep(self, run: TrafficRun) -> str:
        """Write a run; return the path of its file, or nothing where none is wanted."""
        if self._writer is None:
            return ""
        write_all(self._writer, run)
        self.has_kept = True
        return str(self._writer.path)


@contextmanager
def kept_at(
    path: Path | None, plan: TrafficPlan, started: datetime
) -> Iterator[Keeper]:
    """Reserve the file of a result; it is not there where nothing was kept.

    Raises:
        UsageError: It cannot be written.
    """
    if path is None:
        yield Keeper(None)
        return
    writer = RunWriter(path, command=COMMAND, label=CLIENTS, plan=plan, started=started)
    with closing(writer):
        keeper = Keeper(writer)
        try:
            yield keeper
        finally:
            if not keeper.has_kept:
                writer.discard()
