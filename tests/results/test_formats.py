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
from vestbench.errors import InvalidRunError
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
        (
            "format = 1",
            "format = true",
            "format: expected an integer, got true or false",
        ),
        ("format = 1", "format = 0", "format 0: it was never used"),
        ("format = 1\n", "", "format: it is missing"),
        ('command = "bench"\n', "", "command: it is missing"),
        ('label = "pooled"', "label = 5", "label: expected text, got an integer"),
        ("10:15:00+00:00", "10:15:00", "started: expected a time zone"),
        ('command = "bench"', "command = 3", "command: expected text, got an integer"),
        ("2026-", "0001-", "started: expected a year from 1970 on, got 1"),
        ("2026-", "9999-", "started: expected a year from 1970 on, got 9999"),
        (
            "seed = ",
            "seed = 99999999999999999999",
            "plan.seed: expected an integer <= ",
        ),
        (
            "sessions = ",
            f"sessions = {10**29}",
            "plan.sessions: expected an integer <=",
        ),
        (
            "[conditions]\n",
            "[conditions]\nclock = [{from_ms = 0.0, at = 9999-12-31T23:00:00-23:00}]\n",
            r"conditions.clock\[0\].at: expected a year from 1970 on, got 9999",
        ),
        (
            "[plan]\n",
            f"[plan]\nassertions = ['cold.p50 <= {400 * '9'}ms']\n",
            "plan.assertions: .*: a value has at most 20 digits",
        ),
        ("[plan]", "[plans]", "plans: it is unknown"),
        ("[[samples]]", "[samples]", "samples: expected a list, got a table"),
        ("n = 5", "n = 4", "expected 4 values, got 5"),
        ("n = 5", "n = 0", r"samples\[0\].n: expected 1 to 100,000"),
        ("n = 5", "n = -5", r"samples\[0\].n: expected 1 to 100,000"),
        ("n = 5", "n = 1000000000000", r"samples\[0\].n: expected 1 to 100,000"),
        ("n = 5", "n = true", "n: expected an integer, got true or false"),
        ("n = 5\n", "", r"samples\[0\].n: it is missing"),
        ("n = 5", "n = 5\ncolour = 1", r"samples\[0\].colour: it is unknown"),
        ("status = 200\n", "", r"samples\[0\].status: it is missing"),
        (
            "status = 200",
            'status = "200"',
            r"samples\[0\].status: expected an integer, got text",
        ),
        (
            "status = 200",
            "status = [200, 200]",
            r"samples\[0\].status: expected 5 values, got 2",
        ),
        (
            "status = 200",
            "status = 200.0",
            "status: expected an integer, got a decimal number",
        ),
        (
            "resumed = false",
            "resumed = 0",
            "resumed: expected true or false, got an integer",
        ),
        (
            "98.75,",
            "nan,",
            r"samples\[0\].latency_ms\[0\]: expected a duration, got nan",
        ),
        ("98.75,", "inf,", r"latency_ms\[0\]: expected a duration, got inf"),
        ("98.75,", "-98.75,", r"latency_ms\[0\]: expected a duration, got -98.75"),
        ("98.75,", "1e300,", r"latency_ms\[0\]: expected a duration, got 1e[+]300"),
        (
            "98.75,",
            "98,",
            r"latency_ms\[0\]: expected a decimal number, got an integer",
        ),
        (
            '"cold"',
            '"warm"',
            r"samples\[0\].role\[0\]: expected one of burn-in, .*, got .warm.$",
        ),
        (
            '"rate-limited"',
            '"shy"',
            r"failures\[0\].kind: expected one of timeout, .*, got .shy.$",
        ),
        (
            'reused = "true"',
            'reused = "maybe"',
            "reused: expected true, false or unknown, got .maybe.$",
        ),
        (
            "[[failures]]\n",
            "[[failures]]\n[failures.x]\n",
            r"failures\[0\].n: it is missing",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_the_place(
    path: Path, old: str, new: str, why: str
) -> None:
    path.write_text(edited(old, new))

    with pytest.raises(InvalidRunError, match=why) as refusal:
        load_run(path)

    assert str(refusal.value).startswith(f"{path} is damaged: ")


@pytest.mark.parametrize("block", ["samples", "failures"])
@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("3", "{}: expected a list, got an integer"),
        ('["x"]', "{}[0]: expected a table, got text"),
        ("[[1]]", "{}[0]: expected a table, got a list"),
    ],
)
def test_what_is_no_block_is_refused_with_its_place(
    path: Path, block: str, value: str, why: str
) -> None:
    path.write_text(
        f"{block} = {value}\n{GOLDEN.read_text()}".replace(f"[[{block}]]", "[[others]]")
    )

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value) == f"{path} is damaged: {why.format(block)}"


def test_the_second_block_is_the_one_that_is_named(path: Path) -> None:
    begin, head, rest = GOLDEN.read_text().partition("[[samples]]\n")
    block = head + rest[: rest.index("[[")]
    path.write_text(
        begin + block + block.replace("98.75,", "-inf,") + rest[rest.index("[[") :]
    )

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value).endswith(
        "samples[1].latency_ms[0]: expected a duration, got -inf"
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            b"format = 1\nlabel = '\xff'",
            "is not a result file: it is not UTF-8 at byte 21",
        ),
        (
            b"format = " + b"9" * 5000,
            "is not a result file: a number in it has too many digits",
        ),
        (b"plan = 3", "is damaged: plan: expected a table, got an integer"),
    ],
)
def test_what_python_would_say_is_said_plainly(
    path: Path, data: bytes, why: str
) -> None:
    path.write_bytes(data)

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value) == f"{path} {why}"


def test_runs_of_an_unknown_command_are_refused_with_the_name_of_the_file(
    path: Path,
) -> None:
    path.write_text(edited('command = "bench"', 'command = "nonsense"'))

    with pytest.raises(InvalidRunError) as refusal:
        load_run(path)

    assert str(refusal.value).startswith(
        f"{path}: this version knows no runs of 'nonsense', "
    )


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
