"""What a Python program gets of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vestbench.assertions.judge import AssertionResult
from vestbench.history.series import entry_of
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.tables import sentence_of
from vestbench.report.terminal import as_text
from vestbench.stats.decision import MedianSummary
from vestbench.studies.judging import assertions_of, verdict_of
from vestbench.studies.shown import show_run


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """A run, and what it says of what it was asked."""

    run: Run
    path: Path | None = None  # where it is kept; None if it is not

    @property
    def assertions(self) -> tuple[AssertionResult, ...]:
        """The acceptance, one for each pair of arms, and each assertion."""
        return assertions_of(self.run)

    @property
    def acceptance(self) -> Verdict:
        """The verdict on all that was asked: the worst of it."""
        return verdict_of(self.run, self.assertions) or Verdict.INVALID

    @property
    def passed(self) -> bool:
        """True if everything that was asked is met; doubt is no pass."""
        return self.acceptance is Verdict.PASS

    @property
    def saving(self) -> MedianSummary | None:
        """The median saving in ms and its interval; of the first candidate.

        None if the run is invalid, or has a single round only.
        """
        return entry_of(self.run).saving

    def report(self, width: int = 100) -> str:
        """Return the tables of the command as text."""
        return as_text(show_run(self.run), width)

    def __repr__(self) -> str:
        asked = "; ".join(map(sentence_of, self.assertions))
        return f"<Result {self.acceptance}: {self.run.label}, {asked}>"
