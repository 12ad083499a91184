"""The study of `warmup`: what warming the pool up gives the first request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from vestbench.assertions.estimates import Estimate, invalid, of_median
from vestbench.assertions.grammar import Assertion, Unit
from vestbench.assertions.judge import AssertionResult
from vestbench.model.request import Outcome, Role
from vestbench.model.verdict import Verdict, worst
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.studies.base import Saving, Sides, Study
from vestbench.studies.bench.study import savings_by_proof
from vestbench.studies.parts.groups import MAX_NOT_REUSED, fails_too_often
from vestbench.studies.parts.quantities import (
    check_whole,
    failures,
    group_estimates,
    requests_of,
    reused,
)
from vestbench.studies.parts.settling import Settling, settled
from vestbench.studies.starts.plan import WarmUpPlan, WarmUpRun
from vestbench.studies.starts.warmup_summary import (
    WarmUpSummary,
    round_savings,
    summarise_warm_up,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet

_GROUPS = {
    "warmed": Role.SUBSEQUENT,
    "not-warmed": Role.COLD,
    "warm-up": Role.WARM_UP,
}
_NAMES = {role: name for name, role in _GROUPS.items()}
_SIDES = {
    Role.COLD: "without a warm-up",
    Role.SUBSEQUENT: "after a warm-up",
}


class WarmUpStudy:
    """First requests after a warm-up, against those without one."""

    name = "warmup"
    plan = WarmUpPlan
    summary = WarmUpSummary

    def check(self, run: WarmUpRun) -> None:
        """Refuse a run whose parts do not fit together; here all of them do."""

    def groups(self, plan: WarmUpPlan) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of its groups."""
        return tuple(_GROUPS)

    def belongs(self, run: WarmUpRun) -> Callable[[Outcome], tuple[str]]:  # noqa: ARG002
        """Return what tells to which group a request belongs."""
        return lambda outcome: (_NAMES.get(outcome.slot.role, ""),)

    def sides(self, run: WarmUpRun) -> Sides:
        """Return the first requests without a warm-up and after one."""
        outcomes = chain[Outcome](run.samples, run.failures)
        return Sides(
            names=tuple(_SIDES.values()),
            outcomes=((_SIDES.get(o.slot.role, ""), o) for o in outcomes),
        )

    def summarise(self, run: WarmUpRun) -> WarmUpSummary:
        """Return all that is derived from a run."""
        return summarise_warm_up(run)

    def saving(self, run: WarmUpRun) -> Saving:
        """Return what the run found of its saving; it decides nothing."""
        found = summarise_warm_up(run)
        return Saving(
            compared=run.conditions.strategy,
            n=found.rounds,
            median=found.saving if found.rounds > 1 else None,
            acceptance=None,
            each=savings_by_proof(run),
        )

    def settlings(self, run: WarmUpRun) -> tuple[Settling, ...]:
        """Return how its saving settled, round by round."""
        cold, warmed = (
            [outcome for outcome in run.outcomes if outcome.slot.role is role]
            for role in (Role.COLD, Role.SUBSEQUENT)
        )
        plan, savings = run.plan, round_savings(cold, warmed)
        return (settled("round", savings, plan.min_saving_ms, plan.confidence),)

    def check_assertion(self, assertion: Assertion, plan: WarmUpPlan) -> None:  # noqa: ARG002
        """Refuse an assertion of what a run of this plan does not have."""
        check_whole(assertion)

    def estimates(
        self, run: WarmUpRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what is known of the quantity that is asserted of."""
        if assertion.quantity == "saving":
            yield "saving", self._saving(run, assertion.unit)
            return
        # Of the whole run, those that should have reused a connection.
        group = "warmed" if assertion.quantity == "reused" else assertion.group
        requests = requests_of(run, group, self.belongs(run))
        yield from group_estimates(requests, assertion, run.plan.confidence)

    def _saving(self, run: WarmUpRun, unit: Unit) -> Estimate:
        def of(group: str) -> Iterator[Outcome]:
            return requests_of(run, group, self.belongs(run))

        summary = summarise_warm_up(run)
        count, total = reused(of("warmed"))
        if total and count < (1 - MAX_NOT_REUSED) * total:
            return invalid("first requests did not reuse a connection of the warm-up")
        failed, started = failures(of("warmed"))
        failed_cold, _ = failures(of("not-warmed"))
        medians = {
            Unit.MS: summary.saving,
            Unit.PERCENT: summary.percent,
            Unit.ROUND_TRIPS: summary.round_trips,
        }
        often = fails_too_often(failed, started, failed_cold)
        return of_median(medians[unit], summary.rounds, MIN_ROUNDS, unreliable=often)

    def accepted(self, run: WarmUpRun) -> tuple[AssertionResult, ...]:  # noqa: ARG002
        """Return nothing: it has no acceptance of its own."""
        return ()

    def joined(self, plan: WarmUpPlan, outcomes: Sequence[Verdict]) -> Verdict:  # noqa: ARG002
        """Return the worst."""
        return worst(outcomes)

    def sheet(self, run: WarmUpRun, asserted: Sequence[AssertionResult]) -> Sheet:
        """Return the whole report."""
        from vestbench.studies.starts.warmup_sheet import warm_up_report

        return warm_up_report(run, asserted)

    def brief(
        self, run: WarmUpRun, asserted: Sequence[AssertionResult]
    ) -> RenderableType:
        """Return the finding alone."""
        from vestbench.studies.starts.warmup_sheet import warm_up_brief

        return warm_up_brief(run, asserted)


STUDY: Study[WarmUpPlan] = WarmUpStudy()
