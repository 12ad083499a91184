"""What the jobs of all studies have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestbench.model.run import Run
from vestbench.running.job import Measurement


class StudyJob:
    """A job that sends nothing before its experiment, and sums up as its study does."""

    earlier: Run | None = None

    @property
    def recorded(self) -> int:
        """How many requests are measured; 0 if that is not known beforehand."""
        return 0

    def set_up(self, measurement: Measurement) -> Mapping[str, Any]:  # noqa: ARG002
        """Send nothing: what is discarded belongs to the experiment."""
        return {}

    def summary(self, run: Run) -> Mapping[str, Any]:
        """Return what the run found, as plain values, for readers of its file."""
        # Its import would keep the first request waiting.
        from vestbench.studies.document import summary_of

        return summary_of(run)
