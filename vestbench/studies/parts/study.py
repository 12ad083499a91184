"""What most studies do alike; each overrides what it does in a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

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
from vestbench.model.request import Outcome
from vestbench.model.run import Plan, RunOf
from vestbench.model.verdict import Verdict, worst
from vestbench.stats.settling import Settling
from vestbench.studies.parts.quantities import (
    group_estimate,
    of_count,
    requests,
    requests_of,
)

P = TypeVar("P", bound=Plan)


class Common(Generic[P]):
    """A study without an acceptance, a saving or anything to check; see `Study`."""

    name = ""
    quantities: tuple[Quantity, ...] = (SAVING, REUSED, *OF_REQUESTS)

    def check(self, run: RunOf[P]) -> None:
        """Find nothing that does not fit together."""

    def belongs(self, run: RunOf[P]) -> Callable[[Outcome], Collection[str]]:
        """Return what tells to which groups a request belongs; one arm is one group."""
        del run
        return lambda outcome: (outcome.slot.arm,)

    def requests(self, run: RunOf[P], group: str = "") -> Iterator[Outcome]:
        """Yield the requests of a group, or all of the run."""
        return requests_of(run, group, self.belongs(run))

    def settlings(self, run: RunOf[P]) -> tuple[Settling, ...]:
        """Return how no saving settled."""
        del run
        return ()

    def check_assertion(self, assertion: Assertion, plan: P) -> None:
        """Refuse none of what the vocabulary allows."""

    def estimates(
        self, run: RunOf[P], assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what the requests that are meant say of the quantity."""
        confidence = run.plan.confidence
        if assertion.term.about is SHARE:
            count, _ = requests(self.requests(run, assertion.group))
            total = len(run.samples) + len(run.failures)
            yield assertion.name, of_count((count, total), assertion, confidence)
        else:
            meant = self.meant(run, assertion)
            yield assertion.name, group_estimate(meant, assertion, confidence)

    def meant(self, run: RunOf[P], assertion: Assertion) -> Iterable[Outcome]:
        """Return the requests that an assertion is about."""
        return self.requests(run, assertion.group)

    def accepted(self, run: RunOf[P]) -> tuple[AssertionResult, ...]:
        """Return no acceptance."""
        del run
        return ()

    def joined(self, plan: P, outcomes: Sequence[Verdict]) -> Verdict:
        """Return the worst."""
        del plan
        return worst(outcomes)


def all_outcomes(run: RunOf[Any]) -> Iterator[Outcome]:
    """Yield the samples of a run, then its failures, without holding them."""
    return chain(run.samples, run.failures)


def check_whole(assertion: Assertion) -> None:
    """Raise ValueError for a group's saving or reuse where only the run has them."""
    if assertion.group and assertion.quantity == "saving":
        raise ValueError(f"{assertion.text!r}: {assertion.group} is no candidate")
    if assertion.group and assertion.quantity == "reused":
        raise ValueError(f"{assertion.text!r}: reused is of the whole run")
