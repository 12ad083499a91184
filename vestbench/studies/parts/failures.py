"""The failures of a run, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from vestbench.model.request import Failure
from vestbench.model.run import Run
from vestbench.report.sheet import GAP, Column, Part, Table, numbers
from vestbench.report.units import ms


def failures_parts(run: Run, *, by_arm: bool = False) -> Iterator[Part]:
    """Yield failures by kind with an example of each, if there are any."""
    if not run.failures:
        return
    columns: list[str | Column] = ["kind", *numbers("count"), "after ms", "example"]
    if by_arm:
        columns.insert(0, "arm")
    table = Table("Failures", columns, layout="listed", title="Failures")
    groups: dict[tuple[str, str], list[Failure]] = {}
    for failure in run.failures:
        arm = failure.slot.arm if by_arm else ""
        groups.setdefault((arm, str(failure.kind)), []).append(failure)
    for (arm, kind), found in sorted(groups.items()):
        after = median(failure.elapsed_ns for failure in found) / 1e6
        cells = (kind, str(len(found)), ms(after), found[0].detail)
        table.add_row(*([arm] if by_arm else []), *cells)
    yield from (GAP, table)
