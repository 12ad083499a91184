"""The quantities of a run that something can be asserted of, each with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import inf
from typing import Any

from vestbench.assertions.grammar import QUANTILES, Unit
from vestbench.model.request import Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.stats.decision import MedianSummary
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.stats.quantiles import samples_needed
from vestbench.stats.shares import share_interval
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.rounds import first_look
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.parts.groups import (
    MAX_NOT_REUSED,
    Acceptance,
    GroupTally,
    Why,
    fails_too_often,
    side_of,
)
from vestbench.studies.starts.connect_summary import NOT_WARMED, WARMED
from vestbench.studies.starts.warmup_summary import summarise_warm_up

# Commands whose runs have a saving, and requests that should reuse a connection.
COMPARING = ("bench", "compare", "warmup")

_WARM_UP_GROUPS = {
    "warmed": Role.SUBSEQUENT,
    "not-warmed": Role.COLD,
    "warm-up": Role.WARM_UP,
}
_START_GROUPS = {"warmed": WARMED, "not-warmed": NOT_WARMED}

# Strategies that open a connection for each request, which they ought not to reuse.
_OPENING = ("unpooled", "resumed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of a quantity, in the unit that it is asked for in."""

    value: float | None = None  # the point estimate; None where there is none
    low: float = -inf  # the ends of its interval, infinite where they are open
    high: float = inf
    n: int = 0  # how many requests, sessions or rounds it rests on
    needed: int = 0  # how many would close the interval; 0 if that is no matter of n
    # What there is to say whatever the interval is, and why.
    settled: tuple[Acceptance, str] | None = None
    unreliable: bool = False  # the candidate fails too often for its saving to pass


def groups_of(command: str, plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the groups that a run of this plan has."""
    if command == "compare":
        return tuple(str(arm["label"]) for arm in plan["arms"])
    if command == "warmup":
        return tuple(_WARM_UP_GROUPS)
    if command == "connect":
        return (*_START_GROUPS, *map(str, plan["steps"]))
    return ("cold", "subsequent") if command == "bench" else ()


def requests_of(run: Run, group: str) -> Iterator[Outcome]:
    """Yield the requests that a group stands for, all of the run without one.

    Raises:
        ValueError: The run has no such group.
    """
    known = groups_of(run.command, run.plan)
    if group and group not in known:
        raise ValueError(f"there is no {group}, only {', '.join(known)}")
    everything: Iterable[Outcome] = chain(run.samples, run.failures)
    for outcome in everything:
        if not group or _is_of(run, group, outcome):
            yield outcome


def _is_of(run: Run, group: str, outcome: Outcome) -> bool:
    if run.command == "compare":
        return outcome.slot.arm == group
    if run.command == "warmup":
        return outcome.slot.role is _WARM_UP_GROUPS[group]
    if run.command == "connect":
        if group in _START_GROUPS:
            return outcome.slot.arm == _START_GROUPS[group]
        # The place of the warm-up is 0.
        return outcome.slot.index == 1 + list(run.plan["steps"]).index(group)
    reused = outcome.reused if isinstance(outcome, Sample) else side_of(outcome)
    return reused is (group == "subsequent")


# --- latencies -----------------------------------------------------------------------


def latency(run: Run, group: str, metric: str, quantity: str) -> Estimate:
    """Return a quantile of a phase, by order statistics; or the maximum, as it was."""
    if run.command == "compare":
        arm = next(arm for arm in summarise_compare(run).arms if arm.label == group)
        if not arm.valid:
            return invalid(f"{group} was not {arm.strategy}")
    tally = GroupTally()
    requests = 0
    for outcome in requests_of(run, group):
        requests += 1
        if isinstance(outcome, Sample):
            tally.add(outcome)
        else:
            tally.fail()
    confidence = float(run.plan["confidence"])
    found = tally.group(group, confidence).metric(metric)
    if found is None:
        phase = f" with a {metric} phase" if requests else ""
        return invalid(f"there was no {group} request{phase}")
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


# --- counts and shares ---------------------------------------------------------------


def connections(run: Run, group: str) -> tuple[int, int]:
    """Return how many requests opened a connection, of those with a response."""
    opened = [o.reused for o in requests_of(run, group) if isinstance(o, Sample)]
    return opened.count(False), len(opened)


def failures(run: Run, group: str) -> tuple[int, int]:
    """Return how many requests failed, of all."""
    failed = [not isinstance(outcome, Sample) for outcome in requests_of(run, group)]
    return failed.count(True), len(failed)


def reused(run: Run, group: str) -> tuple[int, int]:
    """Return how many requests reused a connection, of those that should have.

    Of a comparison without a group, those of all arms that keep connections open.
    """
    if run.command == "bench":
        reuse = summarise_bench(run).reuse
        return reuse.reused, reuse.expected
    found = [
        bool(outcome.reused)
        for outcome in requests_of(run, group)
        if group or _should_reuse(run, outcome)
    ]
    return found.count(True), len(found)


def _should_reuse(run: Run, outcome: Outcome) -> bool:
    if run.command != "compare":
        return outcome.slot.role is Role.SUBSEQUENT
    return any(
        arm["label"] == outcome.slot.arm and arm["strategy"] not in _OPENING
        for arm in run.plan["arms"]
    )


def counted(count: int, total: int) -> Estimate:
    """Return a count as a fact of this run."""
    return Estimate(value=count, low=count, high=count, n=total)


def share(count: int, total: int, confidence: float, *, exact: bool) -> Estimate:
    """Return a share in percent.

    Args:
        count: The requests in question.
        total: The requests in all.
        confidence: Of the interval.
        exact: Whether it is the share of these requests, a fact; otherwise they are a
            sample of those to come.
    """
    if not total:
        return invalid("there was no such request")
    value = 100 * count / total
    low, high = value, value
    if not exact:
        ends = share_interval(count, total, confidence)
        low, high = 100 * ends[0], 100 * ends[1]
    return Estimate(value=value, low=low, high=high, n=total)


# --- the saving ----------------------------------------------------------------------


def candidates(run: Run) -> tuple[str, ...]:
    """Return whose saving there is; one empty name where there is but one."""
    if run.command != "compare":
        return ("",)
    labels = groups_of("compare", run.plan)
    found = tuple(label for label in labels if label != str(run.plan["control"]))
    return found if len(found) > 1 else ("",)


def saving(run: Run, candidate: str, unit: Unit) -> Estimate:
    """Return the median saving with the interval that verdicts use.

    That interval holds at every look from the 12th round on, so it may be held against
    any value, whatever the run itself was to reach.
    """
    if run.command == "compare":
        return _compared(run, candidate, unit)
    if run.command == "warmup":
        return _warmed_up(run, unit)
    found = summarise_bench(run)
    if found.acceptance is None:
        return invalid("no connection was to be kept open")
    if found.acceptance is Acceptance.INVALID or found.saving is None:
        reused_none = found.why is Why.NOT_REUSED
        what = "connections were not reused" if reused_none else "nothing was cold"
        return invalid(what)
    failed = [side_of(failure) for failure in run.failures]
    often = fails_too_often(
        failed.count(True), found.reuse.expected, failed.count(False)
    )
    medians = {
        Unit.MS: found.saving,
        Unit.PERCENT: found.percent,
        Unit.ROUND_TRIPS: found.round_trips,
    }
    return _of_median(medians[unit], found.saving.rounds, MIN_ROUNDS, unreliable=often)


def _compared(run: Run, candidate: str, unit: Unit) -> Estimate:
    summary = summarise_compare(run)
    pair = next(p for p in summary.pairs if candidate in ("", p.candidate))
    if pair.acceptance is Acceptance.INVALID:
        return invalid("an arm was not what it is called")
    failed = {arm.label: sum(n for _, n in arm.failures) for arm in summary.arms}
    ours, control = failed[pair.candidate], failed[summary.control]
    medians = {
        Unit.MS: pair.saving,
        Unit.PERCENT: pair.percent,
        Unit.ROUND_TRIPS: pair.round_trips,
    }
    found = _of_median(
        medians[unit],
        pair.rounds,
        int(run.plan["min_rounds"]),
        unreliable=fails_too_often(ours, pair.rounds, control),
    )
    if found.settled is not None:
        return found
    if pair.why is Why.RELIABILITY:
        why = f"{pair.candidate} fails more often than {summary.control}"
        return replace(found, settled=(Acceptance.FAIL, why))
    if pair.rounds < first_look(run):
        why = "no verdict is given before --min-duration has passed"
        return replace(found, settled=(Acceptance.INCONCLUSIVE, why))
    return found


def _warmed_up(run: Run, unit: Unit) -> Estimate:
    summary = summarise_warm_up(run)
    count, total = reused(run, "")
    if total and count < (1 - MAX_NOT_REUSED) * total:
        return invalid("first requests did not reuse a connection of the warm-up")
    failed, started = failures(run, "warmed")
    failed_cold, _ = failures(run, "not-warmed")
    medians = {
        Unit.MS: summary.saving,
        Unit.PERCENT: summary.percent,
        Unit.ROUND_TRIPS: summary.round_trips,
    }
    often = fails_too_often(failed, started, failed_cold)
    return _of_median(medians[unit], summary.rounds, MIN_ROUNDS, unreliable=often)


def _of_median(
    found: MedianSummary | None, rounds: int, least: int, *, unreliable: bool
) -> Estimate:
    if found is None:
        return invalid("there is no saving in this unit")
    exact = found.median_lo == found.median_hi
    few = f"at least {least} rounds or sessions are needed"
    return Estimate(
        value=found.median_lo if exact else None,
        low=found.interval.low if found.interval is not None else -inf,
        high=found.interval.high if found.interval is not None else inf,
        n=rounds,
        settled=(Acceptance.INCONCLUSIVE, few) if rounds < least else None,
        unreliable=unreliable,
    )


def invalid(why: str) -> Estimate:
    """Return what is known where nothing can be: no figure, only why."""
    return Estimate(settled=(Acceptance.INVALID, why))
