"""The documents a run can be given out as, by the name of their format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vestbench.assertions.judge import AssertionResult
from vestbench.model.run import Run
from vestbench.report.html.page import html_page
from vestbench.report.junit import Undecided, junit_of
from vestbench.report.markdown import markdown_of
from vestbench.report.prometheus import prometheus_of
from vestbench.report.requests import rows_as_csv
from vestbench.report.sheet import Sheet
from vestbench.studies.document import document
from vestbench.studies.judging import assertions_of, verdict_of
from vestbench.studies.parts.conditions import label
from vestbench.studies.shown import show_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run and all that is said of it, derived once for all documents."""

    run: Run
    file: str  # where its requests are stored
    sheet: Sheet
    results: tuple[AssertionResult, ...]
    undecided: Undecided


def _html(found: Found) -> Iterator[str]:
    verdict = verdict_of(found.run, found.results)
    yield html_page(found.run, found.sheet, found.results, verdict)


def _markdown(found: Found) -> Iterator[str]:
    verdict = verdict_of(found.run, found.results)
    yield markdown_of(found.run, found.sheet, found.results, verdict)


def _csv(found: Found) -> Iterator[str]:
    return rows_as_csv(found.run, label(found.run))


def _json(found: Found) -> Iterator[str]:
    yield json.dumps(document(found.run, found.file), indent=2) + "\n"


def _junit(found: Found) -> Iterator[str]:
    yield junit_of(found.run, found.sheet, found.results, found.undecided)


def _prometheus(found: Found) -> Iterator[str]:
    yield prometheus_of(found.run, found.results)


FORMATS: dict[str, Callable[[Found], Iterator[str]]] = {
    "html": _html,
    "markdown": _markdown,
    "csv": _csv,
    "json": _json,
    "junit": _junit,
    "prometheus": _prometheus,
}


def found_in(
    run: Run,
    file: str,
    *,
    results: tuple[AssertionResult, ...] | None = None,
    undecided: Undecided = "fail",
) -> Found:
    """Return what the documents of `run` say.

    Args:
        run: What was measured.
        file: Where its requests are stored.
        results: What was asserted; None is what the run's own plan asks for.
        undecided: What an assertion that is not decided counts as.
    """
    sheet = show_run(run)
    if results is None:
        results = assertions_of(run)
    return Found(run=run, file=file, sheet=sheet, results=results, undecided=undecided)


def document_of(found: Found, name: str) -> Iterator[str]:
    """Return the document of the format called `name`, piece by piece."""
    return FORMATS[name](found)
