"""The jobs of `warmup` and `connect`: starts of one step, and of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from vestbench.errors import UsageError
from vestbench.model.client import SessionPlan
from vestbench.model.run import Plan
from vestbench.model.strategy import WARMED
from vestbench.running.asking import TRIES
from vestbench.running.clients import Clients
from vestbench.running.destination import Destination
from vestbench.running.job import Measurement
from vestbench.running.pace import Pace
from vestbench.studies.jobs import StudyJob
from vestbench.studies.judging import with_assertions
from vestbench.studies.starts.experiment import Starter, StartSchedule, Step
from vestbench.studies.starts.plan import ConnectPlan, WarmUpPlan
from vestbench.venues import find_venue
from vestbench.venues.trading import StartStep


@dataclass(kw_only=True)
class StartsJob(StudyJob):
    """Starts bots that warm their pool up and bots that do not."""

    command: str
    label: str
    plan: Plan
    schedule: StartSchedule
    pace: Pace
    strategy: str  # what is compared, in words
    steps: int = 1  # of each start
    more_tries: int = 0  # of its steps together, at most
    begin: Callable[[Measurement], Sequence[Step]]  # makes the steps of a start

    @property
    def facts(self) -> Mapping[str, Any]:
        """Conditions that are known beforehand."""
        return {"strategy": self.strategy, "concurrency": 1}

    @property
    def recorded(self) -> int:
        """How many requests are measured if none has to be tried again."""
        each = 2 * self.steps + self.schedule.session.concurrency
        return self.schedule.rounds * each

    @property
    def most_requests(self) -> int:
        """How many it may send, discarded starts and further tries included."""
        each = 2 * (self.steps + self.more_tries) + self.schedule.session.concurrency
        return (self.schedule.rounds + 1) * each

    def measure(self, measurement: Measurement) -> None:
        """Carry out all starts of the plan."""
        starter = Starter(
            schedule=self.schedule,
            clients=Clients(measurement.stack),
            make_warm_up=measurement.warm_up_request,
            begin=lambda: self.begin(measurement),
            pacer=self.pace.pacer(measurement.rest),
            record=measurement.record,
            sleep=measurement.rest,
        )
        measurement.take(starter.run())


def warm_up_job(
    destination: Destination,
    pace: Pace,
    *,
    rounds: int,
    connections: int | None,
    min_saving_s: float,
    confidence: float,
    assertions: Sequence[str],
) -> StartsJob:
    """Return the job of `warmup`: what warming up saves the first request.

    It warms up as many connections as the pool keeps idle, if not told how many.
    """
    width = destination.pool.max_idle if connections is None else connections
    if width < 1:
        raise UsageError(
            "--connections: the pool keeps no idle connection, so nothing can be "
            "warmed up; raise --pool-max-idle"
        )
    schedule = StartSchedule(
        session=SessionPlan(
            pool=destination.pool,
            strategy=WARMED,
            concurrency=width,
            http2=destination.http2,
            stack=destination.stacks[0],
        ),
        rounds=rounds,
        seed=pace.seed,
        title=find_venue(destination.venue).title,
    )
    plan = WarmUpPlan(
        rounds=rounds,
        connections=width,
        strategy=WARMED.name,
        min_saving_ms=1e3 * min_saving_s,
        confidence=confidence,
        **pace.stored(),
        http2=destination.http2,
    )
    return StartsJob(
        command="warmup",
        label=WARMED.name,
        plan=with_assertions(plan, "warmup", assertions),
        schedule=schedule,
        pace=pace,
        strategy="warmed against not warmed",
        begin=lambda measurement: [Step(make=measurement.request)],
    )


def connect_job(
    destination: Destination,
    pace: Pace,
    *,
    rounds: int,
    confidence: float,
    assertions: Sequence[str],
) -> StartsJob:
    """Return the job of `connect`: the start of a bot, step by step."""
    steps = _steps_at(destination)
    schedule = StartSchedule(
        session=SessionPlan(pool=destination.pool),
        rounds=rounds,
        seed=pace.seed,
        title=find_venue(destination.venue).title,
        numbered_alike=True,
    )
    plan = ConnectPlan(
        rounds=rounds,
        steps=tuple(step.endpoint.name for step in steps),
        remarks=tuple(step.remark for step in steps if step.remark),
        confidence=confidence,
        **pace.stored(),
    )
    return StartsJob(
        command="connect",
        label="start",
        plan=with_assertions(plan, "connect", assertions),
        schedule=schedule,
        pace=pace,
        strategy="starts, warmed up against not",
        steps=len(steps),
        more_tries=(TRIES - 1) * sum(step.retried for step in steps),
        begin=lambda measurement: _begin(measurement, steps),
    )


def _steps_at(destination: Destination) -> tuple[StartStep, ...]:
    """Return the steps of a start at a destination.

    Where the endpoint is private, the venue says which steps its accounts start with;
    elsewhere the request to the endpoint is the only one.
    """
    venue = find_venue(destination.venue)
    endpoint = venue.endpoint(destination.endpoint)
    if endpoint.private:
        steps = venue.account_kind().start(destination.access.credentials)
        return steps if find_spec("wsproto") else _without_websocket(steps)
    return (StartStep(endpoint=endpoint, log=f"{venue.title} first request"),)


def _without_websocket(steps: Sequence[StartStep]) -> tuple[StartStep, ...]:
    """Return the steps that need no WebSocket, and say what is missing."""
    *left, last = (step for step in steps if not (step.listens or step.hears))
    missing = (
        "the WebSocket is no step here: it needs pip install 'vestbench[ws]'",
        last.remark,
    )
    return (*left, replace(last, remark="; ".join(filter(None, missing))))


def _begin(measurement: Measurement, steps: Sequence[StartStep]) -> list[Step]:
    if measurement.trader is None:
        return [Step(make=measurement.request, log=step.log) for step in steps]
    account = measurement.trader.account
    for step in steps:
        if account.outdated(step.endpoint):
            measurement.trader.ask(step.endpoint)
    account.forget()
    return [
        Step(
            make=partial(account.request, step.endpoint),
            log=step.log,
            take=partial(account.learn, step.endpoint),
            tries=TRIES if step.retried else 1,
            wanted=account.subscription if step.listens else None,
            hear=account.hear if step.hears else None,
        )
        for step in steps
    ]
