"""Two accounts of a program against each other, a start of it being one sample."""

from __future__ import annotations

from typing import Any

from vestbench.studies.parts.changes import Changes, Total, changes_of, differences
from vestbench.studies.traffic.plan import TrafficRun
from vestbench.studies.traffic.summary import RunTotals, summarise_traffic

_MARGIN = 0.1  # of a time: as much as the route alone may move it


def changed_traffic(then: TrafficRun, now: TrafficRun, confidence: float) -> Changes:
    """Return what has become of a program's connections from one run to another."""
    return changes_of(
        _totals(then),
        _totals(now),
        confidence,
        differing=tuple(differences(_conditions(then), _conditions(now))),
        notable=tuple(differences(_surroundings(then), _surroundings(now))),
    )


def _totals(run: TrafficRun) -> list[Total]:
    runs = summarise_traffic(run).runs
    return [
        Total(name="needless", unit="", each=tuple(r.needless for r in runs)),
        Total(name="connections", unit="", each=tuple(r.connections for r in runs)),
        Total(name="cold requests", unit="%", each=tuple(map(_cold, runs))),
        Total(
            name="spent opening",
            unit="ms",
            each=tuple(r.opening_ms for r in runs),
            margin=_MARGIN,
        ),
    ]


def _cold(run: RunTotals) -> float:
    return 100 * (run.requests - run.reused) / run.requests if run.requests else 0.0


def _conditions(run: TrafficRun) -> dict[str, Any]:
    """Return what a program has to meet alike, if its connections are to be held."""
    found: dict[str, Any] = {"program": run.plan.program, "faults": run.plan.faults}
    exchange, link = run.conditions.exchange, run.conditions.link
    found["exchange"] = None if exchange is None else exchange.stored()
    if link is not None:
        names = ("rtt_ms", "jitter_ms", "loss", "drift_ms_per_s")
        found["link"] = {name: getattr(link, name) for name in names}
    return found


def _surroundings(run: TrafficRun) -> dict[str, Any]:
    requests = {each.requests for each in summarise_traffic(run).runs}
    ends = ("limit_s", "until")
    return {
        "requests": requests,
        "host": run.conditions.host,
        "how it was ended": [getattr(run.plan, name) for name in ends],
        "library": run.conditions.stack,
        "vestbench": run.conditions.versions.get("vestbench"),
    }
