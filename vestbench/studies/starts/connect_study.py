"""The study of `connect`: the start of a bot, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from vestbench.assertions.estimates import Estimate
from vestbench.assertions.grammar import Assertion
from vestbench.assertions.judge import AssertionResult
from vestbench.model.request import Outcome
from vestbench.model.verdict import Verdict, worst
from vestbench.studies.base import Saving, Sides, Study
from vestbench.studies.bench.study import savings_by_proof, sides_by_proof
from vestbench.studies.parts.quantities import check_has, group_estimates, requests_of
from vestbench.studies.parts.settling import Settling
from vestbench.studies.starts.connect_summary import (
    NOT_WARMED,
    WARMED,
    ConnectSummary,
    summarise_connect,
)
from vestbench.studies.starts.plan import ConnectPlan, ConnectRun

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet

_ARMS = {WARMED: "warmed", NOT_WARMED: "not-warmed"}


class ConnectStudy:
    """Starts of a bot that warm their pool up, against starts that do not."""

    name = "connect"
    plan = ConnectPlan
    summary = ConnectSummary

    def check(self, run: ConnectRun) -> None:
        """Refuse a run whose parts do not fit together; here all of them do."""

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

    def settlings(self, run: ConnectRun) -> tuple[Settling, ...]:  # noqa: ARG002
        """Return nothing: it has no single saving."""
        return ()

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

    def accepted(self, run: ConnectRun) -> tuple[AssertionResult, ...]:  # noqa: ARG002
        """Return nothing: it has no acceptance of its own."""
        return ()

    def joined(self, plan: ConnectPlan, outcomes: Sequence[Verdict]) -> Verdict:  # noqa: ARG002
        """Return the worst."""
        return worst(outcomes)

    def sheet(self, run: ConnectRun, asserted: Sequence[AssertionResult]) -> Sheet:
        """Return the whole report."""
        from vestbench.studies.starts.connect_sheet import connect_report

        return connect_report(run, asserted)

    def brief(
        self, run: ConnectRun, asserted: Sequence[AssertionResult]
    ) -> RenderableType:
        """Return the finding alone."""
        from vestbench.studies.starts.connect_sheet import connect_brief

        return connect_brief(run, asserted)


STUDY: Study[ConnectPlan] = ConnectStudy()
