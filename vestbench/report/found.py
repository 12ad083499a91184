"""What documents are drawn from: a run, and what was derived from it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from vestbench.assertions.judge import AssertionResult
from vestbench.model.record import Record
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import Sheet

# What INCONCLUSIVE counts as.
Undecided: TypeAlias = Literal["fail", "neutral", "pass"]


class Found(Record, frozen=True, kw_only=True):
    """A run and what is said of it."""

    run: Run
    file: str  # where its requests are stored
    where: str  # its conditions in a few words: a figure without them says nothing
    sheet: Sheet
    results: tuple[AssertionResult, ...]  # of what was asserted
    verdict: Verdict | None  # on all of `results`; None where nothing was asserted
    undecided: Undecided
    kept: str  # as `where`, without what is another in each run, such as an address
    error: str = ""  # what ended the run, or why it has nothing to be judged by
