"""The job of `bench`: cold against subsequent requests over many sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestbench.experiments.bench import BURN_IN, BenchPlan, run_bench
from vestbench.measuring.pace import Pace
from vestbench.measuring.run import Measurement
from vestbench.models import Run


class BenchJob:
    """Times the first request of each session against those that follow.

    Args:
        plan: How many requests, spread how.
        pace: How fast.
        min_saving_s: The saving to reach.
        confidence: Of intervals and verdict, such as 0.95.
    """

    command = "bench"
    earlier: Run | None = None

    def __init__(
        self, plan: BenchPlan, pace: Pace, *, min_saving_s: float, confidence: float
    ) -> None:
        self._plan = plan
        self._pace = pace
        strategy = str(plan.session.strategy)
        self.label = strategy
        self.plan: Mapping[str, Any] = {
            "requests": plan.requests,
            "sessions": plan.sessions,
            "concurrency": plan.session.concurrency,
            "strategy": strategy,
            "burn_in": BURN_IN,
            "min_saving_ms": 1e3 * min_saving_s,
            "confidence": confidence,
            **pace.stored(),
        }
        self.facts: Mapping[str, Any] = {
            "strategy": strategy,
            "concurrency": plan.session.concurrency,
        }

    @property
    def most_requests(self) -> int:
        """How many requests it sends, the burn-in included."""
        return self._plan.requests + BURN_IN

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:  # noqa: ARG002
        """Send nothing: the burn-in belongs to the experiment."""
        return {}

    def measure(self, measurement: Measurement) -> None:
        """Send all requests of the plan."""
        end = run_bench(
            self._plan,
            measurement.stack,
            measurement.request,
            pacer=self._pace.pacer(),
            record=measurement.record,
        )
        measurement.take(end)
