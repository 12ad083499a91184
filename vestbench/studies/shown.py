"""The report of any run: what its study says, and what every report has."""

from __future__ import annotations

from vestbench.model.run import Run
from vestbench.report.sheet import GAP, Part, Sheet, Text
from vestbench.report.tables import assertions_table
from vestbench.studies.base import Findings
from vestbench.studies.judging import asserted_of
from vestbench.studies.parts.conditions import conditions_table, ending_lines
from vestbench.studies.parts.lines import build_line, failures_parts
from vestbench.studies.parts.warnings import notes_of
from vestbench.studies.registry import study_of


def show_run(run: Run) -> Sheet:
    """Return the whole report of any run."""
    found, asserted = _findings(run), asserted_of(run)
    return Sheet(
        headline=(*found.headline, *ending_lines(run)),
        asserted=assertions_table(asserted) if asserted else None,
        conditions=conditions_table(run),
        parts=tuple(found.parts),
        warnings=tuple(found.warnings),
    )


def show_brief(run: Run) -> list[Part]:
    """Return the verdict of any run, without its tables."""
    parts: list[Part] = [*_findings(run).headline, *ending_lines(run)]
    if asserted := asserted_of(run):
        parts += [GAP, assertions_table(asserted)]
    return parts


def warnings_of(run: Run) -> tuple[str, ...]:
    """Return what the report of any run warns of, without its tables."""
    return tuple(_findings(run).warnings)


def _findings(run: Run) -> Findings:
    """Return what the study says of `run`, or why there is nothing to say."""
    study = study_of(run)
    why = study.unanswered(run)
    if not why:
        return study.findings(run)
    return Findings(
        headline=[Text("No saving: ", "bold").append(why)],
        parts=[*[*failures_parts(run)][1:], GAP, build_line(run)],
        warnings=notes_of(run),
    )
