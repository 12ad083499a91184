"""Which requests a run sets against each other, whatever the command was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from vestbench.models import NS_PER_MS, Failure, Outcome, Role, Run, Sample
from vestbench.stats.compare import rounds_of
from vestbench.stats.groups import Group, group_of, side_of

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
    confidence = float(run.plan["confidence"])
    return tuple(
        group_of(
            name,
            [outcome for outcome in outcomes if isinstance(outcome, Sample)],
            [outcome for outcome in outcomes if isinstance(outcome, Failure)],
            confidence,
        )
        for name, outcomes in _sides(run).items()
    )


def latencies_in(run: Run) -> Mapping[str, Sequence[float]]:
    """Return the latencies, in ms, of each of these groups; a failure is infinite."""
    return {
        name: [
            outcome.latency_ns / NS_PER_MS if isinstance(outcome, Sample) else inf
            for outcome in outcomes
        ]
        for name, outcomes in _sides(run).items()
    }


def _sides(run: Run) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {name: [] for name in _names(run)}
    for outcome in _compared(run):
        name = _name(run, outcome)
        if name in found:
            found[name].append(outcome)
    return found


def _compared(run: Run) -> Sequence[Outcome]:
    """Return what was measured; of a comparison, only what is in a whole round."""
    if run.command != "compare":
        return run.outcomes
    return [o for found in rounds_of(run) for o in found.outcomes.values()]


def _names(run: Run) -> list[str]:
    if run.command == "compare":
        control = str(run.plan["control"])
        labels = [str(arm["label"]) for arm in run.plan["arms"]]
        return sorted(labels, key=lambda label: label != control)
    if run.command == "warmup":
        return list(_STARTS.values())
    return ["cold", "subsequent"]


def _name(run: Run, outcome: Outcome) -> str:
    if run.command == "compare":
        return str(outcome.slot.arm)
    if run.command == "warmup":
        return _STARTS.get(outcome.slot.role, "")
    reused = outcome.reused if isinstance(outcome, Sample) else side_of(outcome)
    return "subsequent" if reused else "cold"
