"""What the measuring host adds to the wire window, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.report.figures import figure_cells, figure_columns
from vestbench.report.sheet import Part, Table, Text
from vestbench.report.units import level, ms, plural
from vestbench.studies.parts.kernel_offsets import KernelOffsets

_FIGURES = ("n", "p50", "p90", "p99", "min", "max")
_ROWS = {
    "before": "first write to departure",
    "after": "arrival to the read",
    "both": "both",
}


def kernel_lines(found: KernelOffsets, confidence: float) -> Iterator[Part]:
    """Say what was found, and show how it is spread."""
    if found.both is None:
        yield Text(
            "No kernel timestamps came back: this host's network device, or what "
            "emulates it, gives none",
            "yellow",
        )
        return
    line = Text("This host adds ")
    middle = found.both.p50
    line.append(f"{ms(middle.point)} ms", "bold")
    line.append(" to the wire window, which is send and wait (")
    if middle.low is not None and middle.high is not None:
        line.append(f"{level(confidence)} [{ms(middle.low)}, {ms(middle.high)}], ")
    line.append(f"median of {plural(found.stamped, 'request')} by the kernel's ")
    yield line.append("timestamps)")
    yield _table(found, confidence)
    yield Text(
        "looking at the stamps costs time too, which is in it and in the latencies "
        "above; a run without --kernel-timestamps has no such cost",
        "dim",
    )
    missing = found.requests - found.stamped
    if missing:
        yield Text(
            f"not counted: {plural(missing, 'request')} without both stamps, such as "
            "the first on a connection of TLS 1.3, whose tickets arrive before the "
            "answer",
            "dim",
        )


def _table(found: KernelOffsets, confidence: float) -> Table:
    columns = ["what this host adds, ms", *figure_columns(confidence, *_FIGURES)]
    table = Table("What this host adds to the wire window", columns)
    for row in (found.before, found.after, found.both):
        if row is not None:
            table.add_row(_ROWS[row.name], *figure_cells(row, *_FIGURES))
    return table
