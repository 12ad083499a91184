"""One run: the venue, the measuring process and the result file round an experiment."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vestbench.errors import VenueError, VestbenchError
from vestbench.kernel.pauses import Stops, stolen_s, stolen_since
from vestbench.model.request import NS_PER_MS, Failure, Outcome, Sample, taken_ns
from vestbench.model.run import ClockZero, Conditions, Run, Server
from vestbench.results.naming import result_path
from vestbench.results.writing import RunWriter, TakenError
from vestbench.running.access import check_access
from vestbench.running.destination import Destination
from vestbench.running.facts import conditions_of, link_end
from vestbench.running.job import (
    BEGUN,
    Job,
    Measured,
    Measurement,
    Observer,
    Silence,
    now_ms,
)
from vestbench.running.pace import check_budget
from vestbench.spool import Spool
from vestbench.venues import Venue, find_venue
from vestbench.workers.remote import RemoteStacks
from vestbench.workers.trust import check_trust

if TYPE_CHECKING:
    from vestbench.running.trader import Trader
    from vestbench.simulator.venue import SimulatedVenue


def place_result(job: Job, folder: Path) -> Path:
    """Return the path in `folder` at which the result of a run that starts now goes."""
    return result_path(folder, job.command, job.label, datetime.now(UTC))


def check_job(job: Job, destination: Destination, budget: int | None = None) -> None:
    """Refuse what must not or cannot be done at a destination.

    Args:
        job: What is to be measured.
        destination: Where.
        budget: How many requests a real venue may be sent; None is any number.

    Raises:
        UsageError: It must not, or cannot.
    """
    venue = find_venue(destination.venue)
    real = not destination.is_simulated
    check_access(
        destination.access,
        venue,
        venue.endpoint(destination.endpoint),
        concurrency=int(job.facts["concurrency"]),
        requests=job.most_requests,
    )
    if budget is not None:
        check_budget(destination.requests_for(job.most_requests), budget, real=real)


def carry_out(
    job: Job,
    destination: Destination,
    *,
    path: Path,
    fresh: bool = False,
    observer: Observer | None = None,
    workers: RemoteStacks | None = None,
) -> Measured:
    """Carry out `job`, write its result to `path`, and return it.

    With `fresh`, any other new name in that folder does as well, for when another run
    takes this one at the same moment. `workers` that were started ahead, on the stacks
    of a `destination` that is not simulated, are closed with the others.

    Whatever ends the run early, Ctrl-C included, what was measured until then is
    written and returned.

    Raises:
        VestbenchError: Something that the user can act on, and nothing was measured.
        KeyboardInterrupt: An interruption before anything was measured.
    """
    if workers is None:  # it was looked at before those were started
        check_trust(simulated=destination.is_simulated)
    execution = _Execution(job, destination, path, observer or Silence(), fresh=fresh)
    return execution.carry_out(workers)


class _Execution:
    def __init__(
        self,
        job: Job,
        destination: Destination,
        path: Path,
        observer: Observer,
        *,
        fresh: bool,
    ) -> None:
        self._job = job
        self._destination = destination
        self._observer = observer
        check_job(job, destination)  # before all else
        if destination.is_simulated:  # a real venue does not wait for the import
            from vestbench.simulator.exchange_process import check_extras

            check_extras(destination.exchange)
        self._started = datetime.now(UTC).replace(microsecond=0)
        self._writer = self._open(path, fresh=fresh)
        self._samples: Spool[Sample] = Spool()
        self._failures: Spool[Failure] = Spool()
        self._latest: Outcome | None = None  # that was kept
        self._offset_ns = 0  # what a run that is continued has taken already
        self._conditions: dict[str, Any] = {}
        self._conclusion = BEGUN

    def _open(self, path: Path, *, fresh: bool) -> RunWriter:
        while True:
            try:
                return RunWriter(
                    path,
                    command=self._job.command,
                    label=self._job.label,
                    plan=self._job.plan,
                    started=self._started,
                )
            except TakenError:
                if not fresh:
                    raise
                path = place_result(self._job, path.parent)

    def carry_out(self, workers: RemoteStacks | None) -> Measured:
        with closing(self._writer):  # whatever it is that ends the run
            return self._carry_out(workers)

    def _carry_out(self, workers: RemoteStacks | None) -> Measured:
        earlier = self._job.earlier
        if earlier is not None:
            ends = (each.start_ns + taken_ns(each) for each in earlier.outcomes)
            self._offset_ns = max(ends, default=0)
        begin = time.perf_counter()
        failure: VestbenchError | None = None
        try:
            if earlier is not None:
                for outcome in earlier.outcomes:
                    self._keep(outcome)
            self._measure(workers)
        except KeyboardInterrupt:
            self._conclude(interrupted=True)
        except VestbenchError as error:
            failure = error
            self._conclude(stopped=str(error), error=True)
        except BaseException:  # nobody expected it; what was measured stays as it is
            if self._is_empty():
                self._writer.discard()
            raise
        self._conclude(duration_s=round(time.perf_counter() - begin, 3))
        try:
            return self._end(self._run(), failure)
        except KeyboardInterrupt:  # the second one, or the run was over anyway
            return self._end(self._run(), failure)

    def _run(self) -> Run:
        return Run(
            command=self._job.command,
            label=self._job.label,
            started=self._started,
            plan=self._job.plan,
            conditions=Conditions(**self._conditions),
            samples=self._samples.settled(),
            failures=self._failures.settled(),
            conclusion=self._conclusion,
        )

    def _conclude(self, **found: Any) -> None:
        self._conclusion = self._conclusion.changed(**found)

    def _is_empty(self) -> bool:
        """Say whether nothing was measured, apart from what the run continues."""
        earlier = self._job.earlier
        continued = 0 if earlier is None else len(earlier.samples)
        continued += 0 if earlier is None else len(earlier.failures)
        return self._kept <= continued

    @property
    def _kept(self) -> int:
        return len(self._samples) + len(self._failures)

    def _end(self, run: Run, failure: VestbenchError | None) -> Measured:
        """Write the end of `run`, whatever it was that ended it."""
        path = self._writer.path
        if self._is_empty():
            self._writer.discard()
            if failure is not None:
                raise failure
            if run.interrupted:
                raise KeyboardInterrupt
            name = find_venue(self._destination.venue).name  # without its query
            stopped = run.conclusion.stopped or ""
            raise VenueError(f"nothing was measured at {name}: {stopped}")
        try:
            if self._latest is not None and self._writer.taken < self._kept:
                self._writer.add(self._latest)  # which an interruption kept from it
            self._writer.finish(run.conclusion, self._job.summary(run))
        except VestbenchError as error:  # such as a full disk: still show the tables
            path = self._writer.partial
            failure = failure or error
        if run.unanswered and not run.interrupted and failure is None:
            failure = VenueError(f"{run.unanswered}; details in {path}")
        return Measured(run=run, path=path, failure=failure)

    def _measure(self, workers: RemoteStacks | None) -> None:
        destination = self._destination
        with ExitStack() as cleanup:
            sim: SimulatedVenue | None = None
            if destination.is_simulated:
                self._observer.say("starting the simulated exchange")
                sim = cleanup.enter_context(_simulated_venue(destination))
            spawn = sim.spawn if sim is not None and sim.has_link else None
            ca_pem = sim.ca_pem if sim is not None else ""
            stack = cleanup.enter_context(
                workers
                or RemoteStacks(destination.stacks, spawn, ca_pem=ca_pem, watched=sim)
            )
            facts = stack.facts  # waits until all are ready: starting takes the CPU
            url = sim.base_url() if sim is not None else ""
            venue = find_venue(destination.venue, simulated_url=url)

            stops = cleanup.enter_context(closing(Stops()))
            stops.start()

            def record(outcome: Outcome) -> None:
                self._record(stops.marked(outcome, facts[0].origin_ns))
                self._observer.advance(outcome)

            measurement = Measurement(
                stack,
                venue,
                venue.endpoint(destination.endpoint),
                record,
                self._observer.say,
                rest=stack.rest,
            )
            if measurement.endpoint.private:
                trader = cleanup.enter_context(closing(self._trader(stack, venue)))
                measurement.trader, measurement.stack = trader, trader.stack
            self._conditions.update(
                conditions_of(self._job, destination, measurement, facts, sim)
            )
            self._conditions.update(clock=self._clock(facts[0].origin_ns))
            self._conditions.update(self._job.set_up(measurement))
            self._writer.conditions(Conditions(**self._conditions))
            before = sim.counters() if sim is not None else None
            opened = stack.opened
            stolen = stolen_s()
            try:
                self._job.measure(measurement)
            finally:
                self._conclusion = measurement.conclusion
                self._conclude(stolen_s=stolen_since(stolen))
                if measurement.trader is not None:
                    self._conclude(**measurement.trader.conclusion())
            if sim is not None and before is not None:
                after = sim.counters()
                server = Server(
                    connections=after.connections - before.connections,
                    requests=after.requests - before.requests,
                )
                self._conclude(server=server, opened=_since(opened, stack.opened))
                if measurement.trader is not None:
                    measurement.trader.close()
                stack.close()
                report = sim.stop()
                if report is not None:
                    origin_ns = facts[0].origin_ns - self._offset_ns
                    self._conclude(link=link_end(report, origin_ns))

    def _clock(self, origin_ns: int) -> tuple[ClockZero, ...]:
        """Return when the clock of this run stood at its begin, and at earlier ones."""
        since = timedelta(microseconds=(time.perf_counter_ns() - origin_ns) / 1000)
        begin_ms = self._offset_ns / NS_PER_MS
        here = ClockZero(from_ms=begin_ms, at=datetime.now(UTC) - since)
        earlier = self._job.earlier
        if earlier is None:
            return (here,)
        first = ClockZero(from_ms=0.0, at=earlier.started)
        return (*(earlier.conditions.clock or (first,)), here)

    def _trader(self, stack: RemoteStacks, venue: Venue) -> Trader:
        # Without an account nobody waits for the import.
        from vestbench.running.trader import Trader

        destination = self._destination
        return Trader(
            stack,
            venue,
            venue.endpoint(destination.endpoint),
            destination.access,
            pool=destination.pool,
            say=self._observer.say,
            now_ms=now_ms,
        )

    def _record(self, outcome: Outcome) -> None:
        if self._offset_ns:
            outcome = replace(outcome, start_ns=outcome.start_ns + self._offset_ns)
        self._keep(outcome)

    def _keep(self, outcome: Outcome) -> None:
        self._latest = outcome
        if isinstance(outcome, Sample):
            self._samples.append(outcome)
        else:
            self._failures.append(outcome)
        self._writer.add(outcome)


def _simulated_venue(destination: Destination) -> SimulatedVenue:
    # A real venue does not wait for the import.
    from vestbench.simulator.venue import SimulatedVenue

    return SimulatedVenue(destination.exchange, destination.link)


def _since(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
