"""The median request of each group, phase by phase, as its pictures show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vestbench.model.columns import COLUMNS
from vestbench.report.waterfall import PhaseRows
from vestbench.stats.metrics import Group


def phase_rows(groups: Iterable[Group], *, merged: bool) -> PhaseRows:
    """Return the median phases of each group that has phases.

    The client's own time is last: only its sum is known. `merged` makes one phase of
    the handshakes, which a relay cannot separate.
    """
    return [
        (group.name, list(_phases(group, merged=merged)))
        for group in groups
        if group.metric("client") is not None
    ]


def _phases(group: Group, *, merged: bool) -> Iterator[tuple[str, float]]:
    shaken = COLUMNS.shaken if merged else ()
    for column in COLUMNS.parts:
        name, duration = column.title, group.typical(column.title)
        if column.phase is None or duration is None:
            continue
        if name not in shaken:
            yield name, duration
        elif name == shaken[-1]:
            together = sum(group.typical(each) or 0.0 for each in shaken)
            yield "+".join(shaken), together
    yield "client", max(0.0, group.typical("client") or 0.0)
