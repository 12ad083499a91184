"""Runs on their way to disk and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import settings

from vestbench.model.run import Run
from vestbench.results.writing import RunWriter

PROPERTY = settings(deadline=None, derandomize=True)


def writer_of(run: Run, path: Path, clock: Any = lambda: 0.0) -> RunWriter:
    return RunWriter(
        path,
        command=run.command,
        label=run.label,
        plan=run.plan,
        started=run.started,
        clock=clock,
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def partial_of(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
