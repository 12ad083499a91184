"""The job of `connect`: the start of a bot, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vestbench.model.run import Run
from vestbench.running.asking import TRIES
from vestbench.running.carry_out import Destination, Measurement
from vestbench.running.pace import Pace
from vestbench.studies.judging import with_assertions
from vestbench.studies.starts import plan as stored
from vestbench.studies.starts.connect_experiment import ConnectPlan, Starter, Step
from vestbench.venues import find_venue
from vestbench.venues.vest.account import Account
from vestbench.venues.vest.answers import listen_key
from vestbench.venues.vest.private import ACCOUNT, CANCEL, LISTEN_KEY, REGISTER


class ConnectJob:
    """Starts bots that warm their pool up and bots that do not.

    Args:
        plan: How many starts.
        pace: How fast.
        steps: Names of their steps, as `steps_of` has them.
        confidence: Of intervals, such as 0.95.
        assertions: What has to be so.

    Raises:
        UsageError: An assertion is none, or of what such a run does not have.
    """

    command = "connect"
    label = "start"
    earlier: Run | None = None

    def __init__(
        self,
        plan: ConnectPlan,
        pace: Pace,
        *,
        steps: Sequence[str],
        confidence: float,
        assertions: Sequence[str] = (),
    ) -> None:
        self._plan = plan
        self._pace = pace
        self._steps = list(steps)
        asked = stored.ConnectPlan(
            rounds=plan.rounds,
            steps=tuple(self._steps),
            confidence=confidence,
            **pace.stored(),
        )
        self.plan = with_assertions(asked, self.command, assertions)
        self.facts: Mapping[str, Any] = {
            "strategy": "starts, warmed up against not",
            "concurrency": 1,
        }

    @property
    def recorded(self) -> int:
        """How many requests are measured if none has to be tried again."""
        return self._plan.rounds * (2 * len(self._steps) + 1)

    @property
    def most_requests(self) -> int:
        """How many it may send, discarded starts and further tries included."""
        more = TRIES - 1 if REGISTER.name in self._steps else 0
        each = 2 * (len(self._steps) + more) + 1
        return each * (self._plan.rounds + 1)

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:  # noqa: ARG002
        """Send nothing: the discarded starts belong to the experiment."""
        return {}

    def measure(self, measurement: Measurement) -> None:
        """Carry out all starts of the plan."""
        trader = measurement.trader

        def begin() -> Sequence[Step]:
            if trader is None:
                return [_public_step(measurement)]
            trader.account.forget()
            return _steps(trader.account, register=REGISTER.name in self._steps)

        starter = Starter(
            plan=self._plan,
            stack=measurement.stack,
            make_warm_up=measurement.warm_up_request,
            begin=begin,
            pacer=self._pace.pacer(),
            record=measurement.record,
        )
        measurement.take(starter.run())

    def summary(self, run: Run) -> Mapping[str, Any]:
        """Return what the run found, as plain values, for whoever reads its file."""
        # Its import would keep the first request waiting.
        from vestbench.studies.document import summary_of

        return summary_of(run)


def steps_of(destination: Destination) -> tuple[str, ...]:
    """Return the names of the steps of a start at a destination.

    A start registers where there is a primary key; with an API key alone its first step
    is the listen key. A venue without accounts has its first request only.
    """
    venue = find_venue(destination.venue)
    endpoint = venue.endpoint(destination.endpoint)
    if not endpoint.private:
        return (endpoint.name,)
    names = (LISTEN_KEY.name, ACCOUNT.name, CANCEL.name)
    keys = destination.access.credentials
    registers = keys is None or keys.primary_key is not None
    return (REGISTER.name, *names) if registers else names


def _public_step(measurement: Measurement) -> Step:
    return Step(
        name=measurement.endpoint.name,
        make=measurement.request,
        log=f"{measurement.venue.title} first request",
    )


def _steps(account: Account, *, register: bool) -> list[Step]:
    def keep_listen_key(body: bytes) -> None:
        listen_key(body)  # raises where there is none; nobody listens here

    steps = [
        Step(
            name=LISTEN_KEY.name,
            make=lambda: account.request(LISTEN_KEY),
            log="Vest listen key",
            take=keep_listen_key,
        ),
        Step(
            name=ACCOUNT.name,
            make=lambda: account.request(ACCOUNT),
            log="Vest account",
        ),
        Step(
            name=CANCEL.name,
            make=lambda: account.request(CANCEL),
            log="Vest order path, safe cancel",
        ),
    ]
    if register:
        registration = Step(
            name=REGISTER.name,
            make=lambda: account.registration()[0],
            log="Vest registration",
            take=account.take_registration,
            tries=TRIES,
        )
        steps.insert(0, registration)
    return steps
