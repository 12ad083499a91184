"""The study of `bench`: cold against subsequent requests of fresh pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vestbench.assertions.estimates import Estimate, in_unit, invalid, of_median
from vestbench.assertions.grammar import REUSED, SAVING, Assertion, Unit
from vestbench.assertions.judge import AssertionResult, accepted
from vestbench.errors import InvalidValueError
from vestbench.model.record import replace
from vestbench.model.request import Outcome, Sample
from vestbench.model.run import Run
from vestbench.model.strategy import find_strategy
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.bounds import exact
from vestbench.stats.decision import Settling, settled
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.studies.base import (
    Findings,
    Saving,
    Sides,
    Study,
    all_outcomes,
)
from vestbench.studies.bench.plan import BenchPlan, BenchRun
from vestbench.studies.bench.sentences import explanation
from vestbench.studies.bench.summary import (
    BenchSummary,
    session_votes,
    summarise_bench,
)
from vestbench.studies.parts.connections import misled_by
from vestbench.studies.parts.groups import fails_too_often, side_of
from vestbench.studies.parts.quantities import of_count

_GROUPS = ("cold", "subsequent")


def _group(outcome: Outcome) -> str:
    """Return the group that a request proved to be in, or by plan if it failed."""
    reused = outcome.reused if isinstance(outcome, Sample) else side_of(outcome)
    return _GROUPS[bool(reused)]


def sides_by_proof(run: Run) -> Sides:
    """Return the requests that opened a connection, and those that reused one."""
    return Sides(names=_GROUPS, outcomes=((_group(o), o) for o in all_outcomes(run)))


_NOUN = "session"  # each has a saving


class _Bench(Study[BenchPlan]):
    name = "bench"
    plan = BenchPlan
    summary = BenchSummary

    def groups(self, plan: BenchPlan) -> tuple[str, ...]:
        del plan  # they are told by proof, not by intention
        return _GROUPS

    def belongs(self, run: BenchRun) -> Callable[[Outcome], tuple[str]]:
        del run
        return lambda outcome: (_group(outcome),)

    def sides(self, run: BenchRun) -> Sides:
        return sides_by_proof(run)

    def summarise(self, run: BenchRun) -> BenchSummary:
        found = summarise_bench(run)
        if not run.broken_off or found.acceptance in (None, Verdict.INVALID):
            return found
        return replace(found, acceptance=Verdict.INVALID, why=Reason.BROKEN_OFF)

    def saving(self, run: BenchRun) -> Saving:
        found = summarise_bench(run)
        n = found.saving.rounds if found.saving is not None else 0
        return Saving(
            compared=run.conditions.strategy,
            n=n,
            n_of=_NOUN,
            median=found.saving if n > 1 else None,
            each=exact(vote for _, vote in session_votes(run)),
        )

    def contradiction(self, run: BenchRun) -> str:
        found = summarise_bench(run)
        if found.acceptance is not Verdict.INVALID:
            return ""
        return explanation(run, found)

    def settlings(self, run: BenchRun) -> tuple[Settling, ...]:
        votes = [vote for _, vote in session_votes(run)]
        plan = run.plan
        return (settled("session", votes, plan.min_saving_ms, plan.confidence),)

    def check_assertion(self, assertion: Assertion, plan: BenchPlan) -> None:
        super().check_assertion(assertion, plan)
        if assertion.term.about is SAVING and find_strategy(plan.strategy).opens:
            raise InvalidValueError(
                f"{assertion.text!r}: nothing is saved with --unpooled"
            )

    def estimates(
        self, run: BenchRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        if assertion.term.about is SAVING:
            yield "saving", self._saving(run, assertion.unit)
        elif assertion.term.about is REUSED:
            reuse = summarise_bench(run).reuse
            found = reuse.reused, reuse.expected
            yield assertion.term.name, of_count(found, assertion, run.plan.confidence)
        else:
            yield from super().estimates(run, assertion)

    def _saving(self, run: BenchRun, unit: Unit) -> Estimate:
        found = summarise_bench(run)
        if found.acceptance is None:
            return invalid("no connection was to be kept open")
        if found.why is Reason.NOT_REUSED:
            return invalid("connections were not reused")
        if found.acceptance is Verdict.INVALID or found.saving is None:
            return invalid(misled_by(run, found.why) or "nothing was cold")
        failed = [side_of(failure) for failure in run.failures]
        often = fails_too_often(
            failed.count(True), found.reuse.expected, failed.count(False)
        )
        n = found.saving.rounds
        saving = in_unit(found, unit)
        return of_median(saving, n, MIN_ROUNDS, unreliable=often, noun=_NOUN)

    def accepted(self, run: BenchRun) -> tuple[AssertionResult, ...]:
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
                noun=_NOUN,
                said=explanation(run, found) if found.why else "",
            ),
        )

    def findings(self, run: BenchRun) -> Findings:
        from vestbench.studies.bench.sheet import bench_findings

        return bench_findings(run)


STUDY = _Bench()
