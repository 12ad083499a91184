"""One kind of question: its plan, what is concluded, and how it is shown.

Only `registry` knows which studies there are; all others ask the study of a run.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from itertools import chain
from typing import Any, Protocol, TypeVar

from vestbench.assertions.estimates import Estimate
from vestbench.assertions.grammar import (
    OF_REQUESTS,
    REUSED,
    SAVING,
    SHARE,
    Assertion,
    Quantity,
)
from vestbench.assertions.judge import AssertionResult
from vestbench.errors import InvalidValueError
from vestbench.model.record import Record
from vestbench.model.request import Outcome
from vestbench.model.run import Plan, RunOf
from vestbench.model.verdict import Verdict, worst
from vestbench.report.har import Describe, Sent
from vestbench.report.sheet import Part, Text
from vestbench.report.waterfall import PhaseRows
from vestbench.stats.decision import MedianSummary, Settling
from vestbench.stats.metrics import Group
from vestbench.studies.parts.breakdown import phase_rows
from vestbench.studies.parts.changes import Changes
from vestbench.studies.parts.groups import groups_of
from vestbench.studies.parts.quantities import (
    group_estimate,
    of_count,
)
from vestbench.studies.parts.quantities import requests as counted_requests
from vestbench.studies.parts.route import is_relayed

P_contra = TypeVar("P_contra", bound=Plan, contravariant=True)


class Saving(Record, frozen=True, kw_only=True):
    """What a run found of its saving, for lists and series of runs."""

    compared: str  # such as "pooled against unpooled"
    n: int  # savings
    n_of: str = "round"  # that each of them is of; bench has sessions
    median: MedianSummary | None  # ms; of the first candidate, or step of a start
    each: Sequence[float]  # one a session or round that was answered, in ms
    acceptance: Verdict | None = None  # of the run, where it decides something


class Sides(Record, frozen=True, kw_only=True):
    """What a run sets against each other, in pictures and metrics."""

    names: tuple[str, ...]  # the first is the control
    outcomes: Iterable[tuple[str, Outcome]]  # each with the name of its side

    def groups(self, confidence: float) -> tuple[Group, ...]:
        """Return the distributions of each side."""
        return groups_of(self.names, self.outcomes, confidence)

    def latencies(self) -> Mapping[str, Sequence[float]]:
        """Return the latencies of each side, in ms; those of failures are infinite."""
        found = {name: array("d") for name in self.names}
        for name, outcome in self.outcomes:
            if name in found:
                found[name].append(outcome.latency_ms)
        return found


class Findings(Record, frozen=True, kw_only=True):
    """What a study says of a run. A generator among these is read once."""

    headline: Iterable[Text]  # the verdict in a few lines
    parts: Iterable[Part]  # tables, notes and pictures
    warnings: Iterable[str]  # what is unusual about the run


class Study(Protocol[P_contra]):
    """One kind of question. `P_contra` is the type of its plans.

    Every study has the first three members and the abstract methods. What most of them
    do alike is done here, as for one without an acceptance or anything to check; each
    overrides what it does in a way of its own.
    """

    name: str  # the command that measures it, as it stands in result files
    plan: type[Plan]  # the type of its plans
    summary: type[Any]  # the type of what `summarise` returns
    # What can be asserted of its runs, besides quantiles of latencies.
    quantities: tuple[Quantity, ...] = (SAVING, REUSED, *OF_REQUESTS)
    # What has quantities by name, such as `hosts`; `meant` tells which requests.
    collections: tuple[str, ...] = ()

    def check(self, run: RunOf[P_contra]) -> None:
        """Raise InvalidValueError if parts of a run do not fit together."""
        del run

    @abstractmethod
    def groups(self, plan: P_contra) -> tuple[str, ...]:
        """Return the names of the groups of requests that can be asserted of."""

    def belongs(self, run: RunOf[P_contra]) -> Callable[[Outcome], Collection[str]]:
        """Return a function that gives the groups of a request of `run`."""
        del run
        return lambda outcome: (outcome.slot.arm,)

    def requests(self, run: RunOf[P_contra], group: str = "") -> Iterator[Outcome]:
        """Yield the requests of a group, or all of the run."""
        belongs = self.belongs(run)
        for outcome in all_outcomes(run):
            if not group or group in belongs(outcome):
                yield outcome

    @abstractmethod
    def sides(self, run: RunOf[P_contra]) -> Sides:
        """Return what the run sets against each other."""

    def phases(self, run: RunOf[P_contra]) -> PhaseRows:
        """Return the median phases of each side, as pictures show them."""
        groups = self.sides(run).groups(run.plan.confidence)
        return phase_rows(groups, merged=is_relayed(run))

    @abstractmethod
    def summarise(self, run: RunOf[P_contra]) -> Any:
        """Return all that is derived from a run, as a record."""

    @abstractmethod
    def saving(self, run: RunOf[P_contra]) -> Saving:
        """Return what the run found of its saving."""

    def unanswered(self, run: RunOf[P_contra]) -> str:
        """Say why there is nothing to show but failures; empty if there is more."""
        return run.unanswered

    def unusable(self, run: RunOf[P_contra]) -> str:
        """Say why the run has nothing to be judged by; empty if it has.

        By default that is a run in which no request got a response.
        """
        return self.unanswered(run)

    def contradiction(self, run: RunOf[P_contra]) -> str:
        """Say why the run is invalid, if something was not what it is called.

        By default nothing can be: no connection was to be reused.
        """
        del run
        return ""

    def sent(self, run: RunOf[P_contra]) -> Describe:
        """Return a function that says what a request of `run` was.

        By default all are of the endpoint that the conditions name.
        """
        sent = Sent(method=run.conditions.method, url=run.conditions.url)
        return lambda _: sent

    def changes(
        self, then: RunOf[P_contra], now: RunOf[P_contra], confidence: float
    ) -> Changes | None:
        """Return what has changed between two runs; None where savings say that."""
        del then, now, confidence
        return None

    def settlings(self, run: RunOf[P_contra]) -> tuple[Settling, ...]:
        """Return how each saving of the run settled; empty without one."""
        del run
        return ()

    def check_assertion(self, assertion: Assertion, plan: P_contra) -> None:
        """Raise InvalidValueError for an assertion of what no run of this plan has.

        A saving, and what should have been reused, is of the whole run.
        """
        del plan
        group, quantity = assertion.term.group, assertion.term.about
        if group and quantity is SAVING:
            raise InvalidValueError(f"{assertion.text!r}: {group} is no candidate")
        if group and quantity is REUSED:
            raise InvalidValueError(f"{assertion.text!r}: reused is of the whole run")

    def estimates(
        self, run: RunOf[P_contra], assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what is known of the asserted quantity, each with its full name."""
        confidence = run.plan.confidence
        if assertion.term.about is SHARE:
            count, _ = counted_requests(self.meant(run, assertion))
            total = len(run.samples) + len(run.failures)
            yield assertion.term.name, of_count((count, total), assertion, confidence)
        else:
            meant = self.meant(run, assertion)
            yield assertion.term.name, group_estimate(meant, assertion, confidence)

    def meant(self, run: RunOf[P_contra], assertion: Assertion) -> Iterable[Outcome]:
        """Return the requests that an assertion is about."""
        return self.requests(run, assertion.term.group)

    def counted(self, run: RunOf[P_contra]) -> Mapping[str, int]:
        """Return the connections of the run by what they were, where that is known."""
        del run
        return {}

    def accepted(self, run: RunOf[P_contra]) -> tuple[AssertionResult, ...]:
        """Return the judged acceptance of the run; empty if it was to reach nothing."""
        del run
        return ()

    def joined(self, plan: P_contra, outcomes: Sequence[Verdict]) -> Verdict:
        """Return what several outcomes of `accepted` make together."""
        del plan
        return worst(outcomes)

    @abstractmethod
    def findings(self, run: RunOf[P_contra]) -> Findings:
        """Return what only the report of this study says of a run."""


def all_outcomes(run: RunOf[Any]) -> Iterator[Outcome]:
    """Yield the samples of a run, then its failures, without holding them."""
    return chain(run.samples, run.failures)
