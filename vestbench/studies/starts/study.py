"""The studies of `warmup` and `connect`: what warming up gives the start of a bot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from vestbench.assertions.estimates import Estimate, invalid, of_median
from vestbench.assertions.grammar import Assertion, Unit
from vestbench.assertions.judge import AssertionResult
from vestbench.model.request import Outcome, Role
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.studies.base import Saving, Sides, Study
from vestbench.studies.bench.study import savings_by_proof, sides_by_proof
from vestbench.studies.parts.groups import MAX_NOT_REUSED, fails_too_often
from vestbench.studies.parts.quantities import (
    check_has,
    check_whole,
    failures,
    group_estimates,
    requests_of,
    reused,
)
from vestbench.studies.parts.settling import Settling, settled
from vestbench.studies.starts.experiment import NOT_WARMED, WARMED
from vestbench.studies.starts.plan import (
    ConnectPlan,
    ConnectRun,
    WarmUpPlan,
    WarmUpRun,
)
from vestbench.studies.starts.summary import (
    ConnectSummary,
    WarmUpSummary,
    round_savings,
    summarise_connect,
    summarise_warm_up,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet

_ARMS = {WARMED: "warmed", NOT_WARMED: "not-warmed"}
_GROUPS = {
    Role.SUBSEQUENT: "warmed",
    Role.COLD: "not-warmed",
    Role.WARM_UP: "warm-up",
}
_SIDES = {
    Role.COLD: "without a warm-up",
    Role.SUBSEQUENT: "after a warm-up",
}


class WarmUpStudy(Study[WarmUpPlan]):
    """First requests after a warm-up, against those without one."""

    name = "warmup"
    plan = WarmUpPlan
    summary = WarmUpSummary

    def groups(self, plan: WarmUpPlan) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of its groups."""
        return tuple(_GROUPS.values())

    def belongs(self, run: WarmUpRun) -> Callable[[Outcome], tuple[str]]:  # noqa: ARG002
        """Return what tells to which group a request belongs."""
        return lambda outcome: (_GROUPS.get(outcome.slot.role, ""),)

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
        target, confidence = run.plan.min_saving_ms, run.plan.confidence
        return (settled("round", round_savings(run), target, confidence),)

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

    def sheet(self, run: WarmUpRun, asserted: Sequence[AssertionResult]) -> Sheet:
        """Return the whole report."""
        from vestbench.studies.starts.sheet import warm_up_findings

        return warm_up_findings(run).sheet(run, asserted)

    def brief(
        self, run: WarmUpRun, asserted: Sequence[AssertionResult]
    ) -> RenderableType:
        """Return the finding alone."""
        from vestbench.studies.starts.sheet import warm_up_findings

        return warm_up_findings(run).brief(run, asserted)


class ConnectStudy(Study[ConnectPlan]):
    """Starts of a bot that warm their pool up, against starts that do not."""

    name = "connect"
    plan = ConnectPlan
    summary = ConnectSummary

    def groups(self, plan: ConnectPlan) -> tuple[str, ...]:
        """Return the two sorts of start, and the steps."""
        return (*_ARMS.values(), *plan.steps)

    def belongs(self, run: ConnectRun) -> Callable[[Outcome], tuple[str, ...]]:
        """Return what tells to which sort of start and step a request belongs."""
        steps = ("", *run.plan.steps)  # the place of the warm-up is 0

        def groups(outcome: Outcome) -> tuple[str, ...]:
            slot = outcome.slot
            step = steps[slot.index] if slot.index < len(steps) else ""
            return _ARMS.get(slot.arm, ""), step

        return groups

    def sides(self, run: ConnectRun) -> Sides:
        """Return the requests that opened a connection, and those that reused one."""
        return sides_by_proof(run)

    def summarise(self, run: ConnectRun) -> ConnectSummary:
        """Return all that is derived from a run."""
        return summarise_connect(run)

    def saving(self, run: ConnectRun) -> Saving:
        """Return what the warm-up saved the first step."""
        steps = summarise_connect(run).steps
        enough = bool(steps) and steps[0].rounds > 1
        return Saving(
            compared=run.conditions.strategy,
            n=steps[0].rounds if enough else 0,
            median=steps[0].saving if enough else None,
            acceptance=None,
            each=savings_by_proof(run),
            in_series=False,
        )

    def check_assertion(self, assertion: Assertion, plan: ConnectPlan) -> None:  # noqa: ARG002
        """Refuse an assertion of a saving or of reuse."""
        has = assertion.quantity not in ("saving", "reused")
        check_has(assertion, name=self.name, has=has)

    def estimates(
        self, run: ConnectRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what is known of the quantity that is asserted of."""
        requests = requests_of(run, assertion.group, self.belongs(run))
        yield from group_estimates(requests, assertion, run.plan.confidence)

    def sheet(self, run: ConnectRun, asserted: Sequence[AssertionResult]) -> Sheet:
        """Return the whole report."""
        from vestbench.studies.starts.sheet import connect_findings

        return connect_findings(run).sheet(run, asserted)

    def brief(
        self, run: ConnectRun, asserted: Sequence[AssertionResult]
    ) -> RenderableType:
        """Return the finding alone."""
        from vestbench.studies.starts.sheet import connect_findings

        return connect_findings(run).brief(run, asserted)


WARM_UP = WarmUpStudy()
CONNECT = ConnectStudy()
