"""What is asserted of a run, each assertion decided on its interval, not its point."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from vestbench.assertions.grammar import SHARES, Assertion, Unit, parse_assertion
from vestbench.errors import UsageError
from vestbench.model.run import Run
from vestbench.model.strategy import Strategy
from vestbench.stats.decision import MedianSummary
from vestbench.stats.quantiles import samples_needed
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.summary import overall, summarise_compare
from vestbench.studies.parts.groups import Acceptance, Why
from vestbench.studies.parts.quantities import (
    COMPARING,
    Estimate,
    candidates,
    connections,
    counted,
    failures,
    groups_of,
    latency,
    reused,
    saving,
    share,
)

# From the best to the worst: a run is as good as the worst that is said of it.
_FROM_BEST = (
    Acceptance.PASS,
    Acceptance.INCONCLUSIVE,
    Acceptance.FAIL,
    Acceptance.INVALID,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionResult:
    """One assertion, and what the run says of it."""

    text: str  # as it was asked for, such as "saving >= 50ms"
    quantity: str  # what was measured, such as "saving"
    unit: str  # of the values: "ms", "%", "round trips", or empty for a count
    outcome: Acceptance
    value: float | None  # the point estimate; None where there is none
    low: float | None  # the ends of its interval; None where it is open
    high: float | None
    n: int  # how many requests, sessions or rounds it rests on
    reason: str = ""  # why it is undecided or invalid, where the values do not say it
    is_acceptance: bool = False  # what the run itself was to reach, not a further claim


def verdict_of(run: Run, results: Sequence[AssertionResult]) -> Acceptance | None:
    """Return the verdict on all of `results`: the worst of them.

    Where any candidate of a comparison may pass, its pairs count as one.

    Returns:
        None where nothing was asserted.
    """
    pairs = [result.outcome for result in results if result.is_acceptance]
    found = [result.outcome for result in results if not result.is_acceptance]
    if pairs:
        found.append(overall(pairs, str(run.plan.get("question", "all"))))
    return worst(found) if found else None


def worst(outcomes: Collection[Acceptance]) -> Acceptance:
    """Return the worst of `outcomes`; without any, nothing is wrong."""
    return max(outcomes, key=_FROM_BEST.index, default=Acceptance.PASS)


def check_assertions(
    texts: Sequence[str], command: str, plan: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return assertions as they are stored, having checked that a run can have them.

    Args:
        texts: As they were typed.
        command: The command that measures, or has measured.
        plan: Its plan, as it is stored.

    Raises:
        UsageError: One is none, or is of something that such a run does not have.
    """
    try:
        return tuple(_parsed(text, command, plan).text for text in texts)
    except ValueError as error:
        raise UsageError(f"--assert: {error}") from error


def _parsed(text: str, command: str, plan: Mapping[str, Any]) -> Assertion:
    found = parse_assertion(text, groups_of(command, plan))
    compares = command == "compare"
    if found.quantity in ("saving", "reused") and command not in COMPARING:
        raise ValueError(f"{found.text!r}: a run of {command} has no {found.quantity}")
    if found.quantity == "saving":
        if found.group and not (compares and found.group != plan["control"]):
            raise ValueError(f"{found.text!r}: {found.group} is no candidate")
        if plan.get("strategy") == Strategy.UNPOOLED:
            raise ValueError(f"{found.text!r}: nothing is saved with --unpooled")
    if found.quantity == "reused" and found.group and not compares:
        raise ValueError(f"{found.text!r}: reused is of the whole run")
    return found


def assertions_of(run: Run) -> tuple[AssertionResult, ...]:
    """Return what `run` was asked and what it says: its acceptance, its assertions.

    The acceptance of a comparison is one for each pair of arms. That of a bench run
    counts if it was gated on it, or if nothing else was asserted; a warm-up has none.
    """
    asserted = [str(text) for text in run.plan.get("assertions", ())]
    gated = bool(run.plan.get("gate", not asserted))
    accepted: tuple[AssertionResult, ...] = ()
    if run.command == "bench" and gated:
        accepted = _of_bench(run)
    elif run.command == "compare":
        accepted = _of_compare(run)
    return (*accepted, *judge(run, asserted))


def judge(run: Run, texts: Sequence[str]) -> tuple[AssertionResult, ...]:
    """Return what `run` says of assertions, whatever it was asked.

    A saving of no particular candidate is asserted of each.

    Raises:
        ValueError: One is none, or is of something that the run does not have.
    """
    found: list[AssertionResult] = []
    for text in texts:
        assertion = _parsed(text, run.command, run.plan)
        found += [
            _result(assertion, name, estimate, float(run.plan["confidence"]))
            for name, estimate in _estimates(run, assertion)
        ]
    return tuple(found)


def _estimates(run: Run, asserted: Assertion) -> Iterator[tuple[str, Estimate]]:
    group, quantity = asserted.group, asserted.quantity
    if quantity == "saving":
        for candidate in [group] if group else candidates(run):
            name = f"{candidate}.saving" if candidate else "saving"
            yield name, saving(run, candidate, asserted.unit)
        return
    if asserted.metric:
        yield asserted.name, latency(run, group, asserted.metric, quantity)
        return
    count, total = _COUNTED[quantity](run, group)
    if asserted.unit is Unit.COUNT:
        yield asserted.name, counted(count, total)
    else:
        confidence, exact = float(run.plan["confidence"]), asserted.about_all()
        yield asserted.name, share(count, total, confidence, exact=exact)


_COUNTED = {"connections": connections, "failures": failures, "reused": reused}


def _result(
    asserted: Assertion, name: str, found: Estimate, confidence: float
) -> AssertionResult:
    outcome, reason = _decide(asserted, found, confidence)
    _, _, rest = asserted.text.partition(" ")
    return AssertionResult(
        text=f"{name} {rest}",
        quantity=name,
        unit=str(asserted.unit),
        outcome=outcome,
        value=None if found.value is None else _known(found.value),
        low=_known(found.low),
        high=_known(found.high),
        n=found.n,
        reason=reason,
    )


def _decide(
    asserted: Assertion, found: Estimate, confidence: float
) -> tuple[Acceptance, str]:
    if found.settled is not None:
        return found.settled
    holds = asserted.operator.decide(found.low, found.high, float(asserted.limit))
    if holds is None:
        return Acceptance.INCONCLUSIVE, _undecided(asserted, found, confidence)
    if not holds:
        return Acceptance.FAIL, ""
    if found.unreliable:
        return Acceptance.INCONCLUSIVE, "too many requests failed"
    return Acceptance.PASS, ""


def _undecided(asserted: Assertion, found: Estimate, confidence: float) -> str:
    limit = asserted.text.split(" ", 2)[2]
    for end, name in ((found.high, "upper"), (found.low, "lower")):
        if not isfinite(end) and found.needed:
            return f"the {name} bound needs {found.needed} requests"
        if not isfinite(end):
            return f"failures leave the {name} bound open"
    both = f"the interval reaches to both sides of {limit}"
    if asserted.quantity in SHARES and found.value in (0, 100):
        # Without a single request to the contrary so many would do.
        needed = samples_needed(float(asserted.limit / 100), confidence)
        return f"{both}; that takes {needed} requests at least"
    return both


# --- the acceptance ------------------------------------------------------------------


def _of_bench(run: Run) -> tuple[AssertionResult, ...]:
    found = summarise_bench(run)
    if found.acceptance is None and not run.plan.get("gate"):
        return ()
    target = f"{run.plan['min_saving_ms']:g}ms"
    rounds = found.saving.rounds if found.saving is not None else 0
    return (
        _acceptance(
            "saving",
            target,
            found.acceptance or Acceptance.INVALID,  # gated, and nothing was pooled
            found.why,
            found.saving,
            rounds,
        ),
    )


def _of_compare(run: Run) -> tuple[AssertionResult, ...]:
    found = summarise_compare(run)
    target = f"{found.target:.4g}{'%' if found.percent_target else 'ms'}"
    several = len(found.pairs) > 1
    return tuple(
        _acceptance(
            f"{pair.candidate}.saving" if several else "saving",
            target,
            pair.acceptance,
            pair.why,
            pair.percent if found.percent_target else pair.saving,
            pair.rounds,
        )
        for pair in found.pairs
    )


def _acceptance(
    quantity: str,
    target: str,
    acceptance: Acceptance,
    why: Why,
    found: MedianSummary | None,
    n: int,
) -> AssertionResult:
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
        reason=str(why),
        is_acceptance=True,
    )


def _known(value: float) -> float | None:
    return value if isfinite(value) else None
