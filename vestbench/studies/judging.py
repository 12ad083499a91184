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
    """Return a plan with what is asserted of its run, so that it is judged again.

    Raises:
        UsageError: One is no assertion, or of something that such a run does not have.
    """
    if not texts:
        return plan
    return plan.changed(assertions=check_assertions(texts, command, plan))


def check_assertions(texts: Sequence[str], command: str, plan: Plan) -> tuple[str, ...]:
    """Return assertions as they are stored, having checked that a run can have them.

    Args:
        texts: As they were typed.
        command: The command that measures, or has measured.
        plan: Its plan.

    Raises:
        UsageError: One is no assertion, or of something that such a run does not have.
    """
    try:
        study = find_study(command)
        return tuple(parsed(text, study, plan).text for text in texts)
    except ValueError as error:
        raise UsageError(f"--assert: {error}") from error


def judge(run: Run, texts: Sequence[str]) -> tuple[AssertionResult, ...]:
    """Return what `run` says of assertions, whatever it was asked.

    A saving of no particular candidate is asserted of each.

    Raises:
        ValueError: One is no assertion, or of something that the run does not have.
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
    """Return what `run` was asked and what it says: its acceptance, its assertions.

    The acceptance of a comparison is one for each pair of arms. That of a bench run
    counts if it was gated on it, or if nothing else was asserted; a start has none.
    """
    return (*study_of(run).accepted(run), *asserted_of(run))


def verdict_of(run: Run, results: Sequence[AssertionResult]) -> Verdict | None:
    """Return the verdict on all of `results`: the worst of them.

    Returns:
        None where nothing was asserted.
    """
    own = [result.outcome for result in results if result.is_acceptance]
    found = [result.outcome for result in results if not result.is_acceptance]
    if own:
        found.append(study_of(run).joined(run.plan, own))
    return worst(found) if found else None
