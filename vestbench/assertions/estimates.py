"""What is known of a quantity, with the interval that an assertion is decided on."""

from __future__ import annotations

from math import inf
from typing import Any

from vestbench.assertions.grammar import Unit
from vestbench.model.record import Record
from vestbench.model.verdict import Verdict
from vestbench.stats.decision import MedianSummary
from vestbench.stats.quantiles import share_interval


class Estimate(Record, frozen=True, kw_only=True):
    """What is known of a quantity, in the unit that it is asked for in."""

    value: float | None = None  # the point estimate; None where there is none
    low: float = -inf  # the ends of its interval, infinite where they are open
    high: float = inf
    n: int = 0  # how many it rests on
    n_of: str = "request"  # of what: request, session or round
    needed: int = 0  # how many would close the interval; 0 if that is no matter of n
    # What there is to say whatever the interval is, and why.
    settled: tuple[Verdict, str] | None = None
    unreliable: bool = False  # the candidate fails too often for its saving to pass


_MEDIANS = {Unit.MS: "saving", Unit.PERCENT: "percent", Unit.ROUND_TRIPS: "round_trips"}


def in_unit(summary: Any, unit: Unit) -> MedianSummary | None:
    """Return the median saving of a summary in a unit, if it has one."""
    found: MedianSummary | None = getattr(summary, _MEDIANS[unit])
    return found


def invalid(why: str) -> Estimate:
    """Return an estimate without a figure: only why there is none."""
    return Estimate(settled=(Verdict.INVALID, why))


def counted(count: int, total: int) -> Estimate:
    """Return a count as a fact of this run."""
    return Estimate(value=count, low=count, high=count, n=total)


def share(count: int, total: int, confidence: float, *, exact: bool) -> Estimate:
    """Return a share in percent.

    `exact` is the share of these requests, a fact; otherwise they are a sample of those
    to come.
    """
    if not total:
        return invalid("there was no such request")
    value = 100 * count / total
    low, high = value, value
    if not exact:
        ends = share_interval(count, total, confidence)
        low, high = 100 * ends[0], 100 * ends[1]
    return Estimate(value=value, low=low, high=high, n=total)


def of_median(
    found: MedianSummary | None,
    rounds: int,
    least: int,
    *,
    unreliable: bool,
    noun: str = "round",
) -> Estimate:
    """Return a median saving, of `least` rounds at least, with its interval.

    That interval holds at every look from the 12th round on, so any value may be held
    against it. `noun` is what a round is called, such as "session".
    """
    if found is None:
        return invalid("there is no saving in this unit")
    exact = found.median_lo == found.median_hi
    few = f"at least {least} {noun}s are needed"
    return Estimate(
        value=found.median_lo if exact else None,
        low=found.interval.low if found.interval is not None else -inf,
        high=found.interval.high if found.interval is not None else inf,
        n=rounds,
        n_of=noun,
        settled=(Verdict.INCONCLUSIVE, few) if rounds < least else None,
        unreliable=unreliable,
    )
