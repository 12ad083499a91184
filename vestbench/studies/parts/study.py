"""What most studies do alike; each overrides what it does in a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

from vestbench.assertions.estimates import Estimate
from vestbench.assertions.grammar import Assertion
from vestbench.assertions.judge import AssertionResult
from vestbench.model.request import Outcome
from vestbench.model.run import Plan, RunOf
from vestbench.model.verdict import Verdict, worst
from vestbench.studies.parts.quantities import group_estimates, requests_of
from vestbench.studies.parts.settling import Settling

P = TypeVar("P", bound=Plan)


class Common(Generic[P]):
    """A study without an acceptance, a saving or anything to check; see `Study`."""

    name = ""

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
        """Refuse an assertion of a saving or of reuse.

        Raises:
            ValueError: It is one.
        """
        del plan
        if assertion.quantity in ("saving", "reused"):
            raise ValueError(
                f"{assertion.text!r}: a run of {self.name} has no {assertion.quantity}"
            )

    def estimates(
        self, run: RunOf[P], assertion: Assertion
    ) -> Iterator[tuple[str, Estimate]]:
        """Yield what the requests that are meant say of the quantity."""
        meant = self.meant(run, assertion)
        yield from group_estimates(meant, assertion, run.plan.confidence)

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
    """Refuse an assertion of a group's saving or reuse where only the run has them.

    Raises:
        ValueError: It is of a group.
    """
    if assertion.group and assertion.quantity == "saving":
        raise ValueError(f"{assertion.text!r}: {assertion.group} is no candidate")
    if assertion.group and assertion.quantity == "reused":
        raise ValueError(f"{assertion.text!r}: reused is of the whole run")
