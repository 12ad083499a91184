"""The median phases of a program's requests, in the order in which they happen."""

from __future__ import annotations

from collections.abc import Sequence

from vestbench.report.waterfall import PhaseRows
from vestbench.studies.parts.breakdown import phase_rows
from vestbench.studies.traffic.summary import TrafficSummary

_SHORTEST_MS = 0.0005  # that is drawn

# By what they are called elsewhere; what is no phase there is the program's own time.
PHASES = {
    "connect": "connect",
    "tls": "tls",
    "client": "program",
    "send": "send",
    "wait": "wait",
    "receive": "receive",
}


def phases_of(summary: TrafficSummary) -> PhaseRows:
    """Return the median phases of cold and of subsequent requests."""
    rows = phase_rows((summary.cold, summary.subsequent), merged=False)
    return [(name, _in_order(phases)) for name, phases in rows]


def _in_order(phases: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    places = {name: place for place, name in enumerate(PHASES)}
    found = sorted(phases, key=lambda phase: places.get(phase[0], len(places)))
    return [(PHASES.get(p, p), taken) for p, taken in found if taken >= _SHORTEST_MS]
