"""Starts of a bot: their outcomes, and runs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.records import (
    STARTED,
    conclusion_of,
    conditions_of,
    failure,
    sample,
)
from vestbench.model.request import Outcome, Role, Sample
from vestbench.model.run import Run, RunOf
from vestbench.results.checking import validated
from vestbench.studies.starts.plan import ConnectPlan, ConnectRun

STEPS = ["register", "listen-key", "account", "cancel"]


def start(
    number: int, arm: str, first: float, later: float = 37.0, *, at: float = 0.0
) -> list[Outcome]:
    """Return a start whose first step takes `first` ms, and the others `later`."""
    found: list[Outcome] = []
    places = range(0 if arm == "warmed" else 1, 5)
    for place in places:
        role = Role.WARM_UP if place == 0 else Role.SUBSEQUENT
        opens = place == places[0]
        latency = {0: 101.0, 1: first}.get(place, later)
        found.append(
            sample(
                number,
                place,
                arm=arm,
                role=Role.COLD if opens and place else role,
                reused=not opens,
                latency=latency,
                start=at + 1000 * place,
            )
        )
    return found


def rounds(count: int, without: float = 102.0, after: float = 38.0) -> list[Outcome]:
    """Return pairs of starts, the n-th one n ms slower without a warm-up."""
    return [
        outcome
        for number in range(count)
        for outcome in (
            *start(number, "not warmed", without + number),
            *start(number, "warmed", after),
        )
    ]


def connect_run(outcomes: list[Outcome], **conclusion: Any) -> ConnectRun:
    """Return a connect run of `outcomes` against the simulated exchange."""
    plan = {
        "rounds": 12,
        "steps": STEPS,
        "confidence": 0.95,
        "interval_s": 0.0,
        "max_rate": 0.0,
        "seed": 7,
    }
    conditions = {"endpoint": "cancel", "signing": "before the clock"}
    return RunOf(
        command="connect",
        label="start",
        started=STARTED,
        plan=validated(plan, ConnectPlan, "plan"),
        conditions=conditions_of(conditions),
        samples=tuple(o for o in outcomes if isinstance(o, Sample)),
        failures=tuple(o for o in outcomes if not isinstance(o, Sample)),
        conclusion=conclusion_of({"sign_ms": [6.0, 7.0, 8.0]}, conclusion),
    )


def some_failed() -> ConnectRun:
    refused = failure(0, 3, arm="warmed", start=3000.0, elapsed=50.0, reused=True)
    kept = [o for o in rounds(12) if (o.slot.session, o.slot.index) != (0, 3)]
    orders = {"sent": 3, "what": "LIMIT FOK", "filled": 1, "states": {"FILLED": 1}}
    return connect_run([*kept, refused], orders=orders)


RUNS: dict[str, Callable[[], Run]] = {
    "connect": lambda: connect_run(rounds(12)),
    "connect-failed": some_failed,
    "connect-one-sort": lambda: connect_run(start(0, "warmed", 38.0)),
}
