"""Deriving something from a run once.

The result file, the tables, each assertion and each export ask for the summary of the
same run, and reading a million requests takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import ref

from vestbench.model.run import Run

R = TypeVar("R", bound=Run)
T = TypeVar("T")


def once_for_each_run(derive: Callable[[R], T]) -> Callable[[R], T]:
    """Keep what `derive` returned for the run that it was last called with.

    Only the same object counts as the same run: comparing requests takes as long as
    deriving from them. The run is not kept in memory.
    """
    latest: tuple[ref[R], T] | None = None

    @wraps(derive)
    def derived(run: R) -> T:
        nonlocal latest
        known = latest
        if known is None or known[0]() is not run:
            known = latest = (ref(run), derive(run))
        return known[1]

    return derived
