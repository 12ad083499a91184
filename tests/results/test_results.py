"""A run as a file: what is written is what is loaded."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.records import STARTED, bench_run, failure, sample, sessions, store
from tests.support.stored import PROPERTY, writer_of
from vestbench.model.request import Failure, FailureKind, Outcome, Role, Sample, Slot
from vestbench.model.run import KILLED
from vestbench.results.writing import RunWriter
from vestbench.studies.document import summary_of
from vestbench.studies.registry import load_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


# All characters but lone surrogates, which no file can hold; control ones often.
texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\x00\x07\x1b\x7f\x85\r\n\t\"'\\[]=#\u202e\u2028é漢🚀"),
    ),
    max_size=30,
)
durations = st.integers(0, 10**15)  # eleven days in nanoseconds
maybe_durations = st.none() | durations
counts = st.integers(0, 2**40)
slots = st.builds(
    Slot,
    session=st.integers(-1, 999),
    index=st.integers(0, 10_000),
    role=st.sampled_from(Role),
    arm=texts,
)
samples = st.builds(
    Sample,
    slot=slots,
    start_ns=durations,
    latency_ns=durations,
    dns_ns=maybe_durations,
    connect_ns=maybe_durations,
    tls_ns=maybe_durations,
    send_ns=maybe_durations,
    wait_ns=maybe_durations,
    receive_ns=maybe_durations,
    status=st.integers(100, 599),
    reused=st.booleans(),
    connection=counts,
    use=counts,
    local_port=st.integers(0, 65535),
    resumed=st.booleans(),
    http_version=texts,
    tls_version=texts,
    cipher=texts,
    remote=texts,
    rtt_us=st.none() | counts,
    syn_rtt_us=st.none() | counts,
    retransmits=st.none() | counts,
    body_bytes=counts,
    sign_ns=maybe_durations,
)
failures = st.builds(
    Failure,
    slot=slots,
    start_ns=durations,
    elapsed_ns=durations,
    kind=st.sampled_from(FailureKind),
    detail=texts,
    status=st.none() | st.integers(100, 599),
    reused=st.none() | st.booleans(),
    retry_after_s=st.none() | st.floats(0, 1e9),
)


@PROPERTY
@given(
    st.lists(samples, max_size=6),
    st.lists(failures, max_size=6),
    texts,
    st.dictionaries(texts, texts),
)
def test_what_is_written_is_what_is_loaded(
    some: list[Sample], failed: list[Failure], label: str, versions: dict[str, str]
) -> None:
    run = replace(
        bench_run(
            [*some, *failed],
            conditions={"host": label, "versions": versions},
            conclusion={"notes": [label]},
        ),
        label=label,
    )

    with TemporaryDirectory() as folder:
        loaded = load_run(store(run, Path(folder) / "run.toml"))

    assert loaded == run


def test_more_outcomes_than_a_block_holds_keep_their_order(path: Path) -> None:
    some = [sample(n % 7, n, start=float(n), wait=n / 1000) for n in range(700)]
    failed = [failure(n % 7, n, elapsed=n / 1000) for n in range(300)]
    run = bench_run([*some, *failed])

    loaded = load_run(store(run, path))

    assert loaded == run
    assert len(tomllib.loads(path.read_text())["samples"]) == 3


def test_samples_and_failures_that_alternate_keep_their_order(path: Path) -> None:
    mixed: list[Outcome] = []
    for n in range(10):
        mixed += [sample(n), failure(n, 1)]
    run = bench_run(mixed)
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for outcome in mixed:
        writer.add(outcome)
        writer.flush()
    writer.finish(run.conclusion, {})

    assert load_run(path) == run


def test_the_start_is_kept_as_a_moment_whatever_its_time_zone(path: Path) -> None:
    east = STARTED.astimezone(timezone(timedelta(hours=9)))
    writer = RunWriter(
        path, command="bench", label="x", plan=bench_run().plan, started=east
    )
    writer.finish(KILLED, {})

    loaded = load_run(path)

    assert loaded.started == STARTED
    assert loaded.started.utcoffset() == timedelta(0)


def test_a_summary_is_in_the_file_for_human_readers(path: Path) -> None:
    run = bench_run(sessions([100.0] * 12))

    store(run, path, summary_of(run))

    stored = tomllib.loads(path.read_text())["summary"]
    assert stored["acceptance"] == "PASS"
    assert stored["saving"]["median_lo"] == 64.0


def test_a_column_with_one_value_is_that_value_alone(path: Path) -> None:
    store(bench_run([sample(0, latency=70.0), sample(1, latency=71.0)]), path)

    block = tomllib.loads(path.read_text())["samples"][0]
    assert block["status"] == 200
    assert block["latency_ms"] == [70.0, 71.0]
    assert block["dns_ms"] != block["dns_ms"]  # absent: nan


def test_a_column_that_only_some_runs_have_is_left_out_of_the_others(
    path: Path,
) -> None:
    stamped = sample(0, kernel_send_ns=40_123, kernel_receive_ns=-250)
    half = sample(1, kernel_send_ns=7)
    run = bench_run([stamped, half])

    store(bench_run([sample(0)]), path.with_name("plain.toml"))
    store(run, path)

    plain = tomllib.loads(path.with_name("plain.toml").read_text())["samples"][0]
    block = tomllib.loads(path.read_text())["samples"][0]
    assert not [name for name in plain if name.startswith("kernel")]
    assert block["kernel_send_ms"] == [0.040123, 0.000007]
    assert block["kernel_receive_ms"][0] == -0.00025
    assert load_run(path).samples == run.samples


def test_what_signing_took_is_a_column_only_where_something_was_signed(
    path: Path,
) -> None:
    signed = sample(0, sign_ns=6_000_000, latency=73.0)
    store(bench_run([sample(1), sample(2)]), path)
    mixed = store(bench_run([signed, sample(1)]), path.with_name("mixed.toml"))

    (without,) = tomllib.loads(path.read_text())["samples"]
    (block,) = tomllib.loads(mixed.read_text())["samples"]

    assert "sign_ms" not in without
    assert block["sign_ms"][0] == 6.0
    assert [s.sign_ns for s in load_run(mixed).samples] == [6_000_000, None]


def test_a_text_that_no_file_can_hold_is_replaced_rather_than_lost(path: Path) -> None:
    store(bench_run([failure(detail="no such host \udcff.example")]), path)

    assert load_run(path).failures[0].detail == "no such host ?.example"


def test_the_type_of_an_answer_is_a_column_only_where_one_had_a_type(
    path: Path,
) -> None:
    typed = sample(0, content_type="text/html")
    store(bench_run([sample(1), sample(2)]), path)
    mixed = store(bench_run([typed, sample(1)]), path.with_name("mixed.toml"))

    (without,) = tomllib.loads(path.read_text())["samples"]

    assert "content_type" not in without
    assert [s.content_type for s in load_run(mixed).samples] == ["text/html", None]
