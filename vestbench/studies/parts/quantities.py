"""Quantities that runs of every study have: latencies, counts and shares of groups."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from math import inf

from vestbench.assertions.estimates import Estimate, counted, invalid, share
from vestbench.assertions.grammar import QUANTILES, Assertion, Unit
from vestbench.model.request import Outcome, Sample
from vestbench.stats.quantiles import samples_needed
from vestbench.studies.parts.groups import GroupTally

# Returns how many requests of a group are meant, and of how many.
Counted = Callable[[Iterable[Outcome]], tuple[int, int]]


def connections(requests: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many requests opened a connection, of those with a response."""
    return _counted(not o.reused for o in requests if isinstance(o, Sample))


def failures(requests: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many requests failed, of all."""
    return _counted(not isinstance(outcome, Sample) for outcome in requests)


def reused(requests: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many requests reused a connection, of all."""
    return _counted(bool(outcome.reused) for outcome in requests)


def requests(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many requests there are, twice."""
    return _counted(True for _ in outcomes)


def _counted(found: Iterable[bool]) -> tuple[int, int]:
    each = array("b", found)
    return sum(each), len(each)


COUNTED: Mapping[str, Counted] = {
    "connections": connections,
    "failures": failures,
    "reused": reused,
    "requests": requests,
}


def group_estimate(
    meant: Iterable[Outcome], assertion: Assertion, confidence: float
) -> Estimate:
    """Return what the requests of a group say of a latency, a count or a share."""
    if assertion.term.metric:
        return _latency(meant, assertion, confidence)
    found = COUNTED[assertion.term.about.name](meant)
    return of_count(found, assertion, confidence)


def of_count(
    found: tuple[int, int], assertion: Assertion, confidence: float
) -> Estimate:
    """Return a count and its total, in the unit that is asked for."""
    if assertion.unit is Unit.COUNT:
        return counted(*found)
    return share(*found, confidence, exact=assertion.about_all())


def _latency(
    outcomes: Iterable[Outcome], assertion: Assertion, confidence: float
) -> Estimate:
    tally = GroupTally()
    requests = 0
    for outcome in outcomes:
        requests += 1
        tally.add(outcome)
    found = tally.group(assertion.term.group, confidence).metric(assertion.term.metric)
    if found is None:
        phase = f" with a {assertion.term.metric} phase" if requests else ""
        return invalid(f"there was no {assertion.term.of} request{phase}")
    quantity = assertion.term.about.name
    if quantity == "max":
        return Estimate(value=found.high, low=found.high, high=found.high, n=found.n)
    estimate = {"p50": found.p50, "p90": found.p90, "p99": found.p99}[quantity]
    return Estimate(
        value=estimate.point,
        low=-inf if estimate.low is None else estimate.low,
        high=inf if estimate.high is None else estimate.high,
        n=estimate.n,
        needed=samples_needed(QUANTILES[quantity], confidence) * bool(estimate.missing),
    )
