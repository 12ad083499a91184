"""Notes below tables: signs in them, and what a stack does not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vestbench.model.run import Run
from vestbench.report.sheet import Text
from vestbench.stats.quantiles import QuantileEstimate, samples_needed


def dim(notes: Iterable[str]) -> Iterator[Text]:
    """Yield notes as they stand below a table."""
    return (Text(note, "dim") for note in notes)


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
