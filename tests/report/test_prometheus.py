"""The metrics of a run as Prometheus reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from math import isfinite

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.compare_runs import percent_run
from tests.support.documents import HOSTILE, RUNS, document, hostile
from tests.support.records import bench_run, sample
from tests.support.studies import compare_of
from vestbench.model.run import Run
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.judging import assertions_of
from vestbench.studies.parts.conditions import label

# What says whether there is a run, and from when: the same labels without one.
STATE = ("vestbench_up", "vestbench_run_start_timestamp_seconds")


def metrics(run: Run) -> dict[str, Metric]:
    text = document(run, "prometheus")
    assert text.endswith("\n")
    return {found.name: found for found in text_string_to_metric_families(text)}


def value(metric: Metric, **labels: str) -> float:
    (found,) = [
        float(sample.value)
        for sample in metric.samples
        if labels.items() <= sample.labels.items()
    ]
    return found


@pytest.mark.parametrize("name", RUNS)
def test_every_run_can_be_read_and_every_figure_says_where_it_holds(name: str) -> None:
    run = RUNS[name]()

    found = metrics(run)

    assert {*STATE, "vestbench_run_info"} <= {*found}
    for metric in found.values():
        assert metric.type == "gauge"
        assert metric.documentation.endswith(".")
        for point in metric.samples:
            where = None if metric.name in STATE else label(run, addresses=False)
            assert point.labels.get("conditions") == where
            assert point.labels["command"] == run.command
            assert isfinite(point.value)
        keys = [tuple(sorted(sample.labels.items())) for sample in metric.samples]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", RUNS)
def test_names_end_in_base_units(name: str) -> None:
    counts = {
        *("vestbench_requests", "vestbench_failures", "vestbench_assertion"),
        *("vestbench_connections", "vestbench_up"),
    }

    for metric in set(metrics(RUNS[name]())) - counts:
        assert re.fullmatch(r"vestbench_[a-z_]+_(seconds|ratio|info)", metric)


def test_a_saving_is_in_seconds_with_its_interval() -> None:
    run = RUNS["compare"]()
    (pair,) = summarise_compare(compare_of(run)).pairs
    interval = pair.saving.interval
    assert interval is not None

    saving = metrics(run)["vestbench_saving_seconds"]

    common = {"candidate": "pooled", "confidence": "0.95"}
    for bound, expected in (
        ("median", pair.saving.median_lo),
        ("low", interval.low),
        ("high", interval.high),
    ):
        found = value(saving, bound=bound, **common)
        assert found == pytest.approx(expected / 1e3, rel=1e-6)


def test_a_saving_in_percent_is_a_ratio() -> None:
    found = metrics(percent_run())

    assert "vestbench_saving_seconds" not in found
    assert 0.6 < value(found["vestbench_saving_ratio"], bound="median") < 0.7


def test_one_round_is_never_called_a_saving() -> None:
    assert not [n for n in metrics(RUNS["compare-one-round"]()) if "saving" in n]


def test_what_failures_leave_open_is_left_out() -> None:
    saving = metrics(RUNS["compare-failing"]())["vestbench_saving_seconds"]

    assert {sample.labels["bound"] for sample in saving.samples} == {"median", "high"}


@pytest.mark.parametrize(
    ("name", "up"),
    [
        ("bench", 1),
        ("bench-failing", 1),
        ("bench-not-reused", 1),
        ("bench-empty", 0),
        ("bench-interrupted", 0),
        ("compare-interrupted", 0),
    ],
)
def test_an_answered_run_that_came_to_its_own_end_is_up(name: str, up: int) -> None:
    assert value(metrics(RUNS[name]())["vestbench_up"]) == up


@pytest.mark.parametrize("end", ["error", "refused"])
def test_a_run_that_an_error_or_the_venue_ended_is_not_up(end: str) -> None:
    run = bench_run([sample()], conclusion={"stopped": "why", end: True})

    assert value(metrics(run)["vestbench_up"]) == 0


def test_another_address_of_the_venue_is_the_same_series() -> None:
    run = RUNS["bench-real"]()
    moved = tuple(replace(s, remote="192.0.2.7:443") for s in run.samples)

    again = document(replace(run, samples=moved), "prometheus")

    assert again == document(run, "prometheus")
    assert run.samples[0].remote.partition(":")[0] not in again


def test_a_quantile_of_which_only_a_bound_is_known_is_none() -> None:
    latency = metrics(RUNS["compare"]())["vestbench_latency_seconds"]

    assert {sample.labels["statistic"] for sample in latency.samples} == {"p50"}


def test_requests_and_failures_are_counted() -> None:
    found = metrics(RUNS["bench-failing"]())

    counted = found["vestbench_requests"]
    assert sum(float(sample.value) for sample in counted.samples) == 100
    assert value(counted, group="subsequent", outcome="failed") == 3
    assert value(found["vestbench_failures"], kind="timeout") == 3


@pytest.mark.parametrize("name", ["compare-three", "compare-inconclusive", "bench"])
def test_an_assertion_is_one_of_its_outcomes(name: str) -> None:
    run = RUNS[name]()

    found = metrics(run)["vestbench_assertion"]

    for result in assertions_of(run):
        ones = [
            sample.labels["outcome"]
            for sample in found.samples
            if sample.labels["assertion"] == result.text and sample.value == 1
        ]
        assert ones == [str(result.outcome)]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("command", ["bench", "compare", "warmup"])
def test_texts_from_outside_stay_in_their_label(command: str, text: str) -> None:
    found = metrics(hostile(text)[command])

    expected = metrics(hostile("harmless")[command])
    assert list(found) == list(expected)
    shown = "".join(c if c.isprintable() else "�" for c in text)
    (info,) = found["vestbench_run_info"].samples
    assert info.labels["venue"] == info.labels["host"] == shown
