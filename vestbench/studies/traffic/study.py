"""The study of a program that is not ours: its connections, and why it opened them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from vestbench.assertions.estimates import Estimate, counted, invalid, share
from vestbench.assertions.grammar import (
    CONNECTIONS,
    FAILURES,
    REQUESTS,
    REUSED,
    SHARE,
    Assertion,
    Quantity,
    Unit,
)
from vestbench.errors import InvalidValueError
from vestbench.model.record import replace
from vestbench.model.request import Outcome
from vestbench.model.traffic import Request
from vestbench.report.har import Describe, Sent
from vestbench.report.waterfall import PhaseRows
from vestbench.stats.bounds import Bounds
from vestbench.stats.decision import median_saving
from vestbench.studies.base import Findings, Saving, Sides, Study, all_outcomes
from vestbench.studies.bench.study import sides_by_proof
from vestbench.studies.parts.changes import Changes
from vestbench.studies.parts.quantities import COUNTED
from vestbench.studies.traffic.causes import Opening, Why
from vestbench.studies.traffic.changed import changed_traffic
from vestbench.studies.traffic.outcomes import outcomes_of
from vestbench.studies.traffic.phases import phases_of
from vestbench.studies.traffic.plan import TrafficPlan, TrafficRun
from vestbench.studies.traffic.summary import (
    TrafficSummary,
    costs_ms,
    openings_in,
    summarise_traffic,
)

_COUNT = {"units": (Unit.COUNT,), "taken": "a whole number"}
NEEDLESS = Quantity(name="needless", **_COUNT)  # type: ignore[arg-type]
UNUSED = Quantity(name="unused", **_COUNT)  # type: ignore[arg-type]
_GROUPS = ("cold", "subsequent")
_HOSTS = "hosts"

_OF_CONNECTIONS: Mapping[str, Callable[[Opening], bool]] = {
    "connections": lambda _: True,
    "needless": lambda opening: opening.needless,
    "unused": lambda opening: opening.why is Why.AHEAD,
}


class _OfProgram(Study[TrafficPlan]):
    name = "exec"
    plan = TrafficPlan
    summary = TrafficSummary
    quantities = (REQUESTS, CONNECTIONS, REUSED, NEEDLESS, UNUSED, FAILURES, SHARE)
    collections = (_HOSTS,)

    def check(self, run: TrafficRun) -> None:
        traffic = run.conclusion.traffic
        if traffic is None:
            return
        connections = {each.serial: each for each in traffic.connections}
        if len(connections) < len(traffic.connections):
            raise InvalidValueError("two have one serial", _place("connections"))
        for index, connection in enumerate(traffic.connections):
            if connection.run >= max(1, len(traffic.programs)):
                place = _place(f"connections[{index}].run")
                raise InvalidValueError("there is no such run", place)
        for index, request in enumerate(traffic.requests):
            if request.connection not in connections:
                place = _place(f"requests[{index}].connection")
                raise InvalidValueError("there is no such connection", place)
        if sorted(outcomes_of(traffic), key=_order) != sorted(
            all_outcomes(run), key=_order
        ):
            raise InvalidValueError(
                "they are not those of conclusion.traffic", "samples"
            )

    def groups(self, plan: TrafficPlan) -> tuple[str, ...]:
        del plan
        return _GROUPS

    def belongs(self, run: TrafficRun) -> Callable[[Outcome], tuple[str]]:
        del run
        return lambda outcome: (_GROUPS[_is_reused(outcome)],)

    def sides(self, run: TrafficRun) -> Sides:
        return sides_by_proof(run)

    def phases(self, run: TrafficRun) -> PhaseRows:
        return phases_of(summarise_traffic(run))

    def summarise(self, run: TrafficRun) -> TrafficSummary:
        return summarise_traffic(run)

    def saving(self, run: TrafficRun) -> Saving:
        costs = costs_ms(each for each in openings_in(run) if each.needless)
        median = median_saving(
            (Bounds(lo=cost, hi=cost) for cost in costs), run.plan.confidence
        )
        return Saving(
            compared=f"{run.plan.program} against a pool",
            n=len(costs),
            n_of="needless connection",
            median=median if len(costs) > 1 else None,
            each=costs,
        )

    def unanswered(self, run: TrafficRun) -> str:
        del run  # what a program did is told, whatever it was answered
        return ""

    def sent(self, run: TrafficRun) -> Describe:
        found = {
            (opening.connection.serial, place): _sent(opening, request, first=not place)
            for opening in openings_in(run)
            for place, request in enumerate(opening.requests)
        }
        return lambda outcome: found[outcome.slot.session, outcome.slot.index]

    def counted(self, run: TrafficRun) -> Mapping[str, int]:
        found = summarise_traffic(run)
        return {
            "needed": found.needed,
            "needless": found.needless,
            "unused": found.never_used,
            "refused": found.refused,
        }

    def check_assertion(self, assertion: Assertion, plan: TrafficPlan) -> None:
        term = assertion.term
        if term.group != _HOSTS:
            super().check_assertion(assertion, plan)
        if term.group in _GROUPS and term.about.name in _OF_CONNECTIONS:
            raise InvalidValueError(
                f"{assertion.text!r}: connections are of the whole run, or of a host"
            )

    def estimates(
        self, run: TrafficRun, assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        term = assertion.term
        wanted = _OF_CONNECTIONS.get(term.about.name)
        if wanted is not None:
            found = self._openings(run, term.key)
            if not found and term.about is not CONNECTIONS:
                # That nothing is needless is no merit of a program that sent nothing.
                yield term.name, invalid("the program opened no connection there")
                return
            count = counted(sum(map(wanted, found)), len(found))
            yield term.name, replace(count, n_of="connection")
        elif term.about is REUSED:  # a fact of this run, and no guess about others
            reused = COUNTED[term.about.name](self.meant(run, assertion))
            yield term.name, share(*reused, run.plan.confidence, exact=True)
        else:
            yield from super().estimates(run, assertion)

    def _openings(self, run: TrafficRun, host: str) -> list[Opening]:
        return [e for e in openings_in(run) if host in ("", e.connection.host)]

    def meant(self, run: TrafficRun, assertion: Assertion) -> Iterator[Outcome]:
        term = assertion.term
        if term.group != _HOSTS:
            yield from self.requests(run, term.group)
            return
        for outcome in all_outcomes(run):
            if outcome.slot.arm == term.key:
                yield outcome

    def changes(
        self, then: TrafficRun, now: TrafficRun, confidence: float
    ) -> Changes | None:
        return changed_traffic(then, now, confidence)

    def findings(self, run: TrafficRun) -> Findings:
        from vestbench.studies.traffic.sheet import traffic_findings

        return traffic_findings(run)


def _sent(opening: Opening, request: Request, *, first: bool) -> Sent:
    connection = opening.connection
    scheme = "https" if connection.tls else "http"
    return Sent(
        method=request.method,
        url=f"{scheme}://{request.host or connection.host}{request.path}",
        comment=f"opened its connection: {opening.why.sentence}" if first else "",
        transferred=request.down_bytes,
        sized=False,
    )


def _is_reused(outcome: Outcome) -> bool:
    return bool(outcome.reused)


def _order(outcome: Outcome) -> tuple[int, int]:
    return outcome.slot.session, outcome.slot.index


def _place(name: str) -> str:
    return f"conclusion.traffic.{name}"


class _OfClients(_OfProgram):
    name = "serve"


EXEC = _OfProgram()
SERVE = _OfClients()
