"""The documents a run can be given out as, each a text, by the name of its format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from vestbench.models import Run
from vestbench.report import guarded, machine_document, show_run
from vestbench.report.asserted import verdict_of
from vestbench.report.html.page import html_page
from vestbench.report.junit import Undecided, junit_of
from vestbench.report.markdown import markdown_of
from vestbench.report.prometheus import prometheus_of
from vestbench.report.requests import rows_as_csv
from vestbench.report.sheet import Sheet
from vestbench.stats.assertions import AssertionResult, assertions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A run and all that is said of it, derived once for all documents."""

    run: Run
    file: str  # where its requests are stored
    sheet: Sheet
    results: tuple[AssertionResult, ...]
    undecided: Undecided


def _html(found: Found) -> str:
    verdict = verdict_of(found.run, found.results)
    return html_page(found.run, found.sheet, found.results, verdict)


def _markdown(found: Found) -> str:
    verdict = verdict_of(found.run, found.results)
    return markdown_of(found.run, found.sheet, found.results, verdict)


def _json(found: Found) -> str:
    return json.dumps(machine_document(found.run, found.file), indent=2) + "\n"


FORMATS: dict[str, Callable[[Found], str]] = {
    "html": _html,
    "markdown": _markdown,
    "csv": lambda found: rows_as_csv(found.run),
    "json": _json,
    "junit": lambda found: junit_of(
        found.run, found.sheet, found.results, found.undecided
    ),
    "prometheus": lambda found: prometheus_of(found.run, found.results),
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

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    sheet = show_run(run)
    if results is None:
        results = guarded(lambda: assertions_of(run))
    return Found(run=run, file=file, sheet=sheet, results=results, undecided=undecided)


def document_of(found: Found, name: str) -> str:
    """Return the document of the format called `name`.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    return guarded(lambda: FORMATS[name](found))
