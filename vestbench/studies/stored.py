"""The summary of a run as plain values: for its file, and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vestbench.model.run import Run
from vestbench.report.machine import plain_values
from vestbench.studies.registry import study_of


def summary_of(run: Run) -> Mapping[str, Any]:
    """Return the summary of `run` as nested plain values, for JSON or TOML.

    What does not exist is left out, rather than null: TOML has none.
    """
    found: Mapping[str, Any] = plain_values(study_of(run).summarise(run))
    return found
