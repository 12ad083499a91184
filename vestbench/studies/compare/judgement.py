"""The verdicts of a comparison while it goes on: when it is decided, or given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vestbench.model.request import Sample
from vestbench.model.verdict import Verdict
from vestbench.stats.decision import SavingSummary, close_margin
from vestbench.stats.evidence import projected_rounds, threshold_of
from vestbench.stats.sequential import SequentialVerdict
from vestbench.studies.compare.plan import ComparePlan, CompareRun, controls_of
from vestbench.studies.compare.rounds import (
    Pairing,
    Round,
    first_look,
    pair_confidence,
    rounds_of,
    target_of,
    too_many,
)

# Rounds after which a run whose arms are not what they should be is given up.
GIVE_UP_AFTER = 12


def new_verdict(
    plan: ComparePlan, target: float, *, percent: bool
) -> SequentialVerdict:
    """Return the verdict of one pair, before its first round."""
    return SequentialVerdict(
        target=target,
        confidence=pair_confidence(plan),
        min_rounds=plan.min_rounds,
        max_rounds=plan.max_rounds,
        close=close_margin(target) if plan.close is None else plan.close,
        vote=plan.vote,
        percent=percent,
    )


class Replay:
    """The rounds of a stored comparison, played again through its `verdict`."""

    def __init__(self, run: CompareRun, control: str, candidate: str) -> None:
        target, percent = target_of(run)
        self.verdict = new_verdict(run.plan, target, percent=percent)
        self._run = run
        self._arms = control, candidate

    def __iter__(self) -> Iterator[Pairing]:
        """Yield what each round said, up to the one that decided."""
        look_from = first_look(self._run)
        for found in rounds_of(self._run):
            if self.verdict.verdict is not None:
                return
            pairing = found.between(*self._arms)
            pairing.vote(self.verdict, look=found.number + 1 >= look_from)
            yield pairing


class Judgement:
    """Watches a comparison as it goes, and says when it is decided.

    The target is in ms, or in percent of the control.
    """

    def __init__(self, plan: ComparePlan, target: float, *, percent: bool) -> None:
        self._plan = plan
        self._controls = controls_of(plan)
        self._strategies = {arm.label: arm.way for arm in plan.arms}
        self.verdicts = {
            label: new_verdict(plan, target, percent=percent)
            for label in self._controls
        }
        self._answered: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self.rounds = 0

    def add(self, found: Round, *, look: bool = True) -> bool:
        """Take a round into account and say whether the run can end."""
        self.rounds += 1
        for label, verdict in self.verdicts.items():
            found.between(self._controls[label], label).vote(verdict, look=look)
        for label, outcome in found.outcomes.items():
            self._answered[label] += isinstance(outcome, Sample)
            self._wrong[label] += self._strategies[label].contradicted_by(outcome)
        return self.decided()

    def decided(self) -> bool:
        """Say whether the question is answered, or cannot be."""
        if self.rounds >= GIVE_UP_AFTER and any(
            too_many(self._wrong[label], self._answered[label])
            for label in self._strategies
        ):
            return True
        verdicts = [each.verdict for each in self.verdicts.values()]
        if self._plan.question == "any" and Verdict.PASS in verdicts:
            return True
        return None not in verdicts

    def projection(self, label: str) -> int | None:
        """Return how many rounds in all would decide, if the trend holds."""
        summary = self.verdicts[label].state.summary
        return projection_of(summary, self._plan)


def projection_of(summary: SavingSummary, plan: ComparePlan) -> int | None:
    """Return how many rounds in all would decide; a pair of rounds has one vote."""
    votes = projected_rounds(
        max(summary.votes_pass, summary.votes_fail),
        summary.rounds,
        threshold_of(pair_confidence(plan)),
    )
    return votes * 2 if votes is not None and plan.vote == "pair" else votes
