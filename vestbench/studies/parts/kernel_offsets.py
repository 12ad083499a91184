"""What the measuring host adds to the wire window, by the kernel's timestamps."""

from __future__ import annotations

from vestbench.model.record import Record
from vestbench.model.request import NS_PER_MS
from vestbench.model.run import Run
from vestbench.stats.distribution import Distribution
from vestbench.stats.metrics import Metric, metric


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
