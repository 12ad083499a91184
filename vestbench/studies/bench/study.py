"""The study of `bench`: cold against subsequent requests of fresh pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING

from vestbench.assertions.estimates import Estimate, invalid, of_median
from vestbench.assertions.grammar import Assertion, Unit
from vestbench.assertions.judge import AssertionResult, accepted
from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.model.run import Run
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.studies.base import Saving, Sides, Study
from vestbench.studies.bench.plan import BenchPlan, BenchRun
from vestbench.studies.bench.summary import (
    BenchSummary,
    session_votes,
    summarise_bench,
)
from vestbench.studies.parts.groups import fails_too_often, side_of
from vestbench.studies.parts.quantities import (
    check_whole,
    group_estimates,
    of_count,
    requests_of,
)
from vestbench.studies.parts.settling import Settling, settled

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet

_GROUPS = ("cold", "subsequent")


def group_by_proof(outcome: Outcome) -> str:
    """Return the group of a request: what it was, or was to be if it failed."""
    reused = outcome.reused if isinstance(outcome, Sample) else side_of(outcome)
    return _GROUPS[bool(reused)]


def sides_by_proof(run: Run) -> Sides:
    """Return the requests that opened a connection, and those that reused one."""
    outcomes = chain[Outcome](run.samples, run.failures)
    return Sides(names=_GROUPS, outcomes=((group_by_proof(o), o) for o in outcomes))


def savings_by_proof(run: Run) -> list[float]:
    """Return the saving of each session that has both sorts of answers, in ms."""
    cold: dict[int, list[float]] = {}
    later: dict[int, list[float]] = {}
    for sample in run.samples:
        side = later if sample.reused else cold
        latency_ms = sample.latency_ns / NS_PER_MS
        side.setdefault(sample.slot.session, []).append(latency_ms)
    return [
        median(cold[place]) - median(later[place])
        for place in sorted(cold)
        if place in later
    ]


class BenchStudy(Study[BenchPlan]):
    """Cold against subsequent requests."""

    name = "bench"
    plan = BenchPlan
    summary = BenchSummary

    def groups(self, plan: BenchPlan) -> tuple[str, ...]:  # noqa: ARG002
        """Return the names of its groups: by proof, not by intention."""
        return _GROUPS

    def belongs(self, run: BenchRun) -> Callable[[Outcome], tuple[str]]:  # noqa: ARG002
        """Return what tells to which group a request belongs."""
        return lambda outcome: (group_by_proof(outcome),)

    def sides(self, run: BenchRun) -> Sides:
        """Return its groups: both are set against each other."""
        return sides_by_proof(run)

    def summarise(self, run: BenchRun) -> BenchSummary:
        """Return all that is derived from a run."""
        return summarise_bench(run)

    def saving(self, run: BenchRun) -> Saving:
        """Return what the run found of its saving."""
        found = summarise_bench(run)
        n = found.saving.rounds if found.saving is not None else 0
        return Saving(
            compared=run.conditions.strategy,
            n=n,
            median=found.saving if n > 1 else None,
            acceptance=found.acceptance,
            each=savings_by_proof(run),
        )

    def settlings(self, run: BenchRun) -> tuple[Settling, ...]:
        """Return how its saving settled, session by session."""
        votes = [vote for _, vote in session_votes(run)]
        plan = run.plan
        return (settled("session", votes, plan.min_saving_ms, plan.confidence),)

    def check_assertion(self, assertion: Assertion, plan: BenchPlan) -> None:
        """Refuse an assertion of what a run of this plan does not have."""
        check_whole(assertion)
        if assertion.quantity == "saving" and find_strategy(plan.strategy).opens:
            raise ValueError(f"{assertion.text!r}: nothing is saved with --unpooled")

    def estimates(
        self, run: BenchRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what is known of the quantity that is asserted of."""
        if assertion.quantity == "saving":
            yield "saving", self._saving(run, assertion.unit)
        elif assertion.quantity == "reused":
            reuse = summarise_bench(run).reuse
            found = reuse.reused, reuse.expected
            yield assertion.name, of_count(found, assertion, run.plan.confidence)
        else:
            requests = requests_of(run, assertion.group, self.belongs(run))
            yield from group_estimates(requests, assertion, run.plan.confidence)

    def _saving(self, run: BenchRun, unit: Unit) -> Estimate:
        found = summarise_bench(run)
        if found.acceptance is None:
            return invalid("no connection was to be kept open")
        if found.acceptance is Verdict.INVALID or found.saving is None:
            none = found.why is Reason.NOT_REUSED
            return invalid(
                "connections were not reused" if none else "nothing was cold"
            )
        failed = [side_of(failure) for failure in run.failures]
        often = fails_too_often(
            failed.count(True), found.reuse.expected, failed.count(False)
        )
        medians = {
            Unit.MS: found.saving,
            Unit.PERCENT: found.percent,
            Unit.ROUND_TRIPS: found.round_trips,
        }
        n = found.saving.rounds
        return of_median(medians[unit], n, MIN_ROUNDS, unreliable=often)

    def accepted(self, run: BenchRun) -> tuple[AssertionResult, ...]:
        """Return its acceptance, if it was gated on it or asked for nothing else."""
        if run.plan.assertions and not run.plan.gate:
            return ()
        found = summarise_bench(run)
        if found.acceptance is None and not run.plan.gate:
            return ()
        return (
            accepted(
                "saving",
                f"{run.plan.min_saving_ms:g}ms",
                found.acceptance or Verdict.INVALID,  # gated, and nothing was pooled
                found.why,
                found.saving,
                found.saving.rounds if found.saving is not None else 0,
            ),
        )

    def sheet(self, run: BenchRun, asserted: Sequence[AssertionResult]) -> Sheet:
        """Return the whole report."""
        from vestbench.studies.bench.sheet import bench_report

        return bench_report(run, asserted)

    def brief(
        self, run: BenchRun, asserted: Sequence[AssertionResult]
    ) -> RenderableType:
        """Return the verdict alone."""
        from vestbench.studies.bench.sheet import bench_brief

        return bench_brief(run, asserted)


STUDY = BenchStudy()
