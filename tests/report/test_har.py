"""HAR 1.2: valid, as long as the request was, and without what may be a secret."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace as replaced

from tests.support.documents import HOSTILE, RUNS, document, hostile
from tests.support.paths import DATA
from tests.support.records import bench_run, failure, sample
from vestbench.model.formats import FORMATS
from vestbench.report.har import without_values
from vestbench.report.unmeasured import Unmeasured

SCHEMA = json.loads((DATA / "har-1.2.json").read_text())


def entries(text: str) -> list[dict[str, Any]]:
    found = json.loads(text)
    jsonschema.validate(found, SCHEMA)
    return list(found["log"]["entries"])


@pytest.mark.parametrize("name", RUNS)
def test_the_document_of_every_run_is_valid_and_has_each_request(name: str) -> None:
    run = RUNS[name]()

    found = entries(document(run, "har"))

    assert len(found) == len(run.samples) + len(run.failures)


@pytest.mark.parametrize("name", RUNS)
def test_the_time_of_a_request_is_the_sum_of_its_timings(name: str) -> None:
    for entry in entries(document(RUNS[name](), "har")):
        timings = dict(entry["timings"])
        timings.pop("ssl")  # it is a part of connect

        known = sum(ms for ms in timings.values() if ms >= 0)

        assert entry["time"] == pytest.approx(known, abs=1e-5)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_are_only_text(text: str) -> None:
    for run in hostile(text).values():
        assert entries(document(run, "har"))


def test_phases_are_timings_and_the_connection_is_told() -> None:
    cold = sample(0, 0, reused=False, connect=30.0, tls=31.0, send=0.1, wait=40.0)
    later = sample(0, 1, reused=True, start=200.0, send=0.1, wait=40.0)

    first, second = entries(document(bench_run([cold, later]), "har"))

    assert first["timings"]["connect"] == 61.0
    assert first["timings"]["ssl"] == 31.0
    assert first["timings"]["wait"] == 40.0
    assert second["timings"]["connect"] == second["timings"]["ssl"] == -1
    assert first["connection"] == second["connection"] == str(cold.connection)
    assert (first["_reused"], second["_reused"]) == (False, True)


def test_a_failure_has_no_status_and_says_what_it_was() -> None:
    (entry,) = entries(document(bench_run([failure(0, 0)]), "har"))

    assert entry["response"]["status"] == 0
    assert entry["response"]["_error"]
    assert "connection" not in entry


def test_a_stack_without_phases_has_waited_all_the_time() -> None:
    whole = replace(
        sample(0, 0, reused=True), send_ns=None, wait_ns=None, receive_ns=None
    )

    (entry,) = entries(document(bench_run([whole]), "har"))

    assert entry["timings"]["wait"] == entry["time"] == whole.latency_ms


@pytest.mark.parametrize("simulated", [True, False])
def test_it_says_whether_a_link_was_simulated(simulated: bool) -> None:
    run = bench_run([sample(0, 0, reused=False)])
    conditions = replaced(run.conditions, simulated=simulated)

    text = document(replace(run, conditions=conditions), "har")

    assert entries(text)  # it is valid
    assert json.loads(text)["log"]["_simulated"] is simulated


def test_values_of_a_query_and_credentials_are_left_out() -> None:
    run = bench_run([sample(0, 0, reused=False)])
    url = "https://me:secret@api.example/v2/account?time=17&token=secret#secret"
    run = replace(run, conditions=replaced(run.conditions, url=url))

    text = document(run, "har")

    assert "secret" not in text
    (entry,) = entries(text)
    assert entry["request"]["url"] == "https://api.example/v2/account?time&token"
    names = [each["name"] for each in entry["request"]["queryString"]]
    assert names == ["time", "token"]


def test_a_url_without_a_query_stays_as_it_is() -> None:
    assert without_values("http://a.example:80/x") == ("http://a.example:80/x", [])


def test_a_command_that_measured_nothing_says_why() -> None:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    found = Unmeasured(command="bench", error="no route", exit_code=4, started=started)

    text = "".join(FORMATS["har"].error_document(found))

    assert entries(text) == []
    assert json.loads(text)["log"]["comment"] == "error: no route"
