"""What a study is: one kind of question, its plan, what is concluded, how it is shown.

Whoever has a run asks the study of its command, which `registry` finds; nobody else
knows which studies there are.
"""

from __future__ import annotations

from array import array
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, Protocol, TypeVar

from vestbench.assertions.estimates import Estimate
from vestbench.assertions.grammar import Assertion, Quantity
from vestbench.assertions.judge import AssertionResult
from vestbench.model.record import Record
from vestbench.model.request import Outcome
from vestbench.model.run import Plan, RunOf
from vestbench.model.verdict import Verdict
from vestbench.report.sheet import Part, Text
from vestbench.stats.decision import MedianSummary
from vestbench.stats.metrics import Group
from vestbench.stats.settling import Settling
from vestbench.studies.parts.groups import groups_of

P_contra = TypeVar("P_contra", bound=Plan, contravariant=True)


class Saving(Record, frozen=True, kw_only=True):
    """What a run found of its saving, for lists and series of runs."""

    compared: str  # such as "pooled against unpooled"
    n: int  # savings: one a session or round; requests where nothing is compared
    median: MedianSummary | None  # ms; of the first candidate, or step of a start
    acceptance: Verdict | None  # None where the run decides nothing
    each: Sequence[float]  # one a session or round that was answered, in ms
    in_series: bool = True  # whether runs of this kind are put in a series


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
    """What a study says of a run; each may be made while it is read, once."""

    headline: Iterable[Text]  # the verdict in a few lines
    parts: Iterable[Part]  # tables, notes and pictures
    warnings: Iterable[str]  # what is unusual about the run


class Study(Protocol[P_contra]):
    """One kind of question. `P_contra` is the type of its plans.

    Attributes:
        name: The command that measures it, as it stands in result files.
        plan: The type of its plans.
        summary: The type of its summaries.
    """

    name: str

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What can be asserted of its runs, besides quantiles of latencies."""

    @property
    def plan(self) -> type[Plan]:
        """The type of its plans."""

    @property
    def summary(self) -> type[Any]:
        """The type of what `summarise` returns."""

    def check(self, run: RunOf[P_contra]) -> None:
        """Raise ValueError if parts of a run do not fit together, saying which."""

    def groups(self, plan: P_contra) -> tuple[str, ...]:
        """Return the names of the groups of requests that can be asserted of."""

    def belongs(self, run: RunOf[P_contra]) -> Callable[[Outcome], Collection[str]]:
        """Return what tells to which groups a request of `run` belongs."""

    def sides(self, run: RunOf[P_contra]) -> Sides:
        """Return what the run sets against each other."""

    def summarise(self, run: RunOf[P_contra]) -> Any:
        """Return all that is derived from a run, as a record."""

    def saving(self, run: RunOf[P_contra]) -> Saving:
        """Return what the run found of its saving."""

    def settlings(self, run: RunOf[P_contra]) -> tuple[Settling, ...]:
        """Return how each saving of the run settled; empty without one."""

    def check_assertion(self, assertion: Assertion, plan: P_contra) -> None:
        """Raise ValueError for an assertion of what no run of this plan has."""

    def estimates(
        self, run: RunOf[P_contra], assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what is known of the quantity that is asserted of, by its full name."""

    def accepted(self, run: RunOf[P_contra]) -> tuple[AssertionResult, ...]:
        """Return what the run itself was to reach, judged; empty if that is nothing."""

    def joined(self, plan: P_contra, outcomes: Sequence[Verdict]) -> Verdict:
        """Return what several outcomes of `accepted` make together."""

    def findings(self, run: RunOf[P_contra]) -> Findings:
        """Return what the report of a run says that not every report says."""
