"""What is asserted of a run, judged by what its study knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from vestbench.assertions.judge import AssertionResult, decided
from vestbench.errors import UsageError
from vestbench.model.run import Plan, Run
from vestbench.model.verdict import Verdict, worst
from vestbench.studies.registry import find_study, parsed, study_of

P = TypeVar("P", bound=Plan)


def with_assertions(plan: P, command: str, texts: Sequence[str]) -> P:
    """Return a plan with what is asserted of its run; UsageError as below."""
    if not texts:
        return plan
    return plan.changed(assertions=check_assertions(texts, command, plan))


def check_assertions(texts: Sequence[str], command: str, plan: Plan) -> tuple[str, ...]:
    """Return assertions as they are stored.

    UsageError if one is no assertion, or of something that such a run does not have.
    """
    try:
        study = find_study(command)
        return tuple(parsed(text, study, plan).text for text in texts)
    except ValueError as error:
        raise UsageError(f"--assert: {error}") from error


def judge(run: Run, texts: Sequence[str]) -> tuple[AssertionResult, ...]:
    """Return what `run` says of assertions; of a saving, for each candidate.

    ValueError if one is no assertion, or of something that the run does not have.
    """
    study, confidence = study_of(run), run.plan.confidence
    found = []
    for assertion in [parsed(text, study, run.plan) for text in texts]:
        opposite = assertion.opposite()
        others = [e for _, e in study.estimates(run, opposite)] if opposite else [None]
        found += [
            decided(assertion, name, estimate, confidence, other)
            for name, estimate in study.estimates(run, assertion)
            for other in others
        ]
    return tuple(found)


def asserted_of(run: Run) -> tuple[AssertionResult, ...]:
    """Return what `run` says of the assertions in its own plan."""
    return judge(run, run.plan.assertions)


def assertions_of(run: Run) -> tuple[AssertionResult, ...]:
    """Return the acceptance of `run`, if any, and its own assertions, judged."""
    return (*study_of(run).accepted(run), *asserted_of(run))


def verdict_of(run: Run, results: Sequence[AssertionResult]) -> Verdict | None:
    """Return the worst of `results`; None where nothing was asserted."""
    own = [result.outcome for result in results if result.is_acceptance]
    found = [result.outcome for result in results if not result.is_acceptance]
    if own:
        found.append(study_of(run).joined(run.plan, own))
    return worst(found) if found else None
