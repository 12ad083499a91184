"""Any run as it is shown: by its study, with what it asserts judged."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from vestbench.model.run import Run
from vestbench.report.machine import finite, plain_values
from vestbench.studies.judging import asserted_of, assertions_of
from vestbench.studies.registry import study_of
from vestbench.studies.stored import summary_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet


def show_run(run: Run) -> Sheet:
    """Return the whole report of any run."""
    return study_of(run).sheet(run, asserted_of(run))


def show_brief(run: Run) -> RenderableType:
    """Return the verdict of any run."""
    return study_of(run).brief(run, asserted_of(run))


def document(run: Run, file: str) -> dict[str, Any]:
    """Return all of `run` but its single requests, which are in `file`, for JSON.

    An infinite value (an open end of an interval, or the latency of a failed request)
    is null, because JSON has no infinity.
    """
    whole = {
        "format": 1,
        "command": run.command,
        "label": run.label,
        "started": run.started.astimezone(UTC).isoformat(),
        "file": file,
        "plan": run.plan.stored(),
        "conditions": run.conditions.stored(),
        "conclusion": run.conclusion.stored(),
        "summary": summary_of(run),
        "assertions": plain_values(assertions_of(run)),
    }
    cleaned: dict[str, Any] = finite(whole)
    return cleaned
