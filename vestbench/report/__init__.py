"""Runs as tables and pictures. Builds what is shown; never prints it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from vestbench.errors import InvalidRunError
from vestbench.model.run import Run

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vestbench.report.sheet import Sheet

__all__ = [
    "brief_of",
    "guarded",
    "machine_document",
    "report_of",
    "show_brief",
    "show_run",
]

T = TypeVar("T")

# What code that trusts a run raises when a file was tampered with or is of no run.
_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


def show_run(run: Run) -> Sheet:
    """Return the whole report of any stored run.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    show = _shows(run)[0]
    return guarded(lambda: show(run))


def show_brief(run: Run) -> RenderableType:
    """Return the verdict of any stored run.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    show = _shows(run)[1]
    return guarded(lambda: show(run))


def report_of(run: Run) -> Sheet:
    """Return the whole report of a run that was just measured."""
    return _shows(run)[0](run)


def brief_of(run: Run) -> RenderableType:
    """Return the verdict of a run that was just measured."""
    return _shows(run)[1](run)


def machine_document(run: Run, file: str) -> dict[str, Any]:
    """Return the document of `--json` for any run.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    _shows(run)
    from vestbench.report.machine import document

    return guarded(lambda: document(run, file))


def guarded(build: Callable[[], T]) -> T:
    """Return what `build` makes of stored runs.

    Raises:
        InvalidRunError: They hold something that no run of ours would.
    """
    try:
        return build()
    except _DAMAGED as error:
        what = f"{type(error).__name__}: {error}"
        raise InvalidRunError(
            f"the result cannot be shown, its plan or conditions are damaged ({what})"
        ) from error


def _shows(
    run: Run,
) -> tuple[Callable[[Run], Sheet], Callable[[Run], RenderableType]]:
    # Each of them takes longer to import than to build: only the one that is shown.
    if run.command == "bench":
        from vestbench.studies.bench.sheet import bench_brief, bench_report

        return bench_report, bench_brief
    if run.command == "compare":
        from vestbench.studies.compare.sheet import compare_brief, compare_report

        return compare_report, compare_brief
    if run.command == "connect":
        from vestbench.studies.starts.connect_sheet import connect_brief, connect_report

        return connect_report, connect_brief
    if run.command == "warmup":
        from vestbench.studies.starts.warmup_sheet import warm_up_brief, warm_up_report

        return warm_up_report, warm_up_brief
    raise InvalidRunError(f"this version knows no report for {run.command!r}")
