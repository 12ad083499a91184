"""Which requests a run sets against each other, whatever its study is."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from math import inf

from vestbench.model.request import NS_PER_MS, Sample
from vestbench.studies.base import Sides
from vestbench.studies.parts.groups import Group, GroupTally


def groups_in(sides: Sides, confidence: float) -> tuple[Group, ...]:
    """Return the distributions of each side."""
    tallies = {name: GroupTally() for name in sides.names}
    for name, outcome in sides.outcomes:
        if name in tallies:
            if isinstance(outcome, Sample):
                tallies[name].add(outcome)
            else:
                tallies[name].fail()
    return tuple(tally.group(name, confidence) for name, tally in tallies.items())


def latencies_in(sides: Sides) -> Mapping[str, Sequence[float]]:
    """Return the latencies, in ms, of each side; a failure is infinite."""
    found = {name: array("d") for name in sides.names}
    for name, outcome in sides.outcomes:
        if name in found:
            latency = inf
            if isinstance(outcome, Sample):
                latency = outcome.latency_ns / NS_PER_MS
            found[name].append(latency)
    return found
