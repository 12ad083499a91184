"""What is said about a link: why there is none, how it ended, what it did."""

from __future__ import annotations

import sys
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from vestbench.errors import ExitCode, LabError, UsageError
from vestbench.model.simulated import LinkReport, LinkSpec, Refusal
from vestbench.simulator.link.machine import NOT_LINUX_HINT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vestbench.simulator.link.messages import LinkAccount

ENGINES = ("packet", "tun", "relay")  # from the best to the last resort
TOLERANCE_MS = 0.5  # of the kernel's round trip at the median


class NoLinkError(LabError):
    """No engine that was allowed can emulate the link; `refusals` says why."""

    exit_code = ExitCode.USAGE  # of this machine too much is asked, of no venue

    def __init__(self, spec: LinkSpec, refusals: Sequence[Refusal]) -> None:
        super().__init__(explain(spec, refusals))
        self.refusals = tuple(refusals)


def validate(spec: LinkSpec) -> None:
    """Make sure that the values of a specification are in range.

    Raises:
        UsageError: One is not.
    """
    if spec.engine not in ("auto", *ENGINES):
        known = ", ".join(("auto", *ENGINES))
        raise UsageError(f"no link engine is called {spec.engine!r}; choose {known}")
    if not 0 <= spec.rtt_ms <= 60_000:
        raise UsageError(f"a round trip of {spec.rtt_ms:g} ms is not in 0 to 60000 ms")
    if not 0 <= spec.loss < 1:
        raise UsageError(f"a loss of {spec.loss:g} is not a probability below 1")
    if not 0 <= spec.jitter_ms <= 60_000:
        raise UsageError(f"a jitter of {spec.jitter_ms:g} ms is not in 0 to 60000 ms")


def unfit(engine: str, spec: LinkSpec) -> Refusal | None:
    """Say without trying why an engine cannot do what is asked for."""
    step = "platform"
    if engine == "relay" and spec.loss:
        step, code = "loss", "loss-needs-packets"
        hint = "a relay cannot lose packets; leave the loss at 0"
    elif engine != "relay" and sys.platform != "linux":
        code, hint = "not-linux", NOT_LINUX_HINT
    else:
        return None
    return Refusal(engine=engine, step=step, code=code, hint=hint)


def explain(spec: LinkSpec, refusals: Sequence[Refusal]) -> str:
    """Say in one line why there is no link."""
    reasons = []
    # Of two engines that have the same hint, one has it; a relay loses nothing.
    said = {NOT_LINUX_HINT} if spec.loss else set()
    for refusal in refusals:
        number = f" ({refusal.errno})" if refusal.errno else ""
        hint = f", {refusal.hint}" if {refusal.hint} - {"", *said} else ""
        said.add(refusal.hint)
        reasons.append(
            f"{refusal.engine}: {refusal.step}: {refusal.code}{number}{hint}"
        )
    if spec.loss and refusals[-1].code == "loss-needs-packets":
        return f"loss needs a packet link: {'; '.join(reasons)}"
    return f"no link can be emulated here: {'; '.join(reasons)}"


def complete(
    report: LinkReport, account: LinkAccount | None, failure: str
) -> LinkReport:
    """Complete the report of a link that was ended.

    Args:
        report: What its parent knows.
        account: What the link process says it did; None when it said nothing.
        failure: How it ended when it was not asked to; empty when it was.
    """
    if account is None:
        reason = failure or "the link gave no account of itself"
        return replace(report, disturbed=reason)
    report = replace(report, **vars(account))
    return replace(report, disturbed=_disturbance(report))


def _disturbance(report: LinkReport) -> str:
    """Say why a link that lived to the end cannot be trusted; empty when it can."""
    if report.overflow:
        return f"{report.overflow} packets were lost in a full queue"
    spec = report.spec
    rtts = report.kernel_rtt_before_ms + report.kernel_rtt_after_ms
    if not rtts or spec.jitter_ms or spec.loss or spec.drift_ms_per_s:
        return ""
    if median(abs(rtt - spec.rtt_ms) for rtt in rtts) <= TOLERANCE_MS:
        return ""
    return (
        f"the kernel measured a round trip of {median(rtts):.2f} ms, "
        f"configured are {spec.rtt_ms:g} ms"
    )
