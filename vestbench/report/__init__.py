"""Runs as tables and pictures. Builds what is shown; never prints it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rich.console import RenderableType

from vestbench.errors import InvalidRunError
from vestbench.models import Run
from vestbench.report.bench import bench_brief, bench_report
from vestbench.report.compare import compare_brief, compare_report
from vestbench.report.connect import connect_brief, connect_report
from vestbench.report.machine import document
from vestbench.report.sheet import Sheet
from vestbench.report.stored import stored_report
from vestbench.report.warmup import warm_up_brief, warm_up_report

__all__ = ["guarded", "machine_document", "show_brief", "show_run", "stored_report"]

T = TypeVar("T")

_REPORTS: dict[str, tuple[Callable[[Run], Sheet], Callable[[Run], RenderableType]]] = {
    "bench": (bench_report, bench_brief),
    "compare": (compare_report, compare_brief),
    "connect": (connect_report, connect_brief),
    "warmup": (warm_up_report, warm_up_brief),
}


# What code that trusts a run raises when a file was tampered with or is of no run.
_DAMAGED = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)


def show_run(run: Run) -> Sheet:
    """Return the whole report of any run.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    show = _shows(run)[0]
    return guarded(lambda: show(run))


def show_brief(run: Run) -> RenderableType:
    """Return the verdict of any run.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    show = _shows(run)[1]
    return guarded(lambda: show(run))


def machine_document(run: Run, file: str) -> dict[str, Any]:
    """Return the document of `--json` for any run.

    Raises:
        InvalidRunError: The run holds something that no run of ours would.
    """
    _shows(run)
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
    if run.command not in _REPORTS:
        raise InvalidRunError(f"this version knows no report for {run.command!r}")
    return _REPORTS[run.command]
