"""A run as a file: what is written comes back, whatever ends it; nothing else loads."""

from __future__ import annotations

import os
import string
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from errno import EACCES, ENOSPC
from io import BytesIO
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import DATA
from tests.support.records import STARTED, bench_run, failure, sample, sessions
from tests.support.studies import bench_of
from vestbench.errors import InvalidRunError, UsageError
from vestbench.model.request import Failure, FailureKind, Outcome, Role, Sample, Slot
from vestbench.model.run import KILLED, Conditions, Run, RunOf
from vestbench.results.naming import FORMAT, result_path
from vestbench.results.writing import RunWriter
from vestbench.studies.document import summary_of
from vestbench.studies.registry import load_run

PROPERTY = settings(deadline=None, derandomize=True)
GOLDEN = DATA / "format-1.toml"


def writer_of(run: Run, path: Path, clock: Any = lambda: 0.0) -> RunWriter:
    return RunWriter(
        path,
        command=run.command,
        label=run.label,
        plan=run.plan,
        started=run.started,
        clock=clock,
    )


def write(run: Run, path: Path, end: Mapping[str, Any] | None = None) -> Path:
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    outcomes: list[Outcome] = [*run.samples, *run.failures]
    for outcome in outcomes:
        writer.add(outcome)
    return writer.finish(run.conclusion, end or {})


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


# --- there and back ------------------------------------------------------------------

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
        loaded = load_run(write(run, Path(folder) / "run.toml"))

    assert loaded == run


def test_more_outcomes_than_a_block_holds_keep_their_order(path: Path) -> None:
    some = [sample(n % 7, n, start=float(n), wait=n / 1000) for n in range(700)]
    failed = [failure(n % 7, n, elapsed=n / 1000) for n in range(300)]
    run = bench_run([*some, *failed])

    loaded = load_run(write(run, path))

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

    write(run, path, summary_of(run))

    stored = tomllib.loads(path.read_text())["summary"]
    assert stored["acceptance"] == "PASS"
    assert stored["saving"]["median_lo"] == 64.0


def test_a_column_with_one_value_is_that_value_alone(path: Path) -> None:
    write(bench_run([sample(0, latency=70.0), sample(1, latency=71.0)]), path)

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

    write(bench_run([sample(0)]), path.with_name("plain.toml"))
    write(run, path)

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
    write(bench_run([sample(1), sample(2)]), path)
    mixed = write(bench_run([signed, sample(1)]), path.with_name("mixed.toml"))

    (without,) = tomllib.loads(path.read_text())["samples"]
    (block,) = tomllib.loads(mixed.read_text())["samples"]

    assert "sign_ms" not in without
    assert block["sign_ms"][0] == 6.0
    assert [s.sign_ns for s in load_run(mixed).samples] == [6_000_000, None]


def test_a_text_that_no_file_can_hold_is_replaced_rather_than_lost(path: Path) -> None:
    write(bench_run([failure(detail="no such host \udcff.example")]), path)

    assert load_run(path).failures[0].detail == "no such host ?.example"


# --- as it goes ----------------------------------------------------------------------


def partial_of(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def test_outcomes_are_on_disk_within_a_second(path: Path) -> None:
    now = [100.0]
    run = bench_run()
    writer = writer_of(run, path, clock=lambda: now[0])
    writer.conditions(run.conditions)
    seen: list[int] = []
    for moment in (100.2, 100.9, 100.99, 101.0, 101.5, 102.0):
        now[0] = moment
        writer.add(sample(len(seen)))
        seen.append(len(load_run(partial_of(path)).samples))
    writer.close()

    assert seen == [0, 0, 0, 4, 4, 6]


def test_a_full_block_is_on_disk_at_once(path: Path) -> None:
    run = bench_run()
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for number in range(300):
        writer.add(sample(number))
    found = load_run(partial_of(path))
    writer.close()

    assert len(found.samples) == 256


def test_a_killed_run_loads_with_what_was_flushed_and_is_interrupted(
    path: Path,
) -> None:
    run = bench_run(sessions([100.0] * 3), plan={"seed": 11})
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for number, outcome in enumerate(run.samples):
        writer.add(outcome)
        if number == 9:
            writer.flush()
    writer.close()  # as the end of the process does, but for what is still waiting

    found = load_run(partial_of(path))

    assert found.samples == run.samples[:10]
    assert found.interrupted
    assert found.plan == run.plan
    assert found.conditions == run.conditions
    assert not path.exists()


def test_a_run_killed_before_its_first_request_loads(path: Path) -> None:
    run = bench_run()
    writer = writer_of(run, path)
    writer.close()

    found = load_run(partial_of(path))

    assert found.interrupted
    assert (found.samples, found.failures) == ((), ())
    assert found.conditions == Conditions()


def test_a_block_torn_by_a_kill_or_a_full_disk_costs_that_block_only(
    path: Path,
) -> None:
    run = bench_run(sessions([100.0, 101.0, 102.0]))
    writer = writer_of(run, path)
    writer.conditions(run.conditions)
    for part in (run.samples[:10], run.samples[10:]):
        for outcome in part:
            writer.add(outcome)
        writer.flush()
    writer.close()
    whole = partial_of(path).read_bytes()
    start = whole.rindex(b"[[samples]]")

    for end in range(start + 1, len(whole) - 1, 5):
        partial_of(path).write_bytes(whole[:end])
        found = load_run(partial_of(path))
        assert found.samples == run.samples[:10]
        assert found.interrupted


def test_a_torn_conclusion_is_no_conclusion(path: Path) -> None:
    run = bench_run([sample()])
    write(run, path, {"n": 1})
    whole = path.read_bytes()
    torn = partial_of(path)

    for end in range(whole.index(b"[conclusion]"), whole.index(b"[summary]"), 5):
        torn.write_bytes(whole[:end])
        assert load_run(torn).interrupted
        assert load_run(torn).samples == run.samples


def test_a_run_killed_just_before_it_got_its_name_is_whole(path: Path) -> None:
    run = bench_run([sample()])
    write(run, path, {"n": 1})
    os.replace(path, partial_of(path))

    assert load_run(partial_of(path)) == run


class Interrupted:
    """A file at whose n-th call an interruption comes, before or after it is done."""

    def __init__(self, file: Any, call: int, *, before: bool) -> None:
        self._file = file
        self._left = call
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._file, name)
        if not callable(found):
            return found

        def called(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._before:
                raise KeyboardInterrupt
            result = found(*arguments)
            if self._left == 0:
                raise KeyboardInterrupt
            return result

        return called


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("call", range(1, 14))
def test_an_interruption_anywhere_in_writing_neither_loses_nor_doubles_a_request(
    path: Path, call: int, before: bool
) -> None:
    run = bench_run([*sessions([100.0, 101.0]), failure(3)])
    writer = writer_of(run, path, clock=iter(range(99)).__next__)  # flush each second
    writer.conditions(run.conditions)
    writer._file = Interrupted(writer._file, call, before=before)  # type: ignore[assignment]
    outcomes: list[Outcome] = [*run.samples, *run.failures]

    with suppress(KeyboardInterrupt):
        for outcome in outcomes:
            writer.add(outcome)
    for outcome in outcomes[writer.taken :]:
        writer.add(outcome)
    try:
        writer.finish(run.conclusion, {})
    except KeyboardInterrupt:
        writer.finish(run.conclusion, {})

    stored = load_run(path)
    assert stored.samples == run.samples
    assert stored.failures == run.failures
    assert not stored.interrupted


def test_finishing_gives_the_file_its_name(path: Path) -> None:
    run = bench_run([sample()])
    writer = writer_of(run, path)
    before = files(path.parent)
    found = writer.finish(run.conclusion, {})

    assert before == ["run.toml.partial"]
    assert found == path
    assert files(path.parent) == ["run.toml"]


def test_a_discarded_run_leaves_no_file(path: Path) -> None:
    writer_of(bench_run(), path).discard()

    assert files(path.parent) == []


# --- the path is reserved first ------------------------------------------------------


def test_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "run.toml"

    write(bench_run([sample()]), path)

    assert load_run(path).samples


def test_a_folder_is_no_result(path: Path) -> None:
    path.mkdir()

    with pytest.raises(UsageError) as refusal:
        writer_of(bench_run(), path)

    assert str(refusal.value) == (
        f"cannot write results to {path}: is a directory; choose another --output"
    )
    assert files(path.parent) == ["run.toml"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    blocker = tmp_path / "results"
    blocker.write_text("mine")
    path = blocker / "run.toml"

    with pytest.raises(UsageError, match="cannot write results to") as refusal:
        writer_of(bench_run(), path)

    assert str(path) in str(refusal.value)
    assert ".partial" not in str(refusal.value)
    assert blocker.read_text() == "mine"


def test_a_folder_that_may_not_be_written_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By hand, because root, who runs tests in a container, may write everywhere.
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(EACCES, os.strerror(EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError) as refusal:
        writer_of(bench_run(), path)

    assert str(refusal.value) == (
        f"cannot write results to {path}: permission denied; choose another --output"
    )
    assert files(path.parent) == []


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".toml", "a\0b.toml"], ids=["long", "nul"]
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot write results to"):
        writer_of(bench_run(), tmp_path / name)

    assert files(tmp_path) == []


def test_a_run_that_is_being_written_is_not_overwritten(path: Path) -> None:
    partial_of(path).write_text("another run\n")

    with pytest.raises(UsageError) as refusal:
        writer_of(bench_run(), path)

    assert str(refusal.value) == (
        f"{partial_of(path)} exists: another run writes it, or one was killed; "
        "remove it or choose another --output"
    )
    assert partial_of(path).read_text() == "another run\n"


def test_a_name_is_the_moment_the_command_and_the_label(tmp_path: Path) -> None:
    east = datetime(2026, 3, 1, 19, 15, 30, tzinfo=timezone(timedelta(hours=9)))

    assert result_path(tmp_path, "bench", "pooled", east) == (
        tmp_path / "20260301T101530Z-bench-pooled.toml"
    )


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    def name() -> str:
        return result_path(tmp_path, "bench", "pooled", STARTED).name

    first = name()
    (tmp_path / first).touch()
    second = name()
    partial_of(tmp_path / second).touch()
    third = name()

    assert [first, second, third] == [
        "20260301T101500Z-bench-pooled.toml",
        "20260301T101500Z-bench-pooled-2.toml",
        "20260301T101500Z-bench-pooled-3.toml",
    ]


def test_names_sort_by_time(tmp_path: Path) -> None:
    moments = [
        datetime(2026, 1, day, hour, tzinfo=UTC) for day in (2, 10) for hour in (3, 20)
    ]
    names = [result_path(tmp_path, "bench", "pooled", at).name for at in moments]

    assert names == sorted(names)


# --- a full disk ---------------------------------------------------------------------


class FullDisk(BytesIO):
    """A file that takes `room` bytes and then no more."""

    room = 0

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        return super().write(data)

    def close(self) -> None:
        if self.room < 0 and not self.closed:
            super().close()
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        super().close()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    disk = FullDisk()
    monkeypatch.setattr(Path, "open", lambda *_, **__: disk)
    yield disk
    disk.room = 10**6
    disk.close()


@pytest.mark.parametrize("step", ["start", "conditions", "add", "finish"])
def test_a_full_disk_is_said_in_a_line_that_names_the_file(
    path: Path, full_disk: FullDisk, step: str
) -> None:
    run = bench_run([sample()])

    def act() -> None:
        full_disk.room = 0 if step == "start" else 10**6
        writer = writer_of(run, path, clock=iter(range(99)).__next__)
        full_disk.room = 0 if step == "conditions" else 10**6
        writer.conditions(run.conditions)
        full_disk.room = 0 if step == "add" else 10**6
        writer.add(run.samples[0])
        full_disk.room = 0
        writer.finish(run.conclusion, {})

    with pytest.raises(UsageError) as refusal:
        act()

    assert f"{partial_of(path)}: no space left on device; " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_full_disk_does_not_keep_a_run_from_ending(
    path: Path, full_disk: FullDisk
) -> None:
    full_disk.room = 10**6
    writer = writer_of(bench_run(), path)
    full_disk.room = -1

    writer.close()

    assert full_disk.closed


def test_a_file_that_cannot_be_renamed_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(EACCES, os.strerror(EACCES))

    writer = writer_of(bench_run(), path)
    monkeypatch.setattr(os, "replace", refuse)

    with pytest.raises(UsageError, match="permission denied; it holds what was"):
        writer.finish(KILLED, {})


# --- files that are none -------------------------------------------------------------


def test_the_first_public_format_loads() -> None:
    run = load_run(GOLDEN)

    assert (run.command, run.label, run.started) == ("bench", "pooled", STARTED)
    assert bench_of(run).plan.requests == 6
    assert run.conditions.pool is not None
    assert run.conditions.pool.max_idle == 2
    assert [(s.slot.session, s.slot.index) for s in run.samples] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (1, 1),
    ]
    assert run.samples[0] == sample(
        0,
        0,
        start=12.5,
        dns=1.25,
        connect=30.125,
        tls=31.5,
        send=0.1,
        wait=35.000001,
        receive=0.2,
        latency=98.75,
        remote="192.0.2.7:443",
        rtt=30.1,
        syn_rtt=30.05,
        local_port=40000,
    )
    assert run.samples[1] == sample(
        0,
        1,
        reused=True,
        start=120.0,
        wait=35.5,
        latency=36.25,
        remote="192.0.2.7:443",
        rtt=None,
        syn_rtt=None,
        retransmits=None,
        local_port=40000,
    )
    assert run.failures == (
        failure(
            1,
            2,
            role=Role.SUBSEQUENT,
            kind=FailureKind.RATE_LIMITED,
            start=500.0,
            elapsed=33.125,
            detail='429 "Too Many Requests"',
            status=429,
            reused=True,
            retry_after_s=1.5,
        ),
    )
    assert not run.interrupted


def test_the_first_public_format_is_still_what_is_written(path: Path) -> None:
    run = load_run(GOLDEN)

    write(run, path)

    assert load_run(path) == run
    assert f"format = {FORMAT}\n" in GOLDEN.read_text()


@pytest.mark.parametrize("version", [FORMAT + 1, 10**30])
def test_a_newer_format_asks_for_an_upgrade(path: Path, version: int) -> None:
    path.write_text(f"format = {version}\nwhat_is_new = true\n")

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value) == (
        f"{path} has format {version}, this version reads up to {FORMAT}: "
        "upgrade vestbench"
    )


def refused(path: Path) -> str:
    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)
    return str(refusal.value)


def loaded_or_refused(path: Path) -> Run | str:
    try:
        return load_run(path)
    except InvalidRunError as error:
        return str(error)


def edited(old: str, new: str) -> str:
    text = GOLDEN.read_text()
    assert old in text, old
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("format = 1", "format = true", "format True was never used"),
        ("format = 1", "format = 0", "format 0 was never used"),
        ("format = 1\n", "", "'format' is missing"),
        ('command = "bench"\n', "", "'command' is missing"),
        ('label = "pooled"', "label = 5", "label is not a str"),
        ("10:15:00+00:00", "10:15:00", "started has no time zone"),
        ("[plan]", "[plans]", "unknown key 'plans'"),
        ("[[samples]]", "[samples]", "samples is not a list"),
        ("n = 5", "n = 4", "has 5 of 4 values"),
        ("n = 5", "n = 0", "says it holds 0 outcomes"),
        ("n = 5", "n = -5", "says it holds -5 outcomes"),
        ("n = 5", "n = 1000000000000", "says it holds 1000000000000 outcomes"),
        ("n = 5", "n = true", "says it holds True outcomes"),
        ("n = 5\n", "", "'n' is missing"),
        ("n = 5", "n = 5\ncolour = 1", "unknown column 'colour'"),
        ("status = 200\n", "", "'status' is missing"),
        ("status = 200", 'status = "200"', "column 'status' holds '200'"),
        ("status = 200", "status = [200, 200]", "has 2 of 5 values"),
        ("status = 200", "status = 200.0", "column 'status' holds 200.0"),
        ("resumed = false", "resumed = 0", "column 'resumed' holds 0"),
        ("98.75,", "nan,", "nan ms is not a duration"),
        ("98.75,", "inf,", "inf ms is not a duration"),
        ("98.75,", "-98.75,", "-98.75 ms is not a duration"),
        ("98.75,", "1e300,", "1e[+]300 ms is not a duration"),
        ("98.75,", "98,", "column 'latency_ms' holds 98"),
        ('"cold"', '"warm"', "'warm' is not a valid Role"),
        ('"rate-limited"', '"shy"', "'shy' is not a valid FailureKind"),
        ('reused = "true"', 'reused = "maybe"', "'maybe' is neither true, false"),
        ("[[failures]]\n", "[[failures]]\n[failures.x]\n", "'n' is missing"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_the_place(
    path: Path, old: str, new: str, why: str
) -> None:
    path.write_text(edited(old, new))

    with pytest.raises(InvalidRunError, match=why) as refusal:
        load_run(path)

    assert str(refusal.value).startswith(f"{path} is damaged: ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}",
        b"\x00\x01\x02\xff",
        "format = 1".encode("utf-16"),
        b"format = ",
        b"\x7fELF" + bytes(range(256)),
        b"format = " + b"9" * 5000,
        b"format = " + b"[" * 50_000,
        b"samples = [1, 2]\nformat = 1",
        b"format = nan",
    ],
)
@pytest.mark.parametrize("name", ["run.toml", "run.toml.partial"])
def test_what_is_no_result_is_refused_in_one_line(
    tmp_path: Path, name: str, data: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    message = refused(path)

    assert message.startswith(f"{path} is ")
    assert "\n" not in message


def test_a_truncated_file_is_refused(path: Path) -> None:
    whole = GOLDEN.read_bytes()
    end = whole.index(b"[conclusion]")  # from there on it is a run that was killed

    for size in range(0, end, 7):
        path.write_bytes(whole[:size])
        kept = loaded_or_refused(path)
        if isinstance(kept, RunOf):  # cut between two tables
            assert kept.interrupted
            assert len(kept.samples) in (0, 5)
        else:
            assert "\n" not in kept


def test_a_file_that_is_not_there_is_a_wrong_argument(path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        load_run(path)

    assert str(refusal.value) == f"cannot read {path}: no such file or directory"


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*: is a directory"):
        load_run(tmp_path)


positions = st.integers(0, len(GOLDEN.read_bytes()) - 1)
pieces = st.one_of(
    st.binary(max_size=4),
    st.sampled_from([c.encode() for c in string.printable]),
    st.sampled_from(
        [b"nan", b"-1", b"inf", b"[[", b"]]", b'"""', b"1979-05-27", b"{}"]
    ),
)


@settings(PROPERTY, max_examples=200)
@given(
    st.lists(st.tuples(positions, st.integers(0, 6), pieces), min_size=1, max_size=3)
)
def test_a_changed_file_loads_or_is_refused_in_one_line(
    changes: list[tuple[int, int, bytes]],
) -> None:
    data = GOLDEN.read_bytes()
    for position, removed, added in changes:
        data = data[:position] + added + data[position + removed :]

    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.toml"
        path.write_bytes(data)
        found = loaded_or_refused(path)

    if isinstance(found, RunOf):
        assert all(0 <= s.latency_ns < inf for s in found.samples)
    else:
        assert "\n" not in found
