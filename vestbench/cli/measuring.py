"""What every measuring command does round its experiment.

Sets up the venue, the measuring process and the result file; takes outcomes as they
come; and whatever ends the run, Ctrl-C included, writes its end and shows it.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestbench.cli.console import Progress, stderr, stdout
from vestbench.cli.options import chosen, duration, refuse_given
from vestbench.config import Settings, resolve
from vestbench.errors import ExitCode, UsageError, VenueError, VestbenchError
from vestbench.models import (
    NS_PER_MS,
    ExchangeSpec,
    Failure,
    LinkReport,
    LinkSpec,
    Outcome,
    PoolSettings,
    RequestSpec,
    Run,
    Sample,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.clients.remote import RemoteStack
    from vestbench.experiments.compare import CompareEnd
    from vestbench.experiments.ports import RunEnd
    from vestbench.results import RunWriter
    from vestbench.simulator.venue import SimulatedVenue
    from vestbench.venues import Endpoint, Venue

DEFAULT_RTT_S = 0.030
DEFAULT_PROCESSING_S = 0.005
DEFAULT_IDLE_TIMEOUT_S = 75.0
POLITE_RATE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SimOptions:
    """The options of the simulated venue as they were given; None is not given."""

    rtt: str | None
    jitter: str | None
    loss: float | None
    link: str | None
    tls: str | None
    processing: str | None
    idle_timeout: str | None
    max_requests: int | None
    drift: str | None = None

    def given(self) -> dict[str, Any]:
        """Return the options by the name a user types."""
        return {
            "--" + name.replace("_", "-"): getattr(self, name)
            for name in type(self).__dataclass_fields__
        }

    def link_spec(self, seed: int) -> LinkSpec | None:
        """Return the link that is asked for, or None for plain loopback."""
        rtt_s = duration("--rtt", self.rtt, DEFAULT_RTT_S)
        engine = chosen(
            "--link", self.link or "auto", ("auto", "packet", "tun", "relay")
        )
        jitter_s = duration("--jitter", self.jitter)
        if rtt_s == 0:
            why = "without a link (--rtt 0ms) there is nothing to set"
            needs_link = ("jitter", "loss", "link", "drift")
            refuse_given({f"--{n}": getattr(self, n) for n in needs_link}, why)
            return None
        if rtt_s > 5:
            raise UsageError("--rtt: more than 5s is no round trip")
        if jitter_s > 5:
            raise UsageError("--jitter: more than 5s is no jitter")
        return LinkSpec(
            rtt_ms=rtt_s * 1e3,
            jitter_ms=jitter_s * 1e3,
            loss=self.loss or 0.0,
            seed=seed,
            drift_ms_per_s=1e3 * duration("--drift", self.drift),
            engine=engine,
        )

    def exchange_spec(self) -> ExchangeSpec:
        """Return the exchange that is asked for."""
        return ExchangeSpec(
            tls=chosen("--tls", self.tls or "1.3", ("1.2", "1.3")),
            idle_timeout_s=duration(
                "--idle-timeout", self.idle_timeout, DEFAULT_IDLE_TIMEOUT_S
            ),
            max_requests=self.max_requests or 0,
            processing_ms=1e3
            * duration("--processing", self.processing, DEFAULT_PROCESSING_S),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """How a run is shown and where it is kept."""

    json: bool
    quiet: bool
    output: str | None


@dataclass(slots=True)
class Measurement:
    """What an experiment gets to work with, and leaves behind."""

    stack: RemoteStack
    venue: Venue
    endpoint: Endpoint
    record: Callable[[Outcome], None]
    say: Callable[[str], None]  # shows where the run stands, between two requests
    stopped: str = ""
    conclusion: dict[str, Any] = field(default_factory=dict)

    def take(self, end: RunEnd | CompareEnd) -> None:
        """Keep what an experiment left besides its outcomes."""
        self.stopped = end.stopped
        builds = [ns / NS_PER_MS for ns in end.build_ns]
        self.conclusion["client_build_ms"] = builds
        self.conclusion["notes"] = list(end.notes)

    def request(self) -> RequestSpec:
        """Build the next request to the endpoint that is measured."""
        return self.venue.request(self.endpoint, now_ms=_now_ms())

    def warm_up_request(self) -> RequestSpec:
        """Build the next warm-up request."""
        return self.venue.request(self.venue.warm_up, now_ms=_now_ms())


def _now_ms() -> int:
    return time.time_ns() // NS_PER_MS


def settings_here(
    *,
    venue: str | None,
    min_saving: str | None,
    results: str | None,
    pool_max_idle: str | None,
    pool_idle_timeout: str | None,
    tcp_keepalive: str | None,
    connect_timeout: str | None,
    timeout: str | None,
) -> Settings:
    """Return the settings in force here and now; None is an option not given."""
    options = {
        "venue": venue,
        "min_saving": min_saving,
        "results": results,
        "pool.max_idle": pool_max_idle,
        "pool.idle_timeout": pool_idle_timeout,
        "pool.tcp_keepalive": tcp_keepalive,
        "pool.connect_timeout": connect_timeout,
        "pool.request_timeout": timeout,
    }
    return resolve(options, environment=os.environ, folder=Path.cwd(), home=Path.home())


def pace(real: bool, requests: int, rate: float | None, budget: int) -> float | None:
    """Return the limit of requests a second, having checked the number of requests."""
    if rate is not None and rate <= 0:
        raise UsageError("--rate must be more than 0")
    if real and requests > budget:
        raise UsageError(
            f"{requests} requests are more than a real venue is sent by default; "
            f"--budget {requests} allows them"
        )
    if rate is None and real:
        return POLITE_RATE
    return rate


def is_real(venue: str) -> bool:
    """True where requests leave this machine's simulated exchange."""
    return venue != "sim"


class Runner:
    """One run of a measuring command, from its options to its exit code.

    Args:
        command: Name of the command.
        label: What distinguishes the run in a file name.
        plan: What is asked for, as it is stored.
        settings: The settings in force.
        sim: Options of the simulated venue.
        output: How to show and keep the result.
        total: Requests that will be recorded, for the progress display.
        facts: Further conditions, such as the strategy.
    """

    def __init__(
        self,
        command: str,
        label: str,
        *,
        plan: Mapping[str, Any],
        settings: Settings,
        sim: SimOptions,
        output: OutputOptions,
        endpoint: str,
        total: int,
        facts: Mapping[str, Any],
    ) -> None:
        self._command = command
        self._label = label
        self._plan = plan
        self._settings = settings
        self._sim = sim
        self._output = output
        self._endpoint = endpoint
        self._total = total
        self._facts = facts
        self._samples: list[Sample] = []
        self._failures: list[Failure] = []
        self._offset_ns = 0  # what a run that is continued has taken already

    def run(
        self,
        experiment: Callable[[Measurement], None],
        show: Callable[[Run], RenderableType],
        brief: Callable[[Run], RenderableType],
        *,
        set_up: Callable[[Measurement], Mapping[str, Any]] = lambda _: {},
        earlier: Run | None = None,
    ) -> Run:
        """Carry out `experiment`, write the result, show it, and return it.

        Args:
            experiment: Sends the requests that are measured.
            show: Builds the report.
            brief: Builds the verdict, for `--quiet`.
            set_up: Sends what comes before; what it returns is added to the conditions.
            earlier: A run that this one continues; its requests come first.

        Raises:
            VestbenchError: Something that the user can act on; what was measured
                until then has been written and shown.
            typer.Exit: With 130, after an interruption.
        """
        from vestbench.venues import find_venue

        name: str = self._settings["venue"]
        venue = find_venue(name)
        if is_real(name):
            why = f"only for --venue sim, not for {venue.name}"
            refuse_given(self._sim.given(), why)
        link = self._sim.link_spec(int(self._plan["seed"]))
        exchange = self._sim.exchange_spec()
        venue.endpoint(self._endpoint)  # refuse before anything is started
        started = datetime.now(UTC).replace(microsecond=0)
        writer = self._writer(started)
        if earlier is not None:
            self._samples += earlier.samples
            self._failures += earlier.failures
            for outcome in earlier.outcomes:
                writer.add(outcome)
                self._offset_ns = max(self._offset_ns, _end_ns(outcome))
        begin = time.perf_counter()
        conditions: dict[str, Any] = {}
        conclusion: dict[str, Any] = {"interrupted": False, "stopped": ""}
        failure: VestbenchError | None = None
        try:
            with interruptible():
                self._measure(
                    name,
                    link,
                    exchange,
                    writer,
                    set_up,
                    experiment,
                    conditions,
                    conclusion,
                )
        except KeyboardInterrupt:
            conclusion["interrupted"] = True
        except VestbenchError as error:
            failure = error
            conclusion["stopped"] = str(error)
        except BaseException:
            writer.close()
            raise
        conclusion["duration_s"] = round(time.perf_counter() - begin, 3)
        run = Run(
            command=self._command,
            label=self._label,
            started=started,
            plan=self._plan,
            conditions=conditions,
            samples=tuple(self._samples),
            failures=tuple(self._failures),
            conclusion=conclusion,
        )
        return self._end(run, writer, failure, show, brief)

    def _writer(self, started: datetime) -> RunWriter:
        from vestbench.results import RunWriter, result_path

        folder = Path(self._settings["results"])
        path = (
            Path(self._output.output)
            if self._output.output
            else result_path(folder, self._command, self._label, started)
        )
        return RunWriter(
            path,
            command=self._command,
            label=self._label,
            plan=self._plan,
            started=started,
        )

    def _end(
        self,
        run: Run,
        writer: RunWriter,
        failure: VestbenchError | None,
        show: Callable[[Run], RenderableType],
        brief: Callable[[Run], RenderableType],
    ) -> Run:
        """Write the end of `run` and show it, whatever it was that ended it."""
        from vestbench.report.machine import summary

        stopped = str(run.conclusion["stopped"])
        if not run.samples and not run.failures:
            writer.discard()
            if failure is not None:
                raise failure
            if run.interrupted:
                typer.echo("interrupted before anything was measured", err=True)
                raise typer.Exit(ExitCode.INTERRUPTED)
            from vestbench.venues import find_venue

            name = find_venue(self._settings["venue"]).name  # without its query
            raise VenueError(f"nothing was measured at {name}: {stopped}")
        try:
            writer.finish(run.conclusion, summary(run))
        except VestbenchError as error:  # such as a full disk: still show the tables
            writer.close()
            failure = failure or error
        if not run.samples and not run.interrupted and failure is None:
            raise _nothing_got_through(run, writer.path)
        self._show(run, writer.path, show, brief)
        if failure is not None:
            raise failure
        if run.interrupted:
            raise typer.Exit(ExitCode.INTERRUPTED)
        return run

    def _measure(
        self,
        name: str,
        link: LinkSpec | None,
        exchange: ExchangeSpec,
        writer: RunWriter,
        set_up: Callable[[Measurement], Mapping[str, Any]],
        experiment: Callable[[Measurement], None],
        conditions: dict[str, Any],
        conclusion: dict[str, Any],
    ) -> None:
        from vestbench.clients.remote import RemoteStack
        from vestbench.venues import find_venue

        with ExitStack() as cleanup:
            progress = cleanup.enter_context(
                Progress(
                    self._total, shown=not (self._output.json or self._output.quiet)
                )
            )
            sim: SimulatedVenue | None = None
            if not is_real(name):
                from vestbench.simulator.venue import SimulatedVenue

                progress.say("starting the simulated exchange")
                sim = cleanup.enter_context(SimulatedVenue(exchange, link))
            spawn = sim.spawn if sim is not None and sim.has_link else None
            ca_pem = sim.ca_pem if sim is not None else ""
            stack = cleanup.enter_context(RemoteStack(spawn, ca_pem=ca_pem))
            venue = find_venue(name, simulated_url=sim.base_url() if sim else "")
            endpoint = venue.endpoint(self._endpoint)

            def record(outcome: Outcome) -> None:
                start_ns = outcome.start_ns + self._offset_ns
                outcome = replace(outcome, start_ns=start_ns)
                if isinstance(outcome, Sample):
                    self._samples.append(outcome)
                else:
                    self._failures.append(outcome)
                writer.add(outcome)
                if sim is not None:
                    sim.check()
                progress.advance(outcome)

            measurement = Measurement(stack, venue, endpoint, record, progress.say)
            conditions.update(self._conditions(measurement, sim, link, exchange))
            conditions.update(set_up(measurement))
            writer.conditions(conditions)
            before = sim.counters() if sim is not None else None
            try:
                experiment(measurement)
            finally:
                conclusion.update(measurement.conclusion)
                conclusion["stopped"] = measurement.stopped
            if sim is not None and before is not None:
                after = sim.counters()
                conclusion["server"] = {
                    "connections": after.connections - before.connections,
                    "requests": after.requests - before.requests,
                }
                stack.close()
                report = sim.stop()
                if report is not None:
                    origin_ns = stack.facts.origin_ns - self._offset_ns
                    conclusion["link"] = _link_end(report, origin_ns)

    def _conditions(
        self,
        measurement: Measurement,
        sim: SimulatedVenue | None,
        link: LinkSpec | None,
        exchange: ExchangeSpec,
    ) -> dict[str, Any]:
        facts = measurement.stack.facts
        spec = measurement.request()
        conditions: dict[str, Any] = {
            "venue": measurement.venue.name,
            "simulated": sim is not None,
            "endpoint": measurement.endpoint.name,
            "method": spec.method,
            "url": measurement.venue.shown(spec.url),
            "stack": facts.stack,
            **self._facts,
            "versions": dict(facts.versions),
            "tls_context_ms": facts.tls_context_ns / NS_PER_MS,
            **_machine(),
        }
        if facts.default_context_ns is not None:
            conditions["default_context_ms"] = facts.default_context_ns / NS_PER_MS
        if sim is not None:
            conditions["exchange"] = exchange_facts(exchange)
        if sim is not None and link is not None:
            conditions["link"] = {
                "engine": sim.engine,
                **link_facts(link),
                "seed": link.seed,
                "refusals": [
                    f"{refusal.engine}: {refusal.step}: {refusal.code}"
                    for refusal in sim.refusals
                ],
            }
        return conditions

    def _show(
        self,
        run: Run,
        path: Path,
        show: Callable[[Run], RenderableType],
        brief: Callable[[Run], RenderableType],
    ) -> None:
        if self._output.json:
            from vestbench.report.machine import document

            typer.echo(json.dumps(document(run, str(path)), indent=2))
            return
        stdout().print((brief if self._output.quiet else show)(run))
        if not self._output.quiet:
            stderr().print(
                f"result: {path}", style="dim", markup=False, highlight=False
            )


def pool_facts(pool: PoolSettings) -> dict[str, Any]:
    """Return pool settings as they are stored."""
    return {
        "max_idle": pool.max_idle,
        "idle_timeout_s": pool.idle_timeout_s,
        "tcp_keepalive_s": pool.tcp_keepalive_s,
        "connect_timeout_s": pool.connect_timeout_s,
        "request_timeout_s": pool.request_timeout_s,
    }


def link_facts(link: LinkSpec) -> dict[str, Any]:
    """Return what an emulated link is like, without its seed and its engine."""
    return {
        "rtt_ms": link.rtt_ms,
        "jitter_ms": link.jitter_ms,
        "loss": link.loss,
        "drift_ms_per_s": link.drift_ms_per_s,
    }


def exchange_facts(exchange: ExchangeSpec) -> dict[str, Any]:
    """Return what the simulated exchange is like as it is stored."""
    return {
        "tls": exchange.tls,
        "processing_ms": exchange.processing_ms,
        "idle_timeout_s": exchange.idle_timeout_s,
        "max_requests": exchange.max_requests,
    }


def exit_code(acceptance: str) -> ExitCode:
    """Return the exit code that stands for an acceptance."""
    return {
        "PASS": ExitCode.OK,
        "FAIL": ExitCode.NOT_MET,
        "INCONCLUSIVE": ExitCode.INCONCLUSIVE,
        "INVALID": ExitCode.INVALID,
    }[acceptance]


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


def _link_end(report: LinkReport, origin_ns: int) -> dict[str, Any]:
    """Return the link's own account as it is stored: times from the run's origin."""
    events = report.late_events
    end: dict[str, Any] = {
        "kernel_rtt_before_ms": list(report.kernel_rtt_before_ms),
        "kernel_rtt_after_ms": list(report.kernel_rtt_after_ms),
        "compensation_us": report.compensation_us,
        "packets": report.packets,
        "dropped": report.dropped,
        "overflow": report.overflow,
        "congestion_control": report.congestion_control,
        "mtu": report.mtu,
        "disturbed": report.disturbed,
        "late_at_ms": [round((at - origin_ns) / NS_PER_MS, 3) for at, _ in events],
        "late_by_ms": [round(late / NS_PER_MS, 3) for _, late in events],
    }
    if report.late_us is not None:
        end["late_us"] = list(report.late_us)
    return end


def _nothing_got_through(run: Run, path: Path) -> VenueError:
    kinds: dict[str, int] = {}
    for failure in run.failures:
        text = f"{failure.kind}: {failure.detail}"
        kinds[text] = kinds.get(text, 0) + 1
    total = len(run.failures)
    why = "; ".join(f"{text} ({n} of {total} requests)" for text, n in kinds.items())
    url = run.conditions.get("url", run.conditions.get("venue"))
    return VenueError(f"no usable response from {url}: {why}; details in {path}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end a measurement as Ctrl-C does: with what was measured."""

    def interrupt(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread, as under a test runner
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
