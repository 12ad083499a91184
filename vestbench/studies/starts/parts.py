"""What the reports of warm-up and connect have in common: both compare two starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.text import Text

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.report.sheet import Sheet
from vestbench.studies.parts.asserted import asserted_part
from vestbench.studies.parts.building import build_line
from vestbench.studies.parts.conditions import conditions_table, failures_table
from vestbench.studies.parts.groups import disturbed_samples
from vestbench.studies.parts.warnings import link_warnings, notes_of


def starts_sheet(
    run: Run,
    headline: Iterable[Text],
    found: Iterable[RenderableType],
    asserted: Sequence[AssertionResult],
) -> Sheet:
    """Return the report of a run of starts, of which `found` is the part of its own."""
    parts: list[RenderableType] = [*found, ""]
    failures = failures_table(run)
    if failures is not None:
        parts += [failures, ""]
    parts.append(build_line(run))
    return Sheet(
        headline=tuple(headline),
        asserted=tuple(asserted_part(asserted)),
        conditions=conditions_table(run),
        parts=tuple(parts),
        warnings=(*notes_of(run), *link_warnings(run, disturbed_samples(run))),
    )
