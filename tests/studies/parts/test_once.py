"""Summaries that are derived once for each run."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from weakref import ref

from tests.support.records import bench_run, sessions
from vestbench.model.request import Sample
from vestbench.model.run import Run
from vestbench.studies.document import document, summary_of
from vestbench.studies.parts.once import once_for_each_run
from vestbench.studies.shown import show_brief


class Derivation:
    """Says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, run: Run) -> int:
        self.asked += 1
        return len(run.samples)


def test_what_a_run_says_is_derived_once_however_often_it_is_asked_for() -> None:
    derivation = Derivation()
    derive = once_for_each_run(derivation)
    run = bench_run(sessions([100, 101]))

    found = [derive(run) for _ in range(3)]

    assert found == [len(run.samples)] * 3
    assert derivation.asked == 1


def test_another_run_is_derived_even_if_it_looks_the_same() -> None:
    derivation = Derivation()
    derive = once_for_each_run(derivation)
    one, same = bench_run(sessions([100, 101])), bench_run(sessions([100, 101]))

    derive(one)
    derive(same)
    derive(one)

    assert one == same
    assert derivation.asked == 3


def test_a_run_is_not_kept_in_memory_for_what_it_says() -> None:
    derive = once_for_each_run(Derivation())
    run = bench_run(sessions([100, 101]))
    derive(run)
    alive = ref(run)

    del run
    gc.collect()

    assert alive() is None


class Walked(tuple[Sample, ...]):
    """Samples that know how often somebody went through them."""

    walks = 0

    def __iter__(self) -> Iterator[Sample]:
        self.walks += 1
        return super().__iter__()


def test_each_finding_goes_through_the_requests_once_however_often_it_is_shown() -> (
    None
):
    samples = Walked(sessions([100.0 + number for number in range(20)]))
    run = replace(bench_run(), samples=samples)

    summary_of(run)  # what the file ends with
    summed_up = samples.walks
    document(run, "run.toml")  # with the warnings
    walks = samples.walks
    for _ in range(3):
        show_brief(run)
        summary_of(run)
        document(run, "run.toml")

    assert 0 < summed_up <= 3
    assert walks == samples.walks
    assert walks - summed_up <= 5  # connections, reasons, interruptions, answers
