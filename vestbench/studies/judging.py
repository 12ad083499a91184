"""What a run says of what it was asked, and the exit code for it: one rule for all.

4  nothing can be said at all: no request got a usable response
5  something was not what it is called, such as pooled: asked or not
1, 3  what was asked is missed, or undecided
0  all else
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from vestbench.assertions.judge import AssertionResult, decided
from vestbench.errors import ExitCode, InvalidValueError, UsageError
from vestbench.model.record import replace
from vestbench.model.run import Plan, Run
from vestbench.model.verdict import Verdict, worst
from vestbench.stats.decision import Settling
from vestbench.studies.base import Saving
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
    except InvalidValueError as error:
        raise UsageError(f"--assert: {error}") from error


def judge(run: Run, texts: Sequence[str]) -> tuple[AssertionResult, ...]:
    """Return what `run` says of assertions; of a saving, for each candidate.

    InvalidValueError if one is no assertion, or of what the run does not have.
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


def assertions_of(run: Run, texts: Sequence[str] = ()) -> tuple[AssertionResult, ...]:
    """Return `texts` judged, or else what the run was asked: its target, assertions.

    If the run is not valid, one of the results is INVALID and says why.
    """
    accepted = study_of(run).accepted(run) if run.judges_saving else ()
    found = judge(run, texts) if texts else (*accepted, *asserted_of(run))
    why = unsound(run) or error_of(run)
    if not why or any(each.outcome is Verdict.INVALID for each in found):
        return found
    sound = AssertionResult(
        text="the run is valid",
        quantity="run",
        unit="",
        outcome=Verdict.INVALID,
        value=None,
        low=None,
        high=None,
        n=len(run.samples) + len(run.failures),
        n_of="request",
        reason=why,
    )
    return (sound, *found)


def error_of(run: Run) -> str:
    """Return what ended `run`, or why it has nothing to be judged by; empty if well."""
    return study_of(run).unusable(run) or run.broken_off


def unsound(run: Run) -> str:
    """Say why no saving can be stated of `run`; empty if one can, as far as is known.

    Either no request got a usable response, or something was not what it is called.
    """
    study = study_of(run)
    return study.unusable(run) or study.contradiction(run)


def saving_of(run: Run) -> Saving:
    """Return what `run` found of its saving, for lists and series of runs."""
    found, verdict = study_of(run).saving(run), verdict_of(run, assertions_of(run))
    if unsound(run):
        return replace(found, acceptance=verdict, median=None, each=())
    return replace(found, acceptance=verdict)


def settlings_of(run: Run) -> tuple[Settling, ...]:
    """Return how each saving of `run` settled, if it has one."""
    return () if unsound(run) else study_of(run).settlings(run)


def verdict_of(run: Run, results: Sequence[AssertionResult]) -> Verdict | None:
    """Return the worst of `results`; None where nothing was asserted."""
    own = [result.outcome for result in results if result.is_acceptance]
    found = [result.outcome for result in results if not result.is_acceptance]
    if own:
        found.append(study_of(run).joined(run.plan, own))
    return worst(found) if found else None


def exit_code(
    run: Run,
    verdict: Verdict | None,
    *,
    asked: bool = True,
    on_inconclusive: str = "neutral",
) -> ExitCode:
    """Return the exit code that stands for what a run says, live or stored.

    Args:
        run: What was measured.
        verdict: On all that was asked; None where nothing was.
        asked: Whether it decides the exit code.
        on_inconclusive: Whether doubt is to "pass", to "fail", or has its own code.
    """
    study = study_of(run)
    refused = run.conclusion.refused and not study.contradiction(run)
    if refused or study.unusable(run):
        return ExitCode.UNREACHABLE
    if verdict is Verdict.INCONCLUSIVE:
        settled = {"pass": Verdict.PASS, "fail": Verdict.FAIL}
        verdict = settled.get(on_inconclusive, verdict)
    codes = {Verdict.INVALID: ExitCode.INVALID}
    if asked:
        codes[Verdict.FAIL] = ExitCode.NOT_MET
        codes[Verdict.INCONCLUSIVE] = ExitCode.INCONCLUSIVE
    return ExitCode.OK if verdict is None else codes.get(verdict, ExitCode.OK)
