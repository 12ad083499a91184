"""Documents of a command that measured nothing: each says why, in its own format.

Whoever reads a document of a job has to find the error there, and not an old document
or none, which would look as if all were well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from vestbench.model.formats import DOCUMENT_FORMAT
from vestbench.model.record import Record
from vestbench.report.har import empty_har
from vestbench.report.html.page import error_page
from vestbench.report.junit import error_suite
from vestbench.report.machine import json_text, plain_document
from vestbench.report.markdown import escaped
from vestbench.report.prometheus import error_metrics
from vestbench.report.requests import header


class Unmeasured(Record, frozen=True, kw_only=True):
    """What is known of a command that measured nothing."""

    format: Literal[2] = DOCUMENT_FORMAT
    command: str
    error: str  # in a sentence, as on stderr
    exit_code: int
    started: datetime
    venue: str = ""  # empty where the error came before it was known
    endpoint: str = ""


def html(found: Unmeasured) -> Iterator[str]:
    """Yield a page."""
    yield error_page(found.command, found.error, found.started)


def markdown(found: Unmeasured) -> Iterator[str]:
    """Yield GitHub's Markdown."""
    yield f"### ⚠️ vestbench {escaped(found.command)}: nothing was measured\n\n"
    yield f"{escaped(found.error)}\n"


def rows(found: Unmeasured) -> Iterator[str]:
    """Yield the header of CSV: there is no request."""
    del found
    yield header()


def json_document(found: Unmeasured) -> Iterator[str]:
    """Yield the document of `--json`."""
    yield json_text(plain_document(found))


def junit(found: Unmeasured) -> Iterator[str]:
    """Yield JUnit XML."""
    yield error_suite(found.command, found.error, found.started)


def prometheus(found: Unmeasured) -> Iterator[str]:
    """Yield metrics."""
    yield error_metrics(found.command, found.venue, found.endpoint, found.started)


def har(found: Unmeasured) -> Iterator[str]:
    """Yield HAR without a request."""
    yield from empty_har(found.error)


def plain_text(found: Unmeasured) -> Iterator[str]:
    """Yield the error alone, for a format that has no place of its own for it."""
    yield f"error: {found.error}\n"
