"""What the reports of warm-up and connect have in common: both compare two starts."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text

from vestbench.models import Run
from vestbench.report.asserted import asserted_of
from vestbench.report.building import build_line
from vestbench.report.conditions import conditions_table, failures_table
from vestbench.report.sheet import Sheet
from vestbench.report.warnings import link_warnings, notes_of
from vestbench.stats.groups import disturbed_samples


def starts_sheet(
    run: Run, headline: Iterable[Text], found: Iterable[RenderableType]
) -> Sheet:
    """Return the report of a run of starts, of which `found` is the part of its own."""
    parts: list[RenderableType] = [*found, ""]
    failures = failures_table(run)
    if failures is not None:
        parts += [failures, ""]
    parts.append(build_line(run))
    return Sheet(
        headline=tuple(headline),
        asserted=tuple(asserted_of(run)),
        conditions=conditions_table(run),
        parts=tuple(parts),
        warnings=(*notes_of(run), *link_warnings(run, disturbed_samples(run))),
    )
