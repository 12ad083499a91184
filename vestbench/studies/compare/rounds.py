"""The rounds of a comparison, and what its plan asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import NamedTuple

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.stats.sequential import SequentialVerdict
from vestbench.studies.compare.plan import ComparePlan, CompareRun
from vestbench.studies.parts.groups import MAX_NOT_REUSED
from vestbench.studies.parts.once import once_for_each_run

# Answered requests of an arm that may contradict its strategy before the run is
# invalid, whatever their share.
_FEW_ENOUGH = 1


class Pairing(NamedTuple):
    """What one round says of one candidate."""

    control: Outcome
    candidate: Outcome

    @property
    def control_first(self) -> bool:
        """Whether the control's request was sent first."""
        return self.control.slot.index < self.candidate.slot.index

    @property
    def times(self) -> tuple[float, bool, float, bool]:
        """What each request took in ms, and whether it succeeded; the control first."""
        return *self.control.timed, *self.candidate.timed

    @property
    def saved_ms(self) -> float | None:
        """The saving of the candidate; None where a request failed."""
        a, b = self
        if isinstance(a, Sample) and isinstance(b, Sample):
            return (a.latency_ns - b.latency_ns) / NS_PER_MS
        return None

    def vote(self, verdict: SequentialVerdict, *, look: bool) -> None:
        """Give the round to the verdict on this candidate."""
        verdict.add(*self.times, self.control_first, look=look)


class Round(Record, frozen=True, kw_only=True):
    """One round: an outcome of each arm."""

    number: int  # from 0
    outcomes: Mapping[str, Outcome]

    def between(self, control: str, candidate: str) -> Pairing:
        """Return what the round says of one candidate."""
        return Pairing(self.outcomes[control], self.outcomes[candidate])


@once_for_each_run
def rounds_of(run: CompareRun) -> list[Round]:
    """Return the rounds in which every arm has an outcome, in their order."""
    labels = [arm.label for arm in run.plan.arms]
    found: dict[int, dict[str, Outcome]] = {}
    for outcome in run.outcomes:
        found.setdefault(outcome.slot.session, {})[outcome.slot.arm] = outcome
    return [
        Round(number=number, outcomes=found[number])
        for number in sorted(found)
        if all(label in found[number] for label in labels)
    ]


def target_of(run: CompareRun) -> tuple[float, bool]:
    """Return the saving that is asked for, and whether it is in percent."""
    plan = run.plan
    if plan.min_saving_percent is not None:
        return plan.min_saving_percent, True
    found = plan.min_saving_ms
    if found is None:
        found = run.conditions.auto_target_ms
    if found is None:  # which no run has that was read, or set up
        raise ValueError("the automatic target was never settled")
    return found, False


def pair_confidence(plan: ComparePlan) -> float:
    """Return the confidence that the verdict of each pair needs.

    When any of several candidates may pass, each has to be surer: 1 - 0.05 / m, for
    which the next confidence of the table, 99 %, serves up to five.
    """
    if plan.question == "any" and len(plan.arms) > 2:
        return 0.99
    return plan.confidence


def too_many(contradictions: int, answered: int) -> bool:
    """Say whether an arm contradicted its name too often to be called by it."""
    return contradictions > max(_FEW_ENOUGH, MAX_NOT_REUSED * answered)


def first_look(run: CompareRun) -> float:
    """Return the first round, counted from 1, on which a verdict was allowed.

    A run that was killed does not say. If it had a minimum duration, that may not have
    passed, and then no round was looked at.
    """
    known = run.conclusion.first_look
    if known is None:
        return inf if run.plan.min_duration_s else 0
    return known
