"""Which requests a run sets against each other, whatever the command was."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from math import inf

from vestbench.model.request import NS_PER_MS, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.studies.compare.rounds import rounds_of
from vestbench.studies.parts.groups import Group, GroupTally, side_of

_STARTS = {
    Role.COLD: "without a warm-up",
    Role.SUBSEQUENT: "after a warm-up",
}


def groups_in(run: Run) -> tuple[Group, ...]:
    """Return the groups of requests that `run` sets against each other.

    The arms of a comparison with its control first, the two sorts of start of a
    warm-up run, and otherwise the requests that opened their connection and those that
    reused one.
    """
    tallies = {name: GroupTally() for name in _names(run)}
    for name, outcome in _compared(run):
        if name in tallies:
            if isinstance(outcome, Sample):
                tallies[name].add(outcome)
            else:
                tallies[name].fail()
    confidence = float(run.plan["confidence"])
    return tuple(tally.group(name, confidence) for name, tally in tallies.items())


def latencies_in(run: Run) -> Mapping[str, Sequence[float]]:
    """Return the latencies, in ms, of each of these groups; a failure is infinite."""
    found = {name: array("d") for name in _names(run)}
    for name, outcome in _compared(run):
        if name in found:
            latency = inf
            if isinstance(outcome, Sample):
                latency = outcome.latency_ns / NS_PER_MS
            found[name].append(latency)
    return found


def _compared(run: Run) -> Iterator[tuple[str, Outcome]]:
    """Yield what was measured, by group; of a comparison, only whole rounds."""
    if run.command == "compare":
        for found in rounds_of(run):
            yield from found.outcomes.items()
    else:
        for outcome in chain[Outcome](run.samples, run.failures):
            yield _name(run, outcome), outcome


def _names(run: Run) -> list[str]:
    if run.command == "compare":
        control = str(run.plan["control"])
        labels = [str(arm["label"]) for arm in run.plan["arms"]]
        return sorted(labels, key=lambda label: label != control)
    if run.command == "warmup":
        return list(_STARTS.values())
    return ["cold", "subsequent"]


def _name(run: Run, outcome: Outcome) -> str:
    if run.command == "warmup":
        return _STARTS.get(outcome.slot.role, "")
    reused = outcome.reused if isinstance(outcome, Sample) else side_of(outcome)
    return "subsequent" if reused else "cold"
