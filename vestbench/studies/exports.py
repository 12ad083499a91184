"""The documents of a run, each made from what its study says."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.report.found import Found, Undecided
from vestbench.report.har import har_of
from vestbench.report.html.page import html_page
from vestbench.report.junit import junit_of
from vestbench.report.machine import json_text
from vestbench.report.markdown import markdown_of
from vestbench.report.prometheus import prometheus_of
from vestbench.report.requests import rows_as_csv
from vestbench.studies.document import document
from vestbench.studies.judging import (
    assertions_of,
    error_of,
    settlings_of,
    verdict_of,
)
from vestbench.studies.parts.conditions import label
from vestbench.studies.parts.route import round_trip_ms
from vestbench.studies.registry import study_of
from vestbench.studies.shown import show_run


def html(found: Found) -> Iterator[str]:
    """Yield a page."""
    run, study = found.run, study_of(found.run)
    yield html_page(
        found,
        phases=study.phases(run),
        latencies_ms=study.sides(run).latencies(),
        settlings=settlings_of(run),
    )


def markdown(found: Found) -> Iterator[str]:
    """Yield GitHub's Markdown."""
    yield markdown_of(found)


def rows(found: Found) -> Iterator[str]:
    """Yield CSV."""
    return rows_as_csv(found.run, found.where)


def json_document(found: Found) -> Iterator[str]:
    """Yield the document of `--json`."""
    yield json_text(document(found.run, found.file))


def junit(found: Found) -> Iterator[str]:
    """Yield JUnit XML."""
    yield junit_of(found)


def prometheus(found: Found) -> Iterator[str]:
    """Yield metrics."""
    run, study = found.run, study_of(found.run)
    yield prometheus_of(
        found,
        groups=study.sides(run).groups(run.plan.confidence),
        settlings=settlings_of(run),
        connections=study.counted(run),
        rtt_ms=round_trip_ms(run),
    )


def har(found: Found) -> Iterator[str]:
    """Yield HAR."""
    yield from har_of(found.run, found.where, study_of(found.run).sent(found.run))


def found_in(
    run: Run,
    file: str,
    *,
    results: tuple[AssertionResult, ...] | None = None,
    undecided: Undecided = "fail",
) -> Found:
    """Return what the documents of `run` say; without `results`, its plan is judged."""
    if results is None:
        results = assertions_of(run)
    return Found(
        run=run,
        file=file,
        where=label(run),
        sheet=show_run(run),
        results=results,
        verdict=verdict_of(run, results),
        undecided=undecided,
        kept=label(run, addresses=False),
        error=error_of(run),
    )
