"""Columns are records: a new one is registered here and found everywhere."""

from __future__ import annotations

import csv
import io
import json
import pickle
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.support.documents import document
from tests.support.printed import rendered, sketched
from tests.support.records import bench_run, compare_run, failure, ns, sample, store
from tests.support.studies import groups_in
from vestbench.model.columns import (
    COLUMNS,
    COUNT_OR_NONE,
    TIME_OR_NONE,
    Column,
    Phase,
    client_ns,
    network_ns,
)
from vestbench.model.request import Failure, Outcome, Role, Sample
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.report.html.charts import waterfall
from vestbench.report.waterfall import Waterfall
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.document import schema
from vestbench.studies.judging import judge
from vestbench.studies.parts.breakdown import phase_rows
from vestbench.studies.registry import load_run

# A phase that opens a connection, one that does not, a duration, and a count.
AGREE = Column(
    "agree_ms",
    "phase; how long both sides agreed on a key",
    TIME_OR_NONE,
    3,
    optional=True,
    phase=Phase(opens=True, words="key agreement"),
)
QUEUE = Column(
    "queue_ms", "phase; in a queue", TIME_OR_NONE, 3, optional=True, phase=Phase()
)
SERVER = Column("server_ms", "as it says", TIME_OR_NONE, 3, optional=True, metric=True)
HOPS = Column(
    "hops",
    "routers on the way",
    COUNT_OR_NONE,
    3,
    of=(Sample, Failure),
    optional=True,
)
FAKES = (AGREE, QUEUE, SERVER, HOPS)


@pytest.fixture
def _registered() -> Iterator[None]:
    before = COLUMNS.all
    found = list(before)
    names = [column.name for column in found]
    found.insert(names.index("client_ms"), QUEUE)
    found.insert(names.index("send_ms"), AGREE)
    COLUMNS.change([*found, SERVER, HOPS])
    yield
    COLUMNS.change(before)


registered = pytest.mark.usefixtures("_registered")


def richer(found: Sample, number: int) -> Sample:
    """Return a sample that took 4 ms in a queue, and 8 ms more if it opened."""
    agreed = None if found.reused else 8.0
    return replace(
        found,
        latency_ns=found.latency_ns + (ns(4.0) or 0) + (ns(agreed) or 0),
        extra={
            "queue_ns": ns(4.0),
            "server_ns": ns(3.5),
            "hops": 7 + number % 2,
            **({} if agreed is None else {"agree_ns": ns(agreed)}),
        },
    )


def outcomes(*, arms: bool = False) -> list[Outcome]:
    found: list[Outcome] = []
    for number in range(12):
        start = 1000.0 * number
        for place, reused in enumerate((False, True)):
            arm = ("unpooled", "pooled")[place] if arms else ""
            one = sample(
                number,
                place,
                reused=reused,
                arm=arm,
                start=start + 200 * place,
                wait=35 + number / 10,
            )
            found.append(richer(one, number))
    return found


def benched() -> Run:
    lost = failure(12, 1, role=Role.SUBSEQUENT, start=20_000.0, reused=True)
    return bench_run([*outcomes(), replace(lost, extra={"hops": 9})])


# --- what there is without ---


@pytest.mark.parametrize("record", [Sample, Failure])
def test_columns_of_a_file_have_a_field_unless_they_are_mostly_absent(
    record: type[Outcome],
) -> None:
    # What few requests have goes into `extra`, so that the others pickle quickly.
    always = [each for each in COLUMNS.in_file(record) if not each.optional]
    assert not any(column.is_extra(record) for column in always)
    names = [column.name for column in COLUMNS.in_file(record)]
    assert len(names) == len(set(names))


def test_a_file_without_new_columns_says_nothing_of_them(tmp_path: Path) -> None:
    path = store(bench_run([sample()]), tmp_path / "run.toml")
    (block,) = tomllib.loads(path.read_text())["samples"]
    assert "extra" not in block
    (read,) = load_run(path).samples
    assert read.extra is None


# --- what a new one is found in ---


@registered
def test_a_result_file_holds_it_and_gives_it_back(tmp_path: Path) -> None:
    run = benched()
    path = store(run, tmp_path / "run.toml")
    blocks = tomllib.loads(path.read_text())
    assert blocks["samples"][0]["queue_ms"] == 4.0
    assert blocks["samples"][0]["hops"][:4] == [7, 7, 8, 8]
    assert blocks["failures"][0]["hops"] == 9
    read = load_run(path)
    assert tuple(read.samples) == tuple(run.samples)
    assert tuple(read.failures) == tuple(run.failures)
    assert pickle.loads(pickle.dumps(run.samples[0])) == run.samples[0]  # noqa: S301


@registered
def test_a_file_without_it_is_still_read(tmp_path: Path) -> None:
    path = store(bench_run([sample()]), tmp_path / "run.toml")
    assert not {column.name for column in FAKES} & set(path.read_text().split())
    assert load_run(path).samples[0].extra is None


@registered
def test_csv_has_it() -> None:
    text = document(benched(), "csv")
    first, *_, last = csv.DictReader(io.StringIO(text, newline=""))
    assert first["queue_ms"] == "4.000000"
    assert first["agree_ms"] == "8.000000"
    assert first["hops"] == "7"
    assert last["hops"] == "9"
    assert last["queue_ms"] == ""


@registered
def test_a_page_has_it_in_its_table_and_in_its_picture() -> None:
    page = document(benched(), "html")
    for column in FAKES:
        assert f'title="{column.about}">{column.name}</th>' in page
    assert "connection costs (dns, unanswered, connect, tls, agree)" in page
    assert "queue 4.00 ms" in page
    picture = waterfall([("cold", [("agree", 8.0), ("queue", 4.0)])], 720.0, "here")
    assert str(picture).count('class="opening"') == 1


@registered
def test_groups_have_a_duration_and_not_a_count() -> None:
    cold, subsequent = groups_in(benched())
    names = [metric.name for metric in cold.metrics]
    assert names == [
        *("latency", "connect", "tls", "agree", "send", "wait", "receive", "queue"),
        *("client", "server"),
    ]
    assert cold.typical("agree") == 8.0
    assert subsequent.typical("agree") is None
    assert subsequent.typical("queue") == 4.0


@registered
def test_json_has_it_and_its_schema_allows_it() -> None:
    found = json.loads(document(benched(), "json"))
    metrics = {each["name"]: each for each in found["summary"]["cold"]["metrics"]}
    assert metrics["queue"]["p50"]["point"] == 4.0
    assert found["summary"]["breakdown"]["others"] == {"agree": 8.0, "queue": 0.0}
    whole = schema()
    assert list(Draft202012Validator(whole).iter_errors(found)) == []
    assert {"agree", "queue", "server"} <= set(
        whole["$defs"]["Metric"]["properties"]["name"]["examples"]
    )


@registered
def test_prometheus_has_a_duration() -> None:
    text = document(benched(), "prometheus")
    assert 'phase="queue"' in text
    assert 'phase="server"' in text


@registered
def test_a_phase_is_no_time_of_the_client() -> None:
    plain = sample(wait=35)
    rich = richer(plain, 0)
    assert client_ns(rich) == client_ns(plain)
    assert network_ns(rich) == (network_ns(plain) or 0) + 12_000_000


@registered
def test_the_waterfall_draws_a_phase_and_nothing_else() -> None:
    rows = phase_rows(groups_in(benched()), merged=False)
    names = [name for name, _ in dict(rows)["cold"]]
    assert names == [
        *("connect", "tls", "agree", "send", "wait", "receive", "queue", "client")
    ]
    text = sketched(Waterfall(rows), 80)
    assert "queue" in text
    assert "server" not in text


@registered
def test_the_breakdown_has_a_phase() -> None:
    run = bench_run(outcomes())
    breakdown = summarise_bench(run).breakdown
    assert breakdown is not None
    assert breakdown.part("agree") == 8.0
    assert breakdown.part("queue") == 0.0
    assert breakdown.opening == pytest.approx(30.0 + 31.5 + 8.0)
    text = rendered(run)
    assert "  key agreement " in text
    assert "    queue " in text


@registered
def test_a_comparison_shows_a_phase_of_both_arms() -> None:
    run = compare_run(outcomes(arms=True))
    (pair,) = summarise_compare(run).pairs
    assert pair.breakdown is not None
    assert pair.breakdown.others == {"agree": 8.0, "queue": 0.0}
    lines = [line.split() for line in rendered(run).splitlines()]
    assert ["agree", "8.00", "–", "+8.00", "0.27"] in lines
    assert any(line[:3] == ["queue", "4.00", "4.00"] for line in lines)


@registered
def test_an_assertion_may_be_of_it() -> None:
    (queued,) = judge(benched(), ["subsequent.queue.p50 <= 5ms"])
    assert queued.outcome is Verdict.PASS
    with pytest.raises(ValueError, match="receive, queue, client, server"):
        judge(benched(), ["subsequent.nonsense <= 5ms"])


def test_it_is_gone_with_the_test() -> None:
    assert not set(FAKES) & set(COLUMNS.all)
    assert [column.title for column in COLUMNS.metrics] == [
        *("latency", "sign", "dns", "unanswered", "connect", "tls"),
        *("send", "wait", "receive", "client"),
    ]
