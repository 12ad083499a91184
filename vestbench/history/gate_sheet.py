"""What was asserted of stored runs, and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vestbench.assertions.judge import AssertionResult
from vestbench.model.record import Record
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict, worst
from vestbench.report.asserted import assertions_table
from vestbench.report.sheet import ACCEPTANCE_STYLES, GAP, Part, Text
from vestbench.report.units import plural
from vestbench.studies.parts.conditions import ending_lines, label


class Judged(Record, frozen=True, kw_only=True):
    """A stored run with what was asserted of it."""

    file: str
    run: Run
    results: tuple[AssertionResult, ...]
    verdict: Verdict  # on all results


def gate_report(judged: Sequence[Judged]) -> Iterator[Part]:
    """Yield what was asserted of each stored run, and what that makes in all."""
    for found in judged:
        head = Text(found.file, "bold")
        head.append(f"  {found.run.command} {found.run.label}, ")
        yield head.append(label(found.run), "magenta")
        yield from ending_lines(found.run)
        yield from (assertions_table(found.results), GAP)
    yield from gate_brief(judged)[-1:]


def gate_brief(judged: Sequence[Judged]) -> list[Part]:
    """Return the verdict on each stored run, and on all of several."""
    lines = [(found.file, found.verdict) for found in judged]
    if len(judged) > 1:
        everything = worst([found.verdict for found in judged])
        lines.append((plural(len(judged), "result"), everything))
    return [
        Text(f"{what}: ").append(str(verdict), ACCEPTANCE_STYLES[verdict])
        for what, verdict in lines
    ]
