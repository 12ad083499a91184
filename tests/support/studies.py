"""What studies say of a run, for tests that hold any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vestbench.model.run import Run
from vestbench.studies.parts import sides
from vestbench.studies.parts.groups import Group
from vestbench.studies.parts.settling import Settling
from vestbench.studies.registry import study_of


def settlings_of(run: Run) -> tuple[Settling, ...]:
    """Return how each saving of a run settled."""
    return study_of(run).settlings(run)


def groups_in(run: Run) -> tuple[Group, ...]:
    """Return the groups that a run sets against each other."""
    return sides.groups_in(study_of(run).sides(run), run.plan.confidence)


def latencies_in(run: Run) -> Mapping[str, Sequence[float]]:
    """Return the latencies of these groups."""
    return sides.latencies_in(study_of(run).sides(run))


def savings_ms(run: Run) -> Sequence[float]:
    """Return the savings of a run, one a session or round."""
    return study_of(run).saving(run).each


def what_is_compared(run: Run) -> str:
    """Return what a run compares."""
    return study_of(run).saving(run).compared
