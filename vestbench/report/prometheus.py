"""A run as metrics, in the text format that node-exporter's textfile collector reads.

Base units are seconds and ratios, as the naming rules of Prometheus ask for. Each
figure carries the conditions as a label, because without them it says nothing; those
that are others in each run, such as an address, would make a new series of each. What
is infinite, such as the latency of failed requests, is left out.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from math import isfinite
from typing import TypeAlias

from vestbench.assertions.judge import AssertionResult
from vestbench.characters import plain
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.found import Found
from vestbench.stats.decision import Settling
from vestbench.stats.metrics import Group

_Point: TypeAlias = tuple[dict[str, str], float]  # labels and value
# Its name after `vestbench_`, what it is, and its points.
_Family: TypeAlias = tuple[str, str, Iterable[_Point]]


def prometheus_of(
    found: Found,
    *,
    groups: Sequence[Group],
    settlings: Sequence[Settling],
    connections: Mapping[str, int],
    rtt_ms: float | None,
) -> str:
    """Return all metrics of a run.

    Args:
        found: The run, and what was asserted of it.
        groups: What the run sets against each other.
        settlings: How each of its savings settled.
        connections: How many there were, by what they were.
        rtt_ms: The round trip of the route; None where it is not known.
    """
    run = found.run
    route: list[_Point] = [] if rtt_ms is None else [({}, rtt_ms / 1e3)]
    common = _common(run.command, run.conditions.venue, run.conditions.endpoint)
    up = not (found.error or run.interrupted)
    state = _text(_state(up, run.started), common)
    common["conditions"] = found.kept
    families: list[_Family] = [
        (
            "run_info",
            "What was measured, and by what; always 1.",
            [(_info(run), 1.0)],
        ),
        (
            "latency_seconds",
            "Latency of answered requests, at the statistic that is named.",
            chain.from_iterable(map(_quantiles, groups)),
        ),
        (
            "phase_seconds",
            "Median of each phase of a request.",
            chain.from_iterable(map(_phases, groups)),
        ),
        (
            "requests",
            "Measured requests of the run.",
            chain.from_iterable(map(_requests, groups)),
        ),
        ("failures", "Failed requests of the run by kind.", _failures(run)),
        (
            "connections",
            "Connections that a program opened, by what they were.",
            [({"kind": kind}, count) for kind, count in connections.items()],
        ),
        *_savings(settlings),
        ("round_trip_seconds", "Round-trip time of the route.", route),
        (
            "assertion",
            "1 for the outcome that an assertion has, 0 for the others.",
            _assertions(found.results),
        ),
    ]
    return state + _text(families, common)


def error_metrics(command: str, venue: str, endpoint: str, started: datetime) -> str:
    """Return the metrics of a command that measured nothing, and when."""
    return _text(_state(False, started), _common(command, venue, endpoint))


def _common(command: str, venue: str, endpoint: str) -> dict[str, str]:
    return {"command": command, "venue": venue, "endpoint": endpoint}


def _state(up: bool, started: datetime) -> list[_Family]:
    return [
        (
            "up",
            "1 if requests were answered and the run came to its own end, 0 if not.",
            [({}, float(up))],
        ),
        (
            "run_start_timestamp_seconds",
            "When the run was started.",
            [({}, started.timestamp())],
        ),
    ]


def _text(families: Iterable[_Family], common: dict[str, str]) -> str:
    return "\n".join(line for each in families for line in _lines(each, common)) + "\n"


def _lines(family: _Family, common: dict[str, str]) -> Iterator[str]:
    name, about, points = family
    known = ((labels, value) for labels, value in points if isfinite(value))
    for place, (labels, value) in enumerate(known):
        if not place:
            yield f"# HELP vestbench_{name} {about}"
            yield f"# TYPE vestbench_{name} gauge"
        words = {**common, **labels}
        shown = ",".join(f'{key}="{_quoted(text)}"' for key, text in words.items())
        yield f"vestbench_{name}{{{shown}}} {round(float(value), 9)!r}"


def _info(run: Run) -> dict[str, str]:
    conditions = run.conditions
    return {
        "stack": conditions.stack,
        "strategy": conditions.strategy,
        "simulated": str(conditions.simulated).lower(),
        "host": conditions.host,
        "version": str(conditions.versions.get("vestbench", "")),
    }


def _quantiles(group: Group) -> Iterator[_Point]:
    metric = group.metric("latency")
    if metric is None:
        return
    for name in ("p50", "p90", "p99"):
        found = getattr(metric, name)
        # A high quantile of which only a lower bound is known is not given.
        known = found.q == 0.5 or found.high is not None
        if known and found.point is not None:
            # Not `quantile`, which only a metric of the type summary may have.
            yield {"group": group.name, "statistic": name}, found.point / 1e3


def _phases(group: Group) -> Iterator[_Point]:
    for metric in group.metrics:
        if metric.name != "latency" and metric.p50.point is not None:
            labels = {"group": group.name, "phase": metric.name}
            yield labels, metric.p50.point / 1e3


def _requests(group: Group) -> Iterator[_Point]:
    metric = group.metric("latency")
    everything = metric.n if metric is not None else 0
    yield (
        {"group": group.name, "outcome": "answered"},
        everything - group.failures,
    )
    yield {"group": group.name, "outcome": "failed"}, group.failures


def _failures(run: Run) -> Iterator[_Point]:
    counts = Counter(str(failure.kind) for failure in run.failures)
    return (({"kind": kind}, count) for kind, count in counts.items())


def _savings(settlings: Iterable[Settling]) -> Iterator[_Family]:
    """Yield the median saving and the ends of its interval, where there are enough."""
    found: dict[str, list[_Point]] = {}
    for one in settlings:
        if len(one.steps) < 2:  # a figure from n = 1 is never called a saving
            continue
        last = one.steps[-1].found
        scale, suffix = (1e3, "seconds") if one.unit == "ms" else (100.0, "ratio")
        ends = {"median": last.median_lo}
        if last.interval is not None:
            ends |= {"low": last.interval.low, "high": last.interval.high}
        points = found.setdefault(f"saving_{suffix}", [])
        level = f"{one.confidence:g}"
        for bound, value in ends.items():
            labels = {"candidate": one.candidate, "bound": bound, "confidence": level}
            points.append((labels, value / scale))
    for name, points in found.items():
        yield name, "The saving: its median, and the ends of its interval.", points


def _assertions(results: Iterable[AssertionResult]) -> Iterator[_Point]:
    for result in results:
        for outcome in Verdict:
            labels = {"assertion": result.text, "outcome": str(outcome)}
            yield labels, float(result.outcome is outcome)


def _quoted(text: str) -> str:
    """Return the value of a label; what is not printable would hide in a dashboard."""
    return plain(text).replace("\\", "\\\\").replace('"', '\\"')
