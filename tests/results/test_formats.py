"""Formats of results, and files that are none."""

from __future__ import annotations

import string
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import DATA
from tests.support.records import STARTED, failure, sample, store
from tests.support.stored import PROPERTY
from tests.support.studies import bench_of
from vestbench.errors import InvalidRunError, UsageError
from vestbench.model.request import FailureKind, Role
from vestbench.model.run import Run, RunOf
from vestbench.results.naming import FORMAT
from vestbench.studies.registry import load_run

GOLDEN = DATA / "format-1.toml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


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

    store(run, path)

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
