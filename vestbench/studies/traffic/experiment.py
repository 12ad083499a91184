"""A program carried out, once or several times, and its account written to a file."""

from __future__ import annotations

import heapq
import platform
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from vestbench._version import __version__
from vestbench.model.client import PoolSettings
from vestbench.model.request import Failure, Sample
from vestbench.model.run import (
    ClockZero,
    Conclusion,
    Conditions,
    Exchange,
    Link,
    Pool,
    RunOf,
    Server,
)
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.traffic import Traffic
from vestbench.programs.account import traffic_of
from vestbench.programs.inside import run_inside
from vestbench.programs.wanted import ProgramRun, Wanted
from vestbench.results.naming import result_path
from vestbench.results.writing import RunWriter, TakenError
from vestbench.running.facts import link_end, machine_facts
from vestbench.studies.traffic.advice import libraries_in
from vestbench.studies.traffic.outcomes import outcomes_of
from vestbench.studies.traffic.plan import TrafficPlan, TrafficRun
from vestbench.studies.traffic.pool import uses_of

COMMAND = "exec"
_MOST_LIBRARIES = 3  # that are named
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")

RunProgram = Callable[[Wanted], ProgramRun]


class Carried(NamedTuple):
    """A program that was run, and where its account is kept."""

    run: TrafficRun
    path: Path
    last: ProgramRun


def label_of(program: str) -> str:
    """Return what a program is called in the name of a file."""
    return _NO_NAME.sub("-", program)[:40] or "program"


def carry_out_program(
    wanted: Wanted,
    plan: TrafficPlan,
    *,
    path: Path | None = None,
    folder: Path = Path("results"),
    run_it: RunProgram = run_inside,
    again: Callable[[int], None] = lambda _: None,
) -> Carried:
    """Run a program as often as planned, and keep the account of all its traffic.

    It is not started again after it was ended by a signal that we were sent.

    Args:
        wanted: The program, and the world that it finds.
        plan: What is asked for.
        path: Where the result goes; None is a new name in `folder`.
        folder: Where results are kept.
        run_it: Runs a program once.
        again: Called with the number of each further run before it begins.

    Raises:
        NotIsolatedError: This machine does not let a program be kept inside.
        UsageError: The program cannot be started, or the result not written.
        LabError: The link or the exchange could not be started, or has ended.
    """
    started = datetime.now(UTC).replace(microsecond=0)
    writer = _writer(plan, started, path, folder)
    begin = time.perf_counter()
    with closing(writer):
        runs: list[ProgramRun] = []
        at = datetime.now(UTC)
        try:
            for number in range(plan.runs):
                if number:
                    again(number)
                runs.append(run_it(wanted))
                if runs[-1].ended_by == "signal":
                    break
        except BaseException:
            writer.discard()
            raise
        traffic = traffic_of(runs)
        run = run_of(
            wanted,
            plan,
            runs,
            traffic,
            started=started,
            at=at,
            duration_s=round(time.perf_counter() - begin, 3),
        )
        write_all(writer, run)
    return Carried(run, writer.path, runs[-1])


def write_all(writer: RunWriter, run: TrafficRun) -> None:
    """Write a run that is over to its file."""
    from vestbench.studies.document import summary_of

    writer.conditions(run.conditions)
    for outcome in run.outcomes:
        writer.add(outcome)
    writer.finish(run.conclusion, summary_of(run))


def _writer(
    plan: TrafficPlan, started: datetime, path: Path | None, folder: Path
) -> RunWriter:
    label = label_of(plan.program)
    while True:
        place = path or result_path(folder, COMMAND, label, started)
        try:
            return RunWriter(
                place, command=COMMAND, label=label, plan=plan, started=started
            )
        except TakenError:
            if path is not None:
                raise


def run_of(
    wanted: Wanted,
    plan: TrafficPlan,
    runs: Sequence[ProgramRun],
    traffic: Traffic,
    *,
    started: datetime,
    at: datetime,
    duration_s: float,
) -> TrafficRun:
    """Return the runs of a program as one run of the study."""
    outcomes = outcomes_of(traffic)
    return RunOf(
        command=COMMAND,
        label=label_of(plan.program),
        started=started,
        plan=plan,
        conditions=conditions_of(
            runs[-1].name, wanted.exchange, _link(wanted, runs[-1]), traffic, at
        ),
        samples=tuple(each for each in outcomes if isinstance(each, Sample)),
        failures=tuple(each for each in outcomes if isinstance(each, Failure)),
        conclusion=Conclusion(
            interrupted=runs[-1].ended_by == "signal",
            stopped="",
            duration_s=duration_s,
            server=Server(
                connections=sum(len(run.seen.connections) for run in runs),
                requests=sum(len(run.seen.requests) for run in runs),
            ),
            link=link_end(runs[-1].link, runs[0].began_ns),
            traffic=traffic,
        ),
    )


def _link(wanted: Wanted, last: ProgramRun) -> Link:
    return Link.like(
        wanted.link,
        engine=last.link.engine,
        refusals=tuple(
            f"{refusal.engine}: {refusal.step}: {refusal.code}"
            for refusal in last.link.refusals
        ),
    )


def conditions_of(
    program: str,
    exchange: ExchangeSpec,
    link: Link | None,
    traffic: Traffic,
    at: datetime,
) -> Conditions:
    """Return under which conditions a program sent its requests.

    Args:
        program: Its name.
        exchange: What answered them.
        link: What was in front of it, if anything was.
        traffic: What was sent, from which its libraries are told.
        at: When the clock of `traffic` was 0.
    """
    libraries = libraries_in(traffic.requests)[:_MOST_LIBRARIES]
    return Conditions(
        venue="sim",
        simulated=True,
        endpoint=label_of(program),
        method="any",
        url="host and path",
        stack=", ".join(libraries) or "no library recognised",
        strategy="as the program connects",
        concurrency=max(1, _concurrency(traffic)),
        pool=Pool.like(PoolSettings()),
        versions={"vestbench": __version__, "python": platform.python_version()},
        exchange=Exchange.like(exchange),
        link=link,
        clock=(ClockZero(from_ms=0.0, at=at),),
        **machine_facts(),
    )


def _concurrency(traffic: Traffic) -> int:
    """Return how many requests were under way at the same time, at most."""
    ends: list[int] = []
    most = 0
    for use in uses_of(traffic):
        while ends and ends[0] <= use.begin_ns:
            heapq.heappop(ends)
        heapq.heappush(ends, use.end_ns)
        most = max(most, len(ends))
    return most
