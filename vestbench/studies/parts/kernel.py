"""What the measuring host adds to the wire window, by the kernel's timestamps."""

from __future__ import annotations

from collections.abc import Iterator

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS
from vestbench.model.run import Run
from vestbench.report.sheet import Part, Table, Text
from vestbench.report.tables import figure_cells, figure_columns
from vestbench.report.units import level, ms, plural
from vestbench.stats.metrics import Metric, metric
from vestbench.stats.quantiles import Distribution


class KernelOffsets(Record, frozen=True, kw_only=True):
    """By how much the window of send and wait is wider than the wire, in ms.

    All three are of the same requests: those with both stamps. They are None where no
    request has both.
    """

    requests: int  # answered ones
    stamped: int  # with both stamps; the first on a TLS 1.3 connection never has
    before: Metric | None  # from the first write to the departure
    after: Metric | None  # from the arrival to the read
    both: Metric | None


def kernel_offsets(run: Run) -> KernelOffsets:
    """Return what the kernel's timestamps say of a run that asked for them."""
    before, after, both = Distribution(), Distribution(), Distribution()
    for sample in run.samples:
        send_ns, receive_ns = sample.kernel_send_ns, sample.kernel_receive_ns
        if send_ns is not None and receive_ns is not None:
            before.add(send_ns / NS_PER_MS)
            after.add(receive_ns / NS_PER_MS)
            both.add((send_ns + receive_ns) / NS_PER_MS)
    confidence = run.plan.confidence

    def found(name: str, values: Distribution) -> Metric | None:
        return metric(name, values, confidence) if len(values) else None

    return KernelOffsets(
        requests=len(run.samples),
        stamped=len(both),
        before=found("before", before),
        after=found("after", after),
        both=found("both", both),
    )


_FIGURES = ("requests", "p50", "p90", "p99", "min", "max")
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
