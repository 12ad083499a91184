"""One execution: the only source of truth for tables, pictures and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vestbench.model.request import Failure, Outcome, Sample


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Run:
    """One execution: the only source of truth for tables, pictures and verdicts."""

    command: str
    label: str
    started: datetime
    plan: Mapping[str, Any]  # what was asked for
    conditions: Mapping[str, Any]  # what was known before the first request
    samples: Sequence[Sample]  # a tuple, or a `Spool` of too many for memory
    failures: Sequence[Failure]
    conclusion: Mapping[str, Any]  # what was known at the end

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The samples, then the failures, all in memory."""
        return (*self.samples, *self.failures)

    @property
    def interrupted(self) -> bool:
        """True when the run ended before its plan did, by a signal."""
        return bool(self.conclusion.get("interrupted", False))
