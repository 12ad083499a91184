"""The rounds of a comparison, what its plan asks of them, and their verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import inf
from typing import NamedTuple

from vestbench.errors import InvalidValueError
from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS, Outcome, Sample
from vestbench.model.verdict import Verdict
from vestbench.stats.decision import SavingSummary, close_margin
from vestbench.stats.evidence import projected_rounds, threshold_of
from vestbench.stats.sequential import SequentialVerdict
from vestbench.studies.compare.plan import ComparePlan, CompareRun, controls_of
from vestbench.studies.parts.connections import astray
from vestbench.studies.parts.groups import too_many
from vestbench.studies.parts.once import once_for_each_run


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
    """Return the saving that is asked for, and whether it is in percent.

    An automatic one is 0 where no request got through: that run is judged by none.
    """
    plan = run.plan
    if plan.min_saving_percent is not None:
        return plan.min_saving_percent, True
    found = plan.min_saving_ms
    if found is None:
        found = run.conditions.auto_target_ms
    if found is None and run.unanswered:
        found = 0.0
    if found is None:  # which no run has that was read, or set up
        raise InvalidValueError("the automatic target was never settled")
    return found, False


def pair_confidence(plan: ComparePlan) -> float:
    """Return the confidence that the verdict of each pair needs.

    When any of several candidates may pass, each has to be surer: 1 - 0.05 / m, for
    which the next confidence of the table, 99 %, serves up to five.
    """
    if plan.question == "any" and len(plan.arms) > 2:
        return 0.99
    return plan.confidence


def rounds_needed(plan: ComparePlan, servers: int) -> int:
    """Return how many rounds a verdict needs, at least.

    Where they met several servers, twice as many: which one is a coin of its own.
    """
    return min(plan.max_rounds, plan.min_rounds * (2 if servers > 1 else 1))


class Servers:
    """Counts the servers that rounds met, until there are enough rounds for them."""

    def __init__(self, plan: ComparePlan) -> None:
        self._plan = plan
        self._rounds = 0
        self._met: set[str] = set()

    def enough(self, found: Round) -> bool:
        """Take a round, and say whether these are enough for a verdict."""
        self._rounds += 1
        answered = (o for o in found.outcomes.values() if isinstance(o, Sample))
        self._met |= {sample.remote for sample in answered} - {""}
        return self._rounds >= rounds_needed(self._plan, len(self._met))


def first_look(run: CompareRun) -> float:
    """Return the first round, counted from 1, on which a verdict was allowed.

    A run that was killed does not say. If it had a minimum duration, that may not have
    passed, and then no round was looked at.
    """
    known = run.conclusion.first_look
    if known is None:
        return inf if run.plan.min_duration_s else 0
    return known


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
        look_from, servers = first_look(self._run), Servers(self._run.plan)
        for found in rounds_of(self._run):
            if self.verdict.verdict is not None:
                return
            pairing = found.between(*self._arms)
            enough = servers.enough(found)
            look = enough and found.number + 1 >= look_from
            pairing.vote(self.verdict, look=look)
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
        self._servers = Servers(plan)
        self._misled: Counter[str] = Counter()  # by candidate: rounds of addresses
        self._answered: Counter[str] = Counter()
        self._wrong: Counter[str] = Counter()
        self.rounds = 0

    def add(self, found: Round, *, look: bool = True) -> bool:
        """Take a round into account and say whether the run can end."""
        self.rounds += 1
        look = self._servers.enough(found) and look
        for label, verdict in self.verdicts.items():
            pairing = found.between(self._controls[label], label)
            pairing.vote(verdict, look=look)
            self._misled[label] += any(astray(*pairing))
        for label, outcome in found.outcomes.items():
            self._answered[label] += isinstance(outcome, Sample)
            self._wrong[label] += self._strategies[label].contradicted_by(outcome)
        return self.decided()

    def decided(self) -> bool:
        """Say whether the question is answered, or cannot be answered."""
        wrong = [(n, self._answered[label]) for label, n in self._wrong.items()]
        wrong += [(n, self.rounds) for n in self._misled.values()]
        if self.rounds >= GIVE_UP_AFTER and any(too_many(*each) for each in wrong):
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
