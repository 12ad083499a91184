"""The sentence in which a report says what was saved."""

from __future__ import annotations

from vestbench.model.run import Run
from vestbench.report.sheet import Text
from vestbench.report.units import interval, level, median_of, plural
from vestbench.stats.decision import MedianSummary


def saving_line(
    run: Run,
    subject: Text,
    saving: MedianSummary,
    *,
    count: int,
    unit: str,
    per: str = "",
) -> Text:
    """Return `subject` with the saving in ms, or that none can be stated.

    The saving is the median of `count` units, such as sessions.
    """
    if count == 1:  # a figure from n = 1 is never called a saving
        line = Text(f"No saving can be stated from 1 {unit}", "bold")
        return line.append(f"; it differed by {median_of(saving)} ms.")
    line = subject.append(f"{median_of(saving)} ms", "bold")
    line.append(f"{per} ({level(run.plan.confidence)} {interval(saving.interval)}, ")
    return line.append(f"median of {plural(count, unit)})")
