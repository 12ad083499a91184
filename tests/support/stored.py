"""Runs on their way to disk and back."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Semaphore
from typing import Any

from hypothesis import settings

from tests.support.command import PATIENCE_S
from vestbench.model.run import Run
from vestbench.results.writing import RunWriter

PROPERTY = settings(deadline=None, derandomize=True)


class Turns:
    """Stands for the waiting of a timer, which goes on one turn when it is told to."""

    def __init__(self) -> None:
        self._go, self._back = Semaphore(0), Semaphore(0)

    def __call__(self, over: Event, seconds: float) -> bool:
        assert seconds <= 0.5
        self._back.release()
        self._go.acquire()
        return over.is_set()

    def turn(self) -> None:
        """Let it look once, and return when it waits again."""
        assert self._back.acquire(timeout=PATIENCE_S), "there is no timer"
        self._go.release()
        assert self._back.acquire(timeout=PATIENCE_S), "the timer has ended"
        self._back.release()


def never(over: Event, seconds: float) -> bool:
    """Stand for the waiting of a timer that has nothing to do until all is over."""
    del seconds
    return over.wait()


def writer_of(
    run: Run, path: Path, clock: Any = lambda: 0.0, wait: Any = never
) -> RunWriter:
    return RunWriter(
        path,
        command=run.command,
        label=run.label,
        plan=run.plan,
        started=run.started,
        clock=clock,
        wait=wait,
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def partial_of(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
