"""One run: the venue, the measuring process and the result file round an experiment."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from vestbench.errors import VenueError, VestbenchError
from vestbench.model.client import StackFacts
from vestbench.model.request import NS_PER_MS, Failure, Outcome, RequestSpec, Sample
from vestbench.model.run import (
    Conclusion,
    Conditions,
    Engine,
    Link,
    LinkEnd,
    Plan,
    Run,
    Server,
)
from vestbench.model.simulated import LinkReport
from vestbench.results.naming import result_path
from vestbench.results.writing import RunWriter, TakenError
from vestbench.running.access import check_access
from vestbench.running.destination import Destination
from vestbench.running.facts import exchange_facts, link_facts, pool_facts, stack_facts
from vestbench.spool import Spool
from vestbench.venues import Endpoint, Venue, find_venue
from vestbench.workers.remote import RemoteStacks

if TYPE_CHECKING:
    from vestbench.running.ports import RunEnd, Stack
    from vestbench.running.trader import Trader
    from vestbench.simulator.venue import SimulatedVenue


class Observer(Protocol):
    """Who is told how a run goes on; it must not disturb what is measured."""

    def say(self, text: str) -> None:
        """Take note of what is being done."""

    def advance(self, outcome: Outcome) -> None:
        """Take note of one outcome."""


class Silence:
    """An observer that tells nobody."""

    def say(self, text: str) -> None:
        """Take no note."""

    def advance(self, outcome: Outcome) -> None:
        """Take no note."""


@dataclass(slots=True)
class Measurement:
    """What a job gets to work with, and leaves behind."""

    stack: Stack
    venue: Venue
    endpoint: Endpoint
    record: Callable[[Outcome], None]
    say: Callable[[str], None]  # shows where the run stands, between two requests
    trader: Trader | None = None  # where the endpoint wants an account
    stopped: str = ""
    conclusion: dict[str, Any] = field(default_factory=dict)

    def take(self, end: RunEnd) -> None:
        """Keep what an experiment left besides its outcomes."""
        self.stopped = end.stopped
        builds = [ns / NS_PER_MS for ns in end.build_ns]
        self.conclusion["client_build_ms"] = tuple(builds)
        self.conclusion["notes"] = end.notes
        self.conclusion["unmeasured"] = end.unmeasured
        if len(set(end.built_by)) > 1:
            self.conclusion["client_build_stacks"] = end.built_by

    def request(self) -> RequestSpec:
        """Build the next request to the endpoint that is measured."""
        if self.trader is not None:
            return self.trader.request()
        return self.venue.request(self.endpoint, now_ms=_now_ms())

    def warm_up_request(self) -> RequestSpec:
        """Build the next warm-up request."""
        return self.venue.request(self.venue.warm_up, now_ms=_now_ms())


def _now_ms() -> int:
    return time.time_ns() // NS_PER_MS


class Job(Protocol):
    """What is to be measured at a destination."""

    @property
    def command(self) -> str:
        """The command that it is a run of."""

    @property
    def label(self) -> str:
        """What distinguishes the run in a file name."""

    @property
    def plan(self) -> Plan:
        """What is asked for; its `seed` is the link's too."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Conditions that the job knows beforehand, such as the strategy."""

    @property
    def earlier(self) -> Run | None:
        """A run that this one continues; its requests come first."""

    @property
    def most_requests(self) -> int:
        """How many requests it may send, the unmeasured ones included."""

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:
        """Send what comes before; what is returned is added to the conditions."""

    def measure(self, measurement: Measurement) -> None:
        """Send the requests that are measured."""

    def summary(self, run: Run) -> Mapping[str, Any]:
        """Return what the run found, as plain values, for whoever reads its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run that is over, and where it is kept."""

    run: Run
    path: Path
    failure: VestbenchError | None = None  # what ended it early


def place_result(job: Job, folder: Path) -> Path:
    """Return the path in `folder` at which the result of a run that starts now goes."""
    return result_path(folder, job.command, job.label, datetime.now(UTC))


def check_job(job: Job, destination: Destination) -> None:
    """Refuse what must not or cannot be done at a destination.

    Raises:
        UsageError: It must not, or cannot.
    """
    venue = find_venue(destination.venue)
    check_access(
        destination.access,
        venue,
        venue.endpoint(destination.endpoint),
        simulated=destination.is_simulated,
        concurrency=int(job.facts["concurrency"]),
        requests=job.most_requests,
    )


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
        self._conclusion: dict[str, Any] = {"interrupted": False, "stopped": ""}

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
        earlier = self._job.earlier
        if earlier is not None:
            ends = (_end_ns(outcome) for outcome in earlier.outcomes)
            self._offset_ns = max(ends, default=0)
        begin = time.perf_counter()
        failure: VestbenchError | None = None
        try:
            if earlier is not None:
                for outcome in earlier.outcomes:
                    self._keep(outcome)
            self._measure(workers)
        except KeyboardInterrupt:
            self._conclusion["interrupted"] = True
        except VestbenchError as error:
            failure = error
            self._conclusion["stopped"] = str(error)
        except BaseException:
            self._leave()
            raise
        self._conclusion["duration_s"] = round(time.perf_counter() - begin, 3)
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
            conclusion=Conclusion(**self._conclusion),
        )

    def _is_empty(self) -> bool:
        """Say whether nothing was measured, apart from what the run continues."""
        earlier = self._job.earlier
        continued = 0 if earlier is None else len(earlier.samples)
        continued += 0 if earlier is None else len(earlier.failures)
        return self._kept <= continued

    @property
    def _kept(self) -> int:
        return len(self._samples) + len(self._failures)

    def _leave(self) -> None:
        """Let go of the file as it is, after an error that nobody expected."""
        if self._is_empty():
            self._writer.discard()
        else:
            self._writer.close()

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
            raise VenueError(f"nothing was measured at {name}: {self._stopped()}")
        try:
            if self._latest is not None and self._writer.taken < self._kept:
                self._writer.add(self._latest)  # which an interruption kept from it
            self._writer.finish(run.conclusion, self._job.summary(run))
        except VestbenchError as error:  # such as a full disk: still show the tables
            self._writer.close()
            path = self._writer.partial
            failure = failure or error
        if not run.samples and not run.interrupted and failure is None:
            raise _nothing_got_through(run, path)
        return Measured(run=run, path=path, failure=failure)

    def _stopped(self) -> str:
        return str(self._conclusion["stopped"])

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
                workers or RemoteStacks(destination.stacks, spawn, ca_pem=ca_pem)
            )
            facts = stack.facts  # waits until all are ready: starting takes the CPU
            url = sim.base_url() if sim is not None else ""
            venue = find_venue(destination.venue, simulated_url=url)

            def record(outcome: Outcome) -> None:
                self._record(outcome)
                if sim is not None:
                    sim.check()
                self._observer.advance(outcome)

            measurement = Measurement(
                stack,
                venue,
                venue.endpoint(destination.endpoint),
                record,
                self._observer.say,
            )
            if measurement.endpoint.private:
                trader = cleanup.enter_context(closing(self._trader(stack, venue)))
                measurement.trader, measurement.stack = trader, trader.stack
            self._conditions.update(self._conditions_of(measurement, facts, sim))
            self._conditions.update(self._job.set_up(measurement))
            self._writer.conditions(Conditions(**self._conditions))
            before = sim.counters() if sim is not None else None
            try:
                self._job.measure(measurement)
            finally:
                self._conclusion.update(measurement.conclusion)
                if measurement.trader is not None:
                    self._conclusion.update(measurement.trader.conclusion())
                self._conclusion["stopped"] = measurement.stopped
            if sim is not None and before is not None:
                after = sim.counters()
                self._conclusion["server"] = Server(
                    connections=after.connections - before.connections,
                    requests=after.requests - before.requests,
                )
                if measurement.trader is not None:
                    measurement.trader.close()
                stack.close()
                report = sim.stop()
                if report is not None:
                    origin_ns = facts[0].origin_ns - self._offset_ns
                    self._conclusion["link"] = _link_end(report, origin_ns)

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
            now_ms=_now_ms,
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

    def _conditions_of(
        self,
        measurement: Measurement,
        facts: Sequence[StackFacts],
        sim: SimulatedVenue | None,
    ) -> dict[str, Any]:
        venue, endpoint = measurement.venue, measurement.endpoint
        spec = venue.request(endpoint, now_ms=_now_ms())
        link = self._destination.link
        conditions: dict[str, Any] = {
            "venue": venue.name,
            "simulated": sim is not None,
            "endpoint": endpoint.name,
            "method": spec.method,
            "url": venue.shown(spec.url),
            **self._job.facts,
            "pool": pool_facts(self._destination.pool),
            **stack_facts(facts),
            **_machine(),
        }
        if endpoint.signed:
            on_path = self._destination.access.on_path
            conditions["signing"] = "on the path" if on_path else "before the clock"
        if sim is not None:
            conditions["exchange"] = exchange_facts(self._destination.exchange)
        if sim is not None and link is not None:
            conditions["link"] = Link(
                engine=cast(Engine, sim.engine),
                **link_facts(link),
                seed=link.seed,
                refusals=tuple(
                    f"{refusal.engine}: {refusal.step}: {refusal.code}"
                    for refusal in sim.refusals
                ),
            )
        return conditions


def _simulated_venue(destination: Destination) -> SimulatedVenue:
    # A real venue does not wait for the import.
    from vestbench.simulator.venue import SimulatedVenue

    return SimulatedVenue(destination.exchange, destination.link)


def _machine() -> dict[str, Any]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else -1.0
    return {
        "host": platform.node(),
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": os.cpu_count() or 0,
        "load": load,
    }


def _end_ns(outcome: Outcome) -> int:
    taken = outcome.latency_ns if isinstance(outcome, Sample) else outcome.elapsed_ns
    return outcome.start_ns + taken


def _link_end(report: LinkReport, origin_ns: int) -> LinkEnd:
    """Return the link's own account as it is stored: times from the run's origin."""
    events = report.late_events
    return LinkEnd(
        kernel_rtt_before_ms=tuple(report.kernel_rtt_before_ms),
        kernel_rtt_after_ms=tuple(report.kernel_rtt_after_ms),
        compensation_us=report.compensation_us,
        packets=report.packets,
        dropped=report.dropped,
        overflow=report.overflow,
        congestion_control=report.congestion_control,
        mtu=report.mtu,
        disturbed=report.disturbed,
        late_at_ms=tuple(round((at - origin_ns) / NS_PER_MS, 3) for at, _ in events),
        late_by_ms=tuple(round(late / NS_PER_MS, 3) for _, late in events),
        late_us=report.late_us,
    )


def _nothing_got_through(run: Run, path: Path) -> VenueError:
    kinds: dict[str, int] = {}
    for failure in run.failures:
        text = f"{failure.kind}: {failure.detail}"
        kinds[text] = kinds.get(text, 0) + 1
    total = len(run.failures)
    why = "; ".join(f"{text} ({n} of {total} requests)" for text, n in kinds.items())
    url = run.conditions.url or run.conditions.venue
    return VenueError(f"no usable response from {url}: {why}; details in {path}")
