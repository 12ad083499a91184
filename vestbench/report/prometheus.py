"""A run as metrics, in the text format that node-exporter's textfile collector reads.

Base units are seconds and ratios, as the naming rules of Prometheus ask for. Each
metric carries the conditions as a label, because a figure without them says nothing.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.studies.parts.conditions import label
from vestbench.studies.parts.groups import Group
from vestbench.studies.parts.route import round_trip_ms
from vestbench.studies.registry import study_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    labels: Mapping[str, str]
    value: float


def prometheus_of(run: Run, results: Sequence[AssertionResult]) -> str:
    """Return all metrics of a run."""
    common = {
        "command": run.command,
        "venue": run.conditions.venue,
        "endpoint": run.conditions.endpoint,
        "conditions": label(run),
    }
    lines: list[str] = []
    for name, about, points in _metrics(run, results):
        if not points:
            continue
        lines.append(f"# HELP {name} {about}")
        lines.append(f"# TYPE {name} gauge")
        for point in points:
            words = {**common, **point.labels}
            shown = ",".join(f'{key}="{_quoted(v)}"' for key, v in words.items())
            lines.append(f"{name}{{{shown}}} {_number(point.value)}")
    return "\n".join(lines) + "\n"


_Family = tuple[str, str, list[_Point]]  # name, what it is, values


def _metrics(run: Run, results: Sequence[AssertionResult]) -> Iterator[_Family]:
    groups = study_of(run).sides(run).groups(run.plan.confidence)
    yield _info(run)
    yield (
        "vestbench_run_start_timestamp_seconds",
        "When the run was started.",
        [_Point(labels={}, value=run.started.timestamp())],
    )
    yield (
        "vestbench_latency_seconds",
        "Quantiles of the latency; a failed request took forever.",
        [point for group in groups for point in _quantiles(group, "latency")],
    )
    yield (
        "vestbench_phase_seconds",
        "Median of each phase of a request.",
        [point for group in groups for point in _phases(group)],
    )
    yield _requests(groups)
    yield _failures(run)
    yield from _savings(run)
    rtt = round_trip_ms(run)
    yield (
        "vestbench_round_trip_seconds",
        "Round-trip time of the route.",
        [] if rtt is None else [_Point(labels={}, value=rtt / 1e3)],
    )
    yield _assertions(results)


def _info(run: Run) -> _Family:
    conditions = run.conditions
    labels = {
        "stack": conditions.stack,
        "strategy": conditions.strategy,
        "simulated": str(conditions.simulated).lower(),
        "host": conditions.host,
        "version": str(conditions.versions.get("vestbench", "")),
    }
    about = "What was measured, and by what; always 1."
    return "vestbench_run_info", about, [_Point(labels=labels, value=1.0)]


def _quantiles(group: Group, name: str) -> Iterator[_Point]:
    metric = group.metric(name)
    if metric is None:
        return
    for found in (metric.p50, metric.p90, metric.p99):
        # A high quantile of which only a lower bound is known is none.
        known = found.q == 0.5 or found.high is not None
        if known and found.point is not None:
            labels = {"group": group.name, "quantile": f"{found.q:g}"}
            yield _Point(labels=labels, value=found.point / 1e3)


def _phases(group: Group) -> Iterator[_Point]:
    for metric in group.metrics:
        if metric.name != "latency" and metric.p50.point is not None:
            labels = {"group": group.name, "phase": metric.name}
            yield _Point(labels=labels, value=metric.p50.point / 1e3)


def _requests(groups: Sequence[Group]) -> _Family:
    points = []
    for group in groups:
        metric = group.metric("latency")
        everything = metric.n if metric is not None else 0
        counts = {"answered": everything - group.failures, "failed": group.failures}
        points += [
            _Point(labels={"group": group.name, "outcome": outcome}, value=count)
            for outcome, count in counts.items()
        ]
    return "vestbench_requests", "Measured requests of the run.", points


def _failures(run: Run) -> _Family:
    counts: dict[str, int] = {}
    for failure in run.failures:
        counts[str(failure.kind)] = counts.get(str(failure.kind), 0) + 1
    points = [_Point(labels={"kind": kind}, value=n) for kind, n in counts.items()]
    return "vestbench_failures", "Failed requests of the run by kind.", points


def _savings(run: Run) -> Iterator[_Family]:
    """Yield the median saving and the ends of its interval, where there are enough."""
    found: dict[str, list[_Point]] = {}
    for course in study_of(run).settlings(run):
        if len(course.steps) < 2:  # a figure from n = 1 is never called a saving
            continue
        last = course.steps[-1].found
        scale, suffix = (1e3, "seconds") if course.unit == "ms" else (100.0, "ratio")
        ends = {"median": last.median_lo}
        if last.interval is not None:
            ends |= {"low": last.interval.low, "high": last.interval.high}
        points = found.setdefault(f"vestbench_saving_{suffix}", [])
        level = f"{course.confidence:g}"
        for bound, value in ends.items():
            labels = {"candidate": course.candidate, "bound": bound}
            points.append(
                _Point(labels={**labels, "confidence": level}, value=value / scale)
            )
    for name, points in found.items():
        yield name, "The saving: its median, and the ends of its interval.", points


def _assertions(results: Sequence[AssertionResult]) -> _Family:
    points = [
        _Point(
            labels={"assertion": result.text, "outcome": str(outcome)},
            value=float(result.outcome is outcome),
        )
        for result in results
        for outcome in Verdict
    ]
    about = "1 for the outcome that an assertion has, 0 for the others."
    return "vestbench_assertion", about, points


def _quoted(text: str) -> str:
    """Return the value of a label; what is not printable would hide in a dashboard."""
    shown = "".join(c if c.isprintable() else "�" for c in text)
    return shown.replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    if isfinite(value):
        return repr(round(float(value), 9))
    return "+Inf" if value == inf else "-Inf"
