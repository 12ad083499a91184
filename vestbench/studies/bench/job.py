"""The job of `bench`: cold against subsequent requests over many sessions."""

from __future__ import annotations

from collections.abc import Sequence

from vestbench.defaults import STACK
from vestbench.errors import UsageError
from vestbench.model.client import SessionPlan
from vestbench.model.strategy import POOLED, UNPOOLED
from vestbench.running.destination import Destination
from vestbench.running.job import Measurement
from vestbench.running.pace import Pace
from vestbench.stacks.registry import StackInfo, find_stack
from vestbench.studies.bench.experiment import (
    BURN_IN,
    BenchSchedule,
    run_bench,
    sessions_for,
)
from vestbench.studies.bench.plan import BenchPlan
from vestbench.studies.jobs import StudyJob
from vestbench.studies.judging import with_assertions


class BenchJob(StudyJob):
    """Times the first request of each session against those that follow.

    There are as many sessions as the requests allow, if not told how many. UsageError
    if the requests are too few, or if what is asked for is not possible here.
    """

    command = "bench"

    def __init__(
        self,
        destination: Destination,
        pace: Pace,
        *,
        requests: int,
        sessions: int | None,
        pooled: bool,
        concurrency: int,
        kernel_timestamps: bool,
        min_saving_s: float,
        confidence: float,
        gate: bool,
        assertions: Sequence[str],
    ) -> None:
        way = POOLED if pooled else UNPOOLED
        session = SessionPlan(
            pool=destination.pool,
            strategy=way,
            concurrency=concurrency,
            http2=destination.http2,
            stack=destination.stacks[0],
            kernel_timestamps=kernel_timestamps,
        )
        spread = sessions or sessions_for(requests, concurrency, way)
        self._schedule = BenchSchedule(
            session=session, requests=requests, sessions=spread
        )
        _check_kernel_timestamps(session)
        _check_http2_burst(session)
        self._pace = pace
        self.label = way.name
        self.facts = {"strategy": way.name, "concurrency": concurrency}
        plan = BenchPlan(
            requests=requests,
            sessions=spread,
            concurrency=concurrency,
            strategy=way.name,
            kept_idle=_kept(session),
            burn_in=BURN_IN,
            min_saving_ms=1e3 * min_saving_s,
            confidence=confidence,
            gate=gate,
            **pace.stored(),
            http2=session.http2,
            kernel_timestamps=kernel_timestamps,
        )
        self.plan = with_assertions(plan, self.command, assertions)

    @property
    def recorded(self) -> int:
        """How many requests are measured."""
        return self._schedule.requests

    @property
    def most_requests(self) -> int:
        """How many requests it sends, the burn-in included."""
        return self._schedule.requests + BURN_IN

    def measure(self, measurement: Measurement) -> None:
        """Send all requests of the plan."""
        end = run_bench(
            self._schedule,
            measurement.stack,
            measurement.request,
            pacer=self._pace.pacer(measurement.rest),
            record=measurement.record,
        )
        measurement.take(end)


def _kept(session: SessionPlan) -> int:
    """Return how many requests at once can find a connection that was kept open."""
    if session.http2:  # one connection carries them all
        return session.concurrency
    return _stack(session).kept_idle(session.pool, session.concurrency)


def _stack(session: SessionPlan) -> StackInfo:
    return find_stack(session.stack or STACK)


def _check_kernel_timestamps(session: SessionPlan) -> None:
    if not session.kernel_timestamps:
        return
    # Its import would keep all others waiting.
    from vestbench.kernel.timestamps import unsupported

    if why := unsupported():
        raise UsageError(f"--kernel-timestamps: {why}")
    stack = _stack(session)
    if not stack.phases:
        raise UsageError(
            f"--kernel-timestamps: {stack.name} shows no wire window to compare"
        )
    if session.http2:
        raise UsageError("--kernel-timestamps needs HTTP/1.1: not with --http2")
    if session.strategy.opens:
        raise UsageError(
            "--kernel-timestamps needs subsequent requests: not with --unpooled, whose "
            "answers come after session tickets"
        )


def _check_http2_burst(session: SessionPlan) -> None:
    """Refuse concurrent requests over HTTP/2 where the stack mixes up their streams."""
    stack = _stack(session)
    several = session.http2 and session.concurrency > 1
    if several and not stack.http2_bursts:
        raise UsageError(
            f"--concurrency: HTTP/2 of {stack.name} is not safe with several threads "
            "(its streams share one state without a lock); use --stack reqwest"
        )
