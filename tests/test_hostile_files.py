"""Results and settings from strangers: shown, or refused in one line, never a crash."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.command import vestbench
from tests.hostile import check, spoilt, write
from tests.records import bench_run, compare_run, failure, sessions, warm_up_run
from tests.test_compare_stats import in_rounds, steady
from tests.test_results import write as store
from vestbench.errors import ExitCode, VenueError
from vestbench.models import Run
from vestbench.results import load, reading

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# What a run that goes on would be measured at, if it were: `nothing_is_measured`.
ARMS = ("compare", "pooled", "unpooled", "--venue", "http://127.0.0.1:9/")

TOML = b"""\
venue = "sim"
min_saving = "50ms"
results = "results"
[pool]
max_idle = 2
idle_timeout = "60s"
tcp_keepalive = "30s"
connect_timeout = "10s"
request_timeout = "10s"
"""


@contextmanager
def nothing_is_measured(plans: list[Mapping[str, Any]]) -> Iterator[None]:
    """Let a command come up to where it would begin to measure, and keep its plan."""
    from vestbench.cli import measuring

    def refuse(job: Any, *_: object, **__: object) -> None:
        plans.append(job.plan)
        raise VenueError("nothing is measured here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "carry_out", refuse)
        yield


NAMES = ("bench", "compare", "undecided", "warmup")


def runs() -> Mapping[str, Run]:
    """Return a run of each sort; `ARMS` would go on with the undecided one."""
    plans: list[Mapping[str, Any]] = []
    with nothing_is_measured(plans):
        vestbench(*ARMS)
    return {
        "bench": bench_run([*sessions(range(99, 105)), failure(6)]),
        "compare": compare_run(in_rounds(steady(14))),
        "undecided": compare_run(in_rounds(steady(4)), plan=plans[0]),
        "warmup": warm_up_run(sessions(range(99, 105))),
    }


SHOWN = (ExitCode.OK, ExitCode.USAGE, ExitCode.INVALID)
COMPARED = (*SHOWN, ExitCode.NOT_MET, ExitCode.INCONCLUSIVE)
RESUMED = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.INVALID)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("stored")
    return {name: store(run, folder / f"{name}.toml") for name, run in runs().items()}


def read_by_every_command(path: Path, good: Path) -> None:
    """Have a result read by each command that reads one."""
    file = str(path)
    check(vestbench("report", file), allowed=SHOWN)
    check(vestbench("report", file, "--quiet"), allowed=SHOWN)
    check(vestbench("report", file, "--json"), allowed=SHOWN)
    check(vestbench("compare", file, str(good), "--force"), allowed=COMPARED)
    check(vestbench("compare", str(good), file, "--json"), allowed=COMPARED)
    with nothing_is_measured([]):
        check(vestbench(*ARMS, "--resume", file), allowed=RESUMED)


@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_nobody_changed_is_read_by_every_command(
    stored: Mapping[str, Path], name: str
) -> None:
    file = str(stored[name])

    assert vestbench("report", file).exit_code == 0
    assert vestbench("compare", file, file).exit_code in (0, 3)
    with nothing_is_measured([]):
        again = vestbench(*ARMS, "--resume", file)
    assert again.exit_code == (4 if name == "undecided" else 2), again.output


@pytest.mark.parametrize("name", NAMES)
@PROPERTY
@given(rng=st.randoms(use_true_random=False))
def test_a_result_that_a_stranger_changed_is_shown_or_refused_in_one_line(
    stored: Mapping[str, Path], name: str, rng: Random
) -> None:
    data = spoilt(stored[name].read_bytes(), rng)

    with TemporaryDirectory() as folder:
        suffix = rng.choice(("", ".partial"))
        path = write(Path(folder, f"run.toml{suffix}"), data)
        read_by_every_command(path, stored[name])


def settings_from(data: bytes) -> None:
    """Have settings read by a command that shows them and by those that use them."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(Path("vestbench.toml"), data)
        check(vestbench("config"), allowed=(ExitCode.OK, ExitCode.USAGE))
        check(vestbench("config", "--json"), allowed=(ExitCode.OK, ExitCode.USAGE))
        with nothing_is_measured([]):
            for command in ("bench", "compare", "warmup"):
                refused = (ExitCode.USAGE, ExitCode.UNREACHABLE)
                check(vestbench(command), allowed=refused)


def test_settings_that_nobody_changed_are_used() -> None:
    settings_from(TOML)


@PROPERTY
@given(rng=st.randoms(use_true_random=False))
def test_settings_that_a_stranger_changed_are_used_or_refused_in_one_line(
    rng: Random,
) -> None:
    settings_from(spoilt(TOML, rng))


# --- by hand -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"format = 99\nnew = 1\n", "has format 99, this version reads up to 1"),
        (b"", "'format' is missing"),
        (b"a = " + b"[" * 100_000, "run.toml is "),
        (b"a" + b".a" * 100_000 + b" = 1", "is not a result file"),
        (b"a = " + b"{a=" * 5_000 + b"1" + b"}" * 5_000, "run.toml is "),
        (b"format = " + b"9" * 10_000, "is not a result file"),
        (b"\xff\xfe", "is not a result file"),
    ],
    ids=["newer", "empty", "deep", "dotted", "tables", "digits", "no text"],
)
def test_hostile_toml_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = write(tmp_path / "run.toml", data)

    for words in (("report", str(path)), ("compare", str(path), str(path))):
        result = vestbench(*words)
        check(result, allowed=(ExitCode.INVALID,))
        assert why in result.stderr


@pytest.mark.parametrize("file", ["/dev/zero", "/dev/null", "."])
def test_what_is_no_file_is_refused(file: str) -> None:
    result = vestbench("report", file)

    check(result, allowed=(ExitCode.USAGE, ExitCode.INVALID))


def test_settings_without_an_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vestbench.toml").symlink_to("/dev/zero")

    result = vestbench("config")

    check(result, allowed=(ExitCode.USAGE,))
    assert "larger than 1 MiB" in result.stderr


def claiming(whole: Path, n: int, blocks: int) -> bytes:
    """Return a run whose blocks, of one value a column, say they hold `n` each."""
    text = whole.read_text()
    start = text.index("[[samples]]")
    block = tomllib.loads(text[start:])["samples"][0]
    alike = {k: v[0] if isinstance(v, list) else v for k, v in block.items()}
    claim = "[[samples]]\n" + tomli_w.dumps(alike | {"n": n}) + "\n"
    return (text[:start] + claim * blocks).encode()


@pytest.mark.parametrize(
    ("n", "blocks", "why"),
    [
        (100_000, 20, "more outcomes than it has bytes"),
        (100_001, 1, "a block says it holds 100001 outcomes"),
        (256, 40, "more than 10,000 outcomes"),
    ],
)
def test_few_bytes_that_claim_very_many_requests_are_refused(
    stored: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    blocks: int,
    why: str,
) -> None:
    monkeypatch.setattr(reading, "_MAX_OUTCOMES", 10_000 if n == 256 else 2_000_000)
    path = write(tmp_path / "run.toml", claiming(stored["bench"], n, blocks))

    result = vestbench("report", str(path))

    check(result, allowed=(ExitCode.INVALID,))
    assert why in result.stderr


def test_blocks_as_they_are_written_are_read_whatever_they_have_in_common(
    stored: Mapping[str, Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "run.toml.partial", claiming(stored["bench"], 256, 3))

    assert len(load(path).samples) == 3 * 256
