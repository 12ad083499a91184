"""What is asserted of a run, each assertion decided on its interval, not its point.

Nothing here knows a study: what a run has is handed in.
"""

from __future__ import annotations

from math import isfinite

from vestbench.assertions.estimates import Estimate
from vestbench.assertions.grammar import Assertion
from vestbench.model.record import Record
from vestbench.model.verdict import Reason, Verdict
from vestbench.stats.decision import MedianSummary
from vestbench.stats.quantiles import samples_needed


class AssertionResult(Record, frozen=True, kw_only=True):
    """One assertion, and what the run says of it."""

    text: str  # as it was asked for, such as "saving >= 50ms"
    quantity: str  # what was measured, such as "saving"
    unit: str  # of the values: "ms", "%", "round trips", or empty for a count
    outcome: Verdict
    value: float | None  # the point estimate; None where there is none
    low: float | None  # the ends of its interval; None where it is open
    high: float | None
    n: int  # how many it rests on
    n_of: str  # of what: request, session or round
    reason: str = ""  # why it is undecided or invalid, where the values do not say it
    reason_code: str = ""  # for machines: what `reason` is about, of an acceptance
    is_acceptance: bool = False  # what the run itself was to reach, not a further claim


def decided(
    asserted: Assertion,
    name: str,
    found: Estimate,
    confidence: float,
    other: Estimate | None = None,
) -> AssertionResult:
    """Return what an estimate says of an assertion; `name` is the full name.

    Two intervals decide only where no value of one is on both sides of the other's,
    which is wrong no more often than one of the intervals is.
    """
    outcome, reason = _decide(asserted, found, confidence, other)
    return AssertionResult(
        text=f"{name} {asserted.operator} {asserted.against}",
        quantity=name,
        unit=str(asserted.unit),
        outcome=outcome,
        value=None if found.value is None else _known(found.value),
        low=_known(found.low),
        high=_known(found.high),
        n=found.n,
        n_of=found.n_of,
        reason=reason,
    )


def _decide(
    asserted: Assertion, found: Estimate, confidence: float, other: Estimate | None
) -> tuple[Verdict, str]:
    for each in (found, other):
        if each is not None and each.settled is not None:
            return each.settled
    limits = [float(asserted.limit)] if other is None else [other.low, other.high]
    holds = asserted.operator.decide(found.low, found.high, *limits)
    if holds is None:
        return Verdict.INCONCLUSIVE, _undecided(asserted, found, confidence)
    if not holds:
        return Verdict.FAIL, ""
    if found.unreliable:
        return Verdict.INCONCLUSIVE, Reason.UNRELIABLE.sentence
    return Verdict.PASS, ""


def _undecided(asserted: Assertion, found: Estimate, confidence: float) -> str:
    for end, name in ((found.high, "upper"), (found.low, "lower")):
        if not isfinite(end) and found.needed:
            return f"the {name} bound needs {found.needed} requests"
        if not isfinite(end):
            return f"failures leave the {name} bound open"
    both = f"the interval reaches to both sides of {asserted.against}"
    if asserted.is_share and asserted.other is None and found.value in (0, 100):
        # Without a single request to the contrary so many would do.
        needed = samples_needed(float(asserted.limit / 100), confidence)
        return f"{both}; that takes {needed} requests at least"
    return both


def accepted(
    quantity: str,
    target: str,
    acceptance: Verdict,
    why: Reason,
    found: MedianSummary | None,
    n: int,
    *,
    noun: str = "round",
    said: str = "",
) -> AssertionResult:
    """Return what a run says of the saving that it was to reach itself.

    `found` is the median in the unit of `target`, such as `50ms` or `30%`, over `n`
    rounds, or what `noun` calls them. `said` is the reason with the figures of the
    run, if that is more than the sentence of `why`.
    """
    interval = found.interval if found is not None else None
    exact = found is not None and found.median_lo == found.median_hi
    return AssertionResult(
        text=f"{quantity} >= {target}",
        quantity=quantity,
        unit="%" if target.endswith("%") else "ms",
        outcome=acceptance,
        value=_known(found.median_lo) if found is not None and exact else None,
        low=_known(interval.low) if interval is not None else None,
        high=_known(interval.high) if interval is not None else None,
        n=n,
        n_of=noun,
        reason=said or why.sentence,
        reason_code=str(why),
        is_acceptance=True,
    )


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
