"""The job of `warmup`: what warming the pool up buys the first request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vestbench.model.run import Run
from vestbench.model.strategy import WARMED
from vestbench.running.carry_out import Measurement
from vestbench.running.pace import Pace
from vestbench.studies.judging import with_assertions
from vestbench.studies.starts import plan as stored
from vestbench.studies.starts.warmup_experiment import WarmUpPlan, run_warm_up


class WarmUpJob:
    """Starts clients that are warmed up and clients that are not.

    Args:
        plan: How many, and how.
        pace: How fast.
        min_saving_s: The saving that is asked for.
        confidence: Of intervals, such as 0.95.
        assertions: What has to be so.

    Raises:
        UsageError: An assertion is none, or of what such a run does not have.
    """

    command = "warmup"
    label = WARMED.name
    earlier: Run | None = None

    def __init__(
        self,
        plan: WarmUpPlan,
        pace: Pace,
        *,
        min_saving_s: float,
        confidence: float,
        assertions: Sequence[str] = (),
    ) -> None:
        self._plan = plan
        self._pace = pace
        asked = stored.WarmUpPlan(
            rounds=plan.rounds,
            connections=plan.connections,
            strategy="warmed",
            min_saving_ms=1e3 * min_saving_s,
            confidence=confidence,
            **pace.stored(),
            http2=plan.session.http2,
        )
        self.plan = with_assertions(asked, self.command, assertions)
        self.facts: Mapping[str, Any] = {
            "strategy": "warmed against not warmed",
            "concurrency": 1,
        }

    @property
    def recorded(self) -> int:
        """How many requests are measured, those of the warm-ups included."""
        return self._plan.rounds * (self._plan.connections + 2)

    @property
    def most_requests(self) -> int:
        """How many requests it sends, the discarded first starts included."""
        return self.recorded + self._plan.connections + 2

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:  # noqa: ARG002
        """Send nothing: the discarded starts belong to the experiment."""
        return {}

    def measure(self, measurement: Measurement) -> None:
        """Carry out all starts of the plan."""
        end = run_warm_up(
            self._plan,
            measurement.stack,
            measurement.warm_up_request,
            measurement.request,
            pacer=self._pace.pacer(),
            record=measurement.record,
        )
        measurement.take(end)

    def summary(self, run: Run) -> Mapping[str, Any]:
        """Return what the run found, as plain values, for whoever reads its file."""
        # Its import would keep the first request waiting.
        from vestbench.studies.document import summary_of

        return summary_of(run)
