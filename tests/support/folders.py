"""Folders of stored runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.support.records import bench_run, sample, store
from vestbench.model.request import Role
from vestbench.model.run import Run
from vestbench.results.naming import result_path
from vestbench.studies.document import summary_of


def broken(day: int = 0) -> Run:
    """Return a bench run whose pool kept nothing."""
    outcomes = [
        sample(n, k, role=Role.SUBSEQUENT if k else Role.COLD, connection=3 * n + k)
        for n in range(20)
        for k in range(3)
    ]
    run = bench_run(outcomes)
    return replace(run, started=run.started + timedelta(days=day))


def stored(folder: Path, run: Run) -> Path:
    path = result_path(folder, run.command, run.label, run.started)
    return store(run, path, summary_of(run))
