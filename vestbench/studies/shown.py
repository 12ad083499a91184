"""The report of any run: what its study says, and what every report has."""

from __future__ import annotations

from vestbench.model.run import Run
from vestbench.report.sheet import GAP, Part, Sheet
from vestbench.report.tables import assertions_table
from vestbench.studies.judging import asserted_of
from vestbench.studies.parts.conditions import conditions_table, ending_lines
from vestbench.studies.registry import study_of


def show_run(run: Run) -> Sheet:
    """Return the whole report of any run."""
    found, asserted = study_of(run).findings(run), asserted_of(run)
    return Sheet(
        headline=(*found.headline, *ending_lines(run)),
        asserted=assertions_table(asserted) if asserted else None,
        conditions=conditions_table(run),
        parts=tuple(found.parts),
        warnings=tuple(found.warnings),
    )


def show_brief(run: Run) -> list[Part]:
    """Return the verdict of any run, without its tables."""
    parts: list[Part] = [*study_of(run).findings(run).headline, *ending_lines(run)]
    if asserted := asserted_of(run):
        parts += [GAP, assertions_table(asserted)]
    return parts
