"""Sentences, notes and small tables that several sheets show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median

from vestbench.model.request import Failure
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import (
    ACCEPTANCE_STYLES,
    GAP,
    Column,
    Part,
    Table,
    Text,
    numbers,
)
from vestbench.report.units import (
    ABSENT,
    interval,
    level,
    likelier,
    median_of,
    ms,
    plural,
)
from vestbench.stats.decision import MedianSummary, SavingSummary
from vestbench.stats.quantiles import QuantileEstimate, samples_needed


def saving_line(
    run: Run,
    subject: Text,
    saving: MedianSummary | None,
    *,
    count: int,
    unit: str,
    broken: str,
    per: str = "",
) -> Text:
    """Return `subject` with the saving in ms, or that none can be stated.

    The saving is the median of `count` units, such as sessions; `broken` is why the run
    is invalid, if it is.
    """
    if broken:
        line = Text("No saving can be stated, ", "bold")
        return line.append("INVALID", ACCEPTANCE_STYLES[Verdict.INVALID]).append(
            f": {broken}"
        )
    if saving is None or not saving.is_known:
        line = Text("No saving can be stated", "bold")
        return line.append(
            ": failures leave it open" if saving else f": no {unit} has both starts"
        )
    if count == 1:  # a figure from n = 1 is never called a saving
        line = Text(f"No saving can be stated from 1 {unit}", "bold")
        return line.append(f"; it differed by {median_of(saving)} ms.")
    line = subject.append(f"{median_of(saving)} ms", "bold")
    line.append(f"{per} ({level(run.plan.confidence)} {interval(saving.interval)}, ")
    return line.append(f"median of {plural(count, unit)})")


def counted_by_server(run: Run, line: Text) -> Text:
    """Return `line` with what the simulated exchange counted of the whole run."""
    counted = run.conclusion.server
    if counted is None:
        return line
    return line.append(
        f"; the exchange counted {counted.connections} connections and "
        f"{counted.requests} requests, with those before the measurement",
        "dim",
    )


def dim(notes: Iterable[str]) -> Iterator[Text]:
    """Yield notes as they stand below a table."""
    return (Text(note, "dim") for note in notes)


def evidence_text(found: SavingSummary, target: str, rounds: str) -> Text:
    """Return the evidence with what it means, for a target such as `50 ms`."""
    side = "above" if found.votes_pass >= found.votes_fail else "below"
    return Text(
        f"  evidence: the {rounds} are {likelier(found.evidence)} if the saving is "
        f"{side} {target} than if they were coin flips",
        "dim",
    )


PHASES_NOTE = "wait: until the answer's first byte; client: the HTTP library's own time"


def no_phases_note(run: Run) -> Iterator[str]:
    """Yield a note if the stack shows no phases."""
    if run.samples and all(sample.wait_ns is None for sample in run.samples):
        stack = run.conditions.stack or "this stack"
        yield f"{stack} shows only the whole call: its phases are not known"


def quantile_notes(
    shown: Iterable[QuantileEstimate], confidence: float
) -> Iterator[str]:
    """Explain the signs in the p90 and p99 that are shown, if there are any."""
    shown = list(shown)
    quantiles = (("p90", 0.9, 10), ("p99", 0.99, 100))
    bounds = [
        f"{name} needs {samples_needed(q, confidence)} requests"
        for name, q, _ in quantiles
        if any(e.q == q and e.point is not None and e.high is None for e in shown)
    ]
    if bounds:
        yield f"≥: only a lower bound; {', '.join(bounds)}"
    missing = [
        f"{name} needs {least} requests"
        for name, q, least in quantiles
        if any(e.q == q and e.point is None for e in shown)
    ]
    if missing:
        yield f"n/a: too few; {', '.join(missing)}"


def failures_parts(run: Run, *, by_arm: bool = False) -> Iterator[Part]:
    """Yield failures by kind with an example of each, if there are any."""
    if not run.failures:
        return
    columns: list[str | Column] = ["kind", *numbers("count"), "after ms", "example"]
    if by_arm:
        columns.insert(0, "strategy")
    table = Table("Failures", columns, layout="listed", title="Failures")
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in run.failures:
        arm = failure.slot.arm if by_arm else ""
        groups.setdefault((arm, str(failure.kind)), []).append(failure)
    for (arm, kind), found in sorted(groups.items()):
        after = median(failure.elapsed_ns for failure in found) / 1e6
        cells = (kind, str(len(found)), ms(after), found[0].detail)
        table.add_row(*([arm] if by_arm else []), *cells)
    yield from (GAP, table)


_CLIENT_COSTS = {
    "tls_context_ms": "TLS context",
    "default_context_ms": "with the usual trust store",
    "first_handshake_ms": "first TLS handshake on top",
}


def build_line(run: Run) -> Text:
    """Return a line that says what building the client took."""
    parts = []
    context = run.conditions.tls_context_ms
    if context is not None:
        parts.append(f"TLS context {ms(context)} ms, once")
    parts += _build_parts(run)
    first = run.conditions.first_handshake_ms
    if first is not None:
        parts.append(f"first TLS handshake of the process {ms(first)} ms more, once")
    usual = run.conditions.default_context_ms
    if usual is not None:
        parts.append(
            f"a TLS context with the usual trust store would be {ms(usual)} ms"
        )
    for stack, costs in run.conditions.clients.items():
        found = [f"{_CLIENT_COSTS[k]} {ms(v)} ms" for k, v in costs.stored().items()]
        if found:
            parts.append(f"{stack}: {', '.join(found)}")
    known = "; ".join(parts) or ABSENT
    return Text(f"building the client (in no figure above): {known}", "dim")


def _build_parts(run: Run) -> Iterator[str]:
    builds = run.conclusion.client_build_ms or ()
    owners = run.conclusion.client_build_stacks or [""] * len(builds)
    by_stack: dict[str, list[float]] = {}
    for owner, taken in zip(owners, builds, strict=True):
        by_stack.setdefault(owner, []).append(taken)
    for owner, found in by_stack.items():
        of = f" of {owner}" if owner else ""
        yield f"client object{of} {ms(median(found))} ms, median of {len(found)}"
