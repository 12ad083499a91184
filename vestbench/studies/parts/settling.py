"""How the saving of a run settled: what each round said, and the interval after it.

Played again from the stored requests, through what decided while the run was on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vestbench.model.request import Role
from vestbench.model.run import Run
from vestbench.stats.bounds import Bounds, percent_bounds, saving_bounds
from vestbench.stats.decision import MedianSummary, Ranked
from vestbench.stats.evidence import threshold_of, votes_needed
from vestbench.stats.sequential import Verdict
from vestbench.studies.bench.summary import session_votes
from vestbench.studies.compare.judgement import new_verdict
from vestbench.studies.compare.rounds import (
    controls_of,
    first_look,
    pair_confidence,
    rounds_of,
    target_of,
    timed,
)
from vestbench.studies.starts.warmup_summary import round_savings


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one round says, and what is known after it; both in the settling's unit."""

    bounds: Bounds
    found: MedianSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """The savings of one candidate in the order they were measured."""

    candidate: str  # label of its arm; empty where there is only one saving
    each: str  # what a step is: a session or a round
    unit: str  # ms or %
    target: float  # the saving asked for
    confidence: float  # of the intervals
    steps: tuple[Step, ...]


def settlings_of(run: Run) -> tuple[Settling, ...]:
    """Return the settling of each saving of `run`; empty for one that has none."""
    if run.command == "compare":
        controls = controls_of(run.plan).items()
        return tuple(_pair(run, control, label) for label, control in controls)
    if run.command == "warmup":
        cold, warmed = (
            [outcome for outcome in run.outcomes if outcome.slot.role is role]
            for role in (Role.COLD, Role.SUBSEQUENT)
        )
        return (_plain(run, "round", round_savings(cold, warmed)),)
    if "min_saving_ms" not in run.plan:
        return ()
    return (_plain(run, "session", [vote for _, vote in session_votes(run)]),)


def _plain(run: Run, each: str, bounds: Sequence[Bounds]) -> Settling:
    confidence = float(run.plan["confidence"])
    threshold = threshold_of(confidence)
    ranked = Ranked()
    steps = []
    for one in bounds:
        ranked.add(one)
        found = ranked.median(votes_needed(len(ranked), threshold))
        steps.append(Step(bounds=one, found=found))
    return Settling(
        candidate="",
        each=each,
        unit="ms",
        target=float(run.plan["min_saving_ms"]),
        confidence=confidence,
        steps=tuple(steps),
    )


def _pair(run: Run, control: str, candidate: str) -> Settling:
    target, percent = target_of(run)
    verdict = new_verdict(run.plan, target, percent=percent)
    look_from = first_look(run)
    said: Callable[..., Bounds] = percent_bounds if percent else saving_bounds
    steps = []
    for found in rounds_of(run):
        if verdict.state.verdict is not Verdict.RUNNING:
            break
        a, b = found.outcomes[control], found.outcomes[candidate]
        first = found.control_first(control, candidate)
        verdict.add(*timed(a), *timed(b), first, look=found.number + 1 >= look_from)
        state = verdict.state
        steps.append(
            Step(
                bounds=said(*timed(a), *timed(b)),
                found=state.percent if percent else state.saving,
            )
        )
    return Settling(
        candidate=candidate,
        each="round",
        unit="%" if percent else "ms",
        target=target,
        confidence=pair_confidence(run.plan),
        steps=tuple(steps),
    )
