"""Groups of requests, and the limits beyond which no saving is stated."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from math import ceil

from vestbench.model.columns import COLUMNS
from vestbench.model.request import NS_PER_MS, Failure, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.stats.metrics import Group, metric
from vestbench.stats.quantiles import Distribution
from vestbench.studies.parts.interruptions import is_interrupted

# Above this share of requests that should have reused a connection and did not, the
# pool did not do its work, and no saving of it can be stated.
MAX_NOT_REUSED = 0.05

# Of the requests of a candidate, above which no PASS is given.
MAX_FAILED = 0.05


class GroupTally:
    """Takes the requests of a group one by one, and keeps distributions of them."""

    def __init__(self) -> None:
        columns = COLUMNS.metrics
        self._values = {column.title: Distribution() for column in columns}
        self._sinks = [(c.getter(Sample), self._values[c.title].add) for c in columns]
        self._failures = 0
        self._interrupted = 0

    def add(self, outcome: Outcome) -> None:
        """Take a request. One that failed has an infinite latency, and no phases.

        One that was interrupted is counted and left out: its times are not the venue's.
        """
        if is_interrupted(outcome):
            self._interrupted += 1
            return
        if not isinstance(outcome, Sample):
            self._values["latency"].add(outcome.latency_ms)
            self._failures += 1
            return
        for value_of, add in self._sinks:
            ns = value_of(outcome)
            if ns is not None:
                add(ns / NS_PER_MS)

    def group(self, name: str, confidence: float) -> Group:
        """Return the distributions of the latency and of each phase that occurred."""
        # The client's own time is known where the phases are.
        known = len(self._values["client"])
        found = {what: values for what, values in self._values.items() if len(values)}
        return Group(
            name=name,
            metrics=tuple(
                metric(what, values, confidence, max(0, known - len(values)))
                for what, values in found.items()
            ),
            failures=self._failures,
            interrupted=self._interrupted,
        )


def groups_of(
    names: Iterable[str], outcomes: Iterable[tuple[str, Outcome]], confidence: float
) -> tuple[Group, ...]:
    """Return the groups called `names`, of pairs of a group's name and a request."""
    tallies = {name: GroupTally() for name in names}
    for name, outcome in outcomes:
        if name in tallies:
            tallies[name].add(outcome)
    return tuple(tally.group(name, confidence) for name, tally in tallies.items())


def kinds_of(failures: Iterable[Failure]) -> tuple[tuple[str, int], ...]:
    """Return the kinds of failures in alphabetical order, each with its count."""
    return tuple(sorted(Counter(str(failure.kind) for failure in failures).items()))


def side_of(failure: Failure) -> bool:
    """Say whether a failure belongs to the requests that reuse a connection.

    What was proved counts. A request that reached no connection belongs where its plan
    put it: if a reconnect is refused, the pool should still have served the request.
    """
    if failure.reused is not None:
        return failure.reused
    return failure.slot.role is Role.SUBSEQUENT


def disturbed_samples(run: Run) -> int:
    """Count the samples during which the emulated link delivered a packet late."""
    link = run.conclusion.link
    late = sorted(link.late_at_ms) if link is not None else []
    if not late:
        return 0

    def is_disturbed(sample: Sample) -> bool:
        begin = sample.start_ns / NS_PER_MS
        after = bisect_left(late, begin)
        return after < len(late) and late[after] <= begin + sample.latency_ms

    return sum(map(is_disturbed, run.samples))


def too_many(contradictions: int, requests: int) -> bool:
    """Say whether requests were too often not what they are called; one may be."""
    return contradictions > max(1, MAX_NOT_REUSED * requests)


def kept_too_few(reused: int, expected: int) -> bool:
    """Say whether too few of the requests that should have reused a connection did."""
    return reused < (1 - MAX_NOT_REUSED) * expected


def fails_too_often(failed: int, requests: int, failed_control: int) -> bool:
    """Say whether a candidate fails too often for a PASS."""
    return failed > max(1, ceil(MAX_FAILED * requests), failed_control)
