"""The study of `compare`: ways of connecting against each other, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vestbench.assertions.estimates import Estimate, in_unit, invalid, of_median
from vestbench.assertions.grammar import REUSED, SAVING, Assertion, Unit
from vestbench.assertions.judge import AssertionResult, accepted
from vestbench.errors import InvalidValueError
from vestbench.model.record import replace
from vestbench.model.request import Outcome
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.decision import Settling
from vestbench.studies.base import Findings, Saving, Sides, Study
from vestbench.studies.compare.plan import ComparePlan, CompareRun, controls_of
from vestbench.studies.compare.rounds import (
    first_look,
    rounds_needed,
    rounds_of,
    target_of,
)
from vestbench.studies.compare.sentences import explanation
from vestbench.studies.compare.summary import (
    CompareSummary,
    PairSummary,
    overall,
    settlings_of,
    summarise_compare,
)
from vestbench.studies.parts.connections import met_by
from vestbench.studies.parts.groups import fails_too_often


class _Compare(Study[ComparePlan]):
    name = "compare"
    plan = ComparePlan
    summary = CompareSummary

    def check(self, run: CompareRun) -> None:
        target_of(run)

    def groups(self, plan: ComparePlan) -> tuple[str, ...]:
        return tuple(arm.label for arm in plan.arms)

    def sides(self, run: CompareRun) -> Sides:
        labels = sorted(
            self.groups(run.plan), key=lambda name: name != run.plan.control
        )
        outcomes = (each for found in rounds_of(run) for each in found.outcomes.items())
        return Sides(names=tuple(labels), outcomes=outcomes)

    def summarise(self, run: CompareRun) -> CompareSummary:
        found = summarise_compare(run)
        if not run.broken_off or found.acceptance is Verdict.INVALID:
            return found
        ends = {"acceptance": Verdict.INVALID, "why": Reason.BROKEN_OFF}
        pairs = tuple(replace(pair, **ends) for pair in found.pairs)
        return replace(found, acceptance=Verdict.INVALID, pairs=pairs)

    def saving(self, run: CompareRun) -> Saving:
        found = summarise_compare(run)
        pair = found.pairs[0]
        pairings = [r.between(pair.control, pair.candidate) for r in rounds_of(run)]
        savings = [pairing.saved_ms for pairing in pairings]
        return Saving(
            compared=f"{pair.candidate} against {pair.control}",
            n=pair.rounds,
            median=pair.saving if pair.rounds > 1 else None,
            each=[saved for saved in savings if saved is not None],
        )

    def contradiction(self, run: CompareRun) -> str:
        found = summarise_compare(run)
        wrong = [p for p in found.pairs if p.acceptance is Verdict.INVALID]
        return explanation(run, found, wrong[0]) if wrong else ""

    def settlings(self, run: CompareRun) -> tuple[Settling, ...]:
        return tuple(settlings_of(run))

    def check_assertion(self, assertion: Assertion, plan: ComparePlan) -> None:
        term = assertion.term
        if term.about is SAVING and term.group and term.group not in controls_of(plan):
            raise InvalidValueError(f"{assertion.text!r}: {term.group} is no candidate")

    def estimates(
        self, run: CompareRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        term, summary = assertion.term, summarise_compare(run)
        wrong = [a for a in summary.arms if a.label == term.group and not a.valid]
        if term.about is SAVING:
            several = len(summary.pairs) > 1
            for pair in summary.pairs:
                if term.group in ("", pair.candidate):
                    named = f"{pair.candidate}." if term.group or several else ""
                    yield f"{named}saving", _saving(run, pair, assertion.unit)
        elif term.metric and wrong:
            yield term.name, invalid(f"{term.group} was not {wrong[0].strategy}")
        else:
            yield from super().estimates(run, assertion)

    def meant(self, run: CompareRun, assertion: Assertion) -> Iterable[Outcome]:
        requests = self.requests(run, assertion.term.group)
        if assertion.term.about is REUSED and not assertion.term.group:
            keeping = [arm.label for arm in run.plan.arms if not arm.way.opens]
            return (each for each in requests if each.slot.arm in keeping)
        return requests

    def accepted(self, run: CompareRun) -> tuple[AssertionResult, ...]:
        found = summarise_compare(run)
        target = f"{found.target:.4g}{'%' if found.percent_target else 'ms'}"
        several = len(found.pairs) > 1
        return tuple(
            accepted(
                f"{pair.candidate}.saving" if several else "saving",
                target,
                pair.acceptance,
                pair.why,
                pair.percent if found.percent_target else pair.saving,
                pair.rounds,
                said=explanation(run, found, pair),
            )
            for pair in found.pairs
        )

    def joined(self, plan: ComparePlan, outcomes: Sequence[Verdict]) -> Verdict:
        return overall(outcomes, plan.question)

    def findings(self, run: CompareRun) -> Findings:
        from vestbench.studies.compare.sheet import compare_findings

        return compare_findings(run)


def _saving(run: CompareRun, pair: PairSummary, unit: Unit) -> Estimate:
    if pair.acceptance is Verdict.INVALID:
        return invalid("a strategy was not what it is called")
    arms = summarise_compare(run).arms
    failed = {arm.label: sum(n for _, n in arm.failures) for arm in arms}
    ours, control = failed[pair.candidate], failed[pair.control]
    often = fails_too_often(ours, pair.rounds, control)
    least = rounds_needed(run.plan, len(met_by(run).remotes))
    found = of_median(in_unit(pair, unit), pair.rounds, least, unreliable=often)
    if found.settled is not None:
        return found
    if pair.why is Reason.RELIABILITY:
        why = f"{pair.candidate} fails more often than {pair.control}"
        return replace(found, settled=(Verdict.FAIL, why))
    if pair.rounds < first_look(run):
        why = "no verdict is given before --min-duration has passed"
        return replace(found, settled=(Verdict.INCONCLUSIVE, why))
    return found


STUDY = _Compare()
