"""The study of `compare`: ways of connecting against each other, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from vestbench.assertions.estimates import Estimate, in_unit, invalid, of_median
from vestbench.assertions.grammar import Assertion, Unit
from vestbench.assertions.judge import AssertionResult, accepted
from vestbench.model.record import replace
from vestbench.model.request import Outcome
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.settling import Settling
from vestbench.studies.base import Findings, Saving, Sides, Study
from vestbench.studies.compare.plan import ComparePlan, CompareRun
from vestbench.studies.compare.rounds import first_look, rounds_of, target_of
from vestbench.studies.compare.summary import (
    CompareSummary,
    PairSummary,
    overall,
    settlings_of,
    summarise_compare,
)
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
        return summarise_compare(run)

    def saving(self, run: CompareRun) -> Saving:
        found = summarise_compare(run)
        pair = found.pairs[0]
        stated = pair.acceptance is not Verdict.INVALID and pair.rounds > 1
        candidate, control = _compared(run.plan)
        return Saving(
            compared=f"{candidate} against {control}",
            n=pair.rounds,
            median=pair.saving if stated else None,
            acceptance=found.acceptance,
            each=[
                saved
                for found in rounds_of(run)
                if (saved := found.between(control, candidate).saved_ms) is not None
            ],
        )

    def settlings(self, run: CompareRun) -> tuple[Settling, ...]:
        return settlings_of(run)

    def check_assertion(self, assertion: Assertion, plan: ComparePlan) -> None:
        if assertion.quantity == "saving" and assertion.group == plan.control:
            raise ValueError(f"{assertion.text!r}: {assertion.group} is no candidate")

    def estimates(
        self, run: CompareRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        group = assertion.group
        if assertion.quantity == "saving":
            for candidate in [group] if group else _candidates(run.plan):
                name = f"{candidate}.saving" if candidate else "saving"
                yield name, _saving(run, candidate, assertion.unit)
            return
        wrong = assertion.metric and _contradicted(run, group)
        if wrong:
            yield assertion.name, invalid(wrong)
            return
        yield from super().estimates(run, assertion)

    def meant(self, run: CompareRun, assertion: Assertion) -> Iterable[Outcome]:
        requests = self.requests(run, assertion.group)
        if assertion.quantity == "reused" and not assertion.group:
            return (each for each in requests if _should_reuse(run.plan, each))
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
            )
            for pair in found.pairs
        )

    def joined(self, plan: ComparePlan, outcomes: Sequence[Verdict]) -> Verdict:
        return overall(outcomes, plan.question)

    def findings(self, run: CompareRun) -> Findings:
        from vestbench.studies.compare.sheet import compare_findings

        return compare_findings(run)


def _compared(plan: ComparePlan) -> tuple[str, str]:
    """Return the labels of the first candidate of a comparison and of its control."""
    labels = [arm.label for arm in plan.arms]
    control = plan.control
    return next((label for label in labels if label != control), control), control


def _candidates(plan: ComparePlan) -> tuple[str, ...]:
    """Return the candidates; one empty name where there is only one."""
    found = tuple(arm.label for arm in plan.arms if arm.label != plan.control)
    return found if len(found) > 1 else ("",)


def _should_reuse(plan: ComparePlan, outcome: Outcome) -> bool:
    return any(arm.label == outcome.slot.arm and not arm.way.opens for arm in plan.arms)


def _contradicted(run: CompareRun, group: str) -> str:
    """Return that an arm was not what it is called; empty if it was."""
    arms = {arm.label: arm for arm in summarise_compare(run).arms}
    arm = arms.get(group)
    return "" if arm is None or arm.valid else f"{group} was not {arm.strategy}"


def _saving(run: CompareRun, candidate: str, unit: Unit) -> Estimate:
    summary = summarise_compare(run)
    pair = next(p for p in summary.pairs if candidate in ("", p.candidate))
    if pair.acceptance is Verdict.INVALID:
        return invalid("an arm was not what it is called")
    failed = {arm.label: sum(n for _, n in arm.failures) for arm in summary.arms}
    ours, control = failed[pair.candidate], failed[summary.control]
    found = of_median(
        in_unit(pair, unit),
        pair.rounds,
        run.plan.min_rounds,
        unreliable=fails_too_often(ours, pair.rounds, control),
    )
    return _with_reason(found, run, summary, pair)


def _with_reason(
    found: Estimate, run: CompareRun, summary: CompareSummary, pair: PairSummary
) -> Estimate:
    if found.settled is not None:
        return found
    if pair.why is Reason.RELIABILITY:
        why = f"{pair.candidate} fails more often than {summary.control}"
        return replace(found, settled=(Verdict.FAIL, why))
    if pair.rounds < first_look(run):
        why = "no verdict is given before --min-duration has passed"
        return replace(found, settled=(Verdict.INCONCLUSIVE, why))
    return found


STUDY = _Compare()
