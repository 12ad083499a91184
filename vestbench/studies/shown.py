"""Any run as it is shown: by its study, with what it asserts judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vestbench.model.run import Run
from vestbench.studies.judging import asserted_of
from vestbench.studies.registry import study_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet


def show_run(run: Run) -> Sheet:
    """Return the whole report of any run."""
    return study_of(run).sheet(run, asserted_of(run))


def show_brief(run: Run) -> RenderableType:
    """Return the verdict of any run."""
    from rich.console import Group

    from vestbench.studies.parts.asserted import asserted_part

    return Group(*study_of(run).headline(run), *asserted_part(asserted_of(run)))
