"""The studies of `warmup` and `connect`: what warming up gives the start of a bot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from vestbench.assertions.estimates import Estimate, in_unit, invalid, of_median
from vestbench.assertions.grammar import OF_REQUESTS, REUSED, SAVING, Assertion, Unit
from vestbench.errors import UsageError
from vestbench.model.request import Outcome, Role
from vestbench.report.har import Describe, Sent
from vestbench.stats.bounds import exact
from vestbench.stats.decision import Settling, settled
from vestbench.stats.evidence import MIN_ROUNDS
from vestbench.studies.base import (
    Findings,
    Saving,
    Sides,
    Study,
    all_outcomes,
)
from vestbench.studies.bench.study import sides_by_proof
from vestbench.studies.parts.groups import fails_too_often
from vestbench.studies.parts.quantities import failures
from vestbench.studies.starts.plan import (
    NOT_WARMED,
    WARMED,
    ConnectPlan,
    ConnectRun,
    WarmUpPlan,
    WarmUpRun,
)
from vestbench.studies.starts.summary import (
    ConnectSummary,
    WarmUpSummary,
    contradiction_of,
    first_step_savings,
    round_savings,
    summarise_connect,
    summarise_warm_up,
)

_ARMS = {WARMED: "warmed", NOT_WARMED: "not-warmed"}
_GROUPS = {
    Role.SUBSEQUENT: "warmed",
    Role.COLD: "not-warmed",
    Role.WARM_UP: "warm-up",
}
_SIDES = {
    Role.COLD: "without a warm-up",
    Role.SUBSEQUENT: "after a warm-up",
}


class _WarmUp(Study[WarmUpPlan]):
    name = "warmup"
    plan = WarmUpPlan
    summary = WarmUpSummary

    def groups(self, plan: WarmUpPlan) -> tuple[str, ...]:
        del plan
        return tuple(_GROUPS.values())

    def belongs(self, run: WarmUpRun) -> Callable[[Outcome], tuple[str]]:
        del run
        return lambda outcome: (_GROUPS.get(outcome.slot.role, ""),)

    def sides(self, run: WarmUpRun) -> Sides:
        return Sides(
            names=tuple(_SIDES.values()),
            outcomes=((_SIDES.get(o.slot.role, ""), o) for o in all_outcomes(run)),
        )

    def summarise(self, run: WarmUpRun) -> WarmUpSummary:
        return summarise_warm_up(run)

    def saving(self, run: WarmUpRun) -> Saving:
        found = summarise_warm_up(run)
        return Saving(
            compared=run.conditions.strategy,
            n=found.rounds,
            median=found.saving if found.rounds > 1 else None,
            each=exact(round_savings(run)),
        )

    def contradiction(self, run: WarmUpRun) -> str:
        return contradiction_of(run)

    def settlings(self, run: WarmUpRun) -> tuple[Settling, ...]:
        target, confidence = run.plan.min_saving_ms, run.plan.confidence
        return (settled("round", round_savings(run), target, confidence),)

    def estimates(
        self, run: WarmUpRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        if assertion.term.about is SAVING:
            yield "saving", self._saving(run, assertion.unit)
        else:
            yield from super().estimates(run, assertion)

    def meant(self, run: WarmUpRun, assertion: Assertion) -> Iterator[Outcome]:
        # Of the whole run, those that should have reused a connection.
        term = assertion.term
        group = _GROUPS[Role.SUBSEQUENT] if term.about is REUSED else term.group
        return self.requests(run, group)

    def _saving(self, run: WarmUpRun, unit: Unit) -> Estimate:
        summary = summarise_warm_up(run)
        if why := self.contradiction(run):
            return invalid(why)
        failed, started = failures(self.requests(run, "warmed"))
        failed_cold, _ = failures(self.requests(run, "not-warmed"))
        often = fails_too_often(failed, started, failed_cold)
        found, rounds = in_unit(summary, unit), summary.rounds
        return of_median(found, rounds, MIN_ROUNDS, unreliable=often)

    def findings(self, run: WarmUpRun) -> Findings:
        from vestbench.studies.starts.sheet import warm_up_findings

        return warm_up_findings(run)


class _Connect(Study[ConnectPlan]):
    name = "connect"
    plan = ConnectPlan
    summary = ConnectSummary
    quantities = OF_REQUESTS

    def groups(self, plan: ConnectPlan) -> tuple[str, ...]:
        return (*_ARMS.values(), *plan.steps)

    def belongs(self, run: ConnectRun) -> Callable[[Outcome], tuple[str, ...]]:
        steps = ("", *run.plan.steps)  # the place of the warm-up is 0

        def groups(outcome: Outcome) -> tuple[str, ...]:
            slot = outcome.slot
            step = steps[slot.index] if slot.index < len(steps) else ""
            return _ARMS.get(slot.arm, ""), step

        return groups

    def sent(self, run: ConnectRun) -> Describe:
        conditions = run.conditions
        steps = (conditions.endpoint, *run.plan.steps)
        named = [_sent(conditions.venue, conditions.url, step) for step in steps]
        return lambda outcome: named[min(outcome.slot.index, len(named) - 1)]

    def sides(self, run: ConnectRun) -> Sides:
        return sides_by_proof(run)

    def summarise(self, run: ConnectRun) -> ConnectSummary:
        return summarise_connect(run)

    def saving(self, run: ConnectRun) -> Saving:
        first = summarise_connect(run).steps[0]
        enough = first.rounds > 1
        return Saving(
            compared=run.conditions.strategy,
            n=first.rounds if enough else 0,
            median=first.saving if enough else None,
            each=exact(first_step_savings(run)),
        )

    def unusable(self, run: ConnectRun) -> str:
        if any(summarise_connect(run).completed) or run.interrupted:
            return super().unusable(run)
        return run.unanswered or "no start got through to its last step"

    def contradiction(self, run: ConnectRun) -> str:
        return contradiction_of(run)

    def findings(self, run: ConnectRun) -> Findings:
        from vestbench.studies.starts.sheet import connect_findings

        return connect_findings(run)


def _sent(venue: str, url: str, step: str) -> Sent:
    """Return what a step sends; where its venue is not known here, only its name."""
    from vestbench.venues import find_venue  # which a report has no need of

    comment = f"step {step}"
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    try:
        endpoint = find_venue(venue).endpoint(step)
    except UsageError:
        return Sent(method="GET", url=f"{origin}/", comment=comment)
    base = urlsplit(find_venue(venue).base_url or url).path.rstrip("/")
    return Sent(
        method=endpoint.method, url=f"{origin}{base}{endpoint.path}", comment=comment
    )


WARM_UP = _WarmUp()
CONNECT = _Connect()
