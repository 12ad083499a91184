"""Requests during which this machine, or a process of ours, was away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from vestbench.model.request import NS_PER_MS, Outcome
from vestbench.model.run import Run
from vestbench.report.units import ms, plural
from vestbench.studies.parts.once import once_for_each_run

# What is marked, by the column that says for how long.
_MARKS = {
    "interrupted_ns": "a process of this measurement did not run (it was stopped, or "
    "no processor was free)",
    "suspended_ns": "the machine was asleep",
}
# Of the processor time of a run; less than this moves no figure that is shown.
_STOLEN_SHARE = 0.01


def is_interrupted(outcome: Outcome) -> bool:
    """Say whether a request is marked, so that its times are not the venue's."""
    marks = outcome.extra or {}
    return any(marks.get(name) for name in _MARKS)


@once_for_each_run
def _marks(run: Run) -> list[Mapping[str, Any]]:
    outcomes = chain[Outcome](run.samples, run.failures)
    return [each.extra or {} for each in outcomes if is_interrupted(each)]


def interruption_warnings(run: Run) -> Iterator[str]:
    """Say which requests were interrupted, by what, and what is done with them."""
    marks = _marks(run)
    total = len(run.samples) + len(run.failures)
    for name, what in _MARKS.items():
        found = [mark[name] / NS_PER_MS for mark in marks if mark.get(name)]
        if found:
            yield (
                f"{what} during {plural(len(found), 'request')} of {total}, for "
                f"{ms(max(found))} ms at the longest: that is not the venue's time, so "
                "no quantile and no maximum counts them; in the saving they count as "
                "they are"
            )
    yield from _steal_warning(run)


def _steal_warning(run: Run) -> Iterator[str]:
    stolen, duration = run.conclusion.stolen_s, run.conclusion.duration_s
    cpus = run.conditions.cpus or 1
    if stolen and duration and stolen > _STOLEN_SHARE * duration * cpus:
        yield (
            f"the host of this virtual machine took {stolen:.2f} s of processor time "
            f"away (steal) in {duration:.1f} s on {plural(cpus, 'processor')}: what "
            "the client computes takes longer by that"
        )
