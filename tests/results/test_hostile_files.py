"""Results and settings from strangers: shown, or refused in one line, never a crash."""

from __future__ import annotations

import csv
import io
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import Result

from tests.results.test_results import write as store
from tests.studies.compare.test_compare_stats import in_rounds, steady
from tests.support.command import vestbench
from tests.support.hostile import VALUES, check, spoilt, write
from tests.support.loopback_venue import PRIMARY, SIGNING
from tests.support.records import bench_run, compare_run, failure, sessions, warm_up_run
from vestbench.config import SETTINGS
from vestbench.errors import ExitCode, VenueError
from vestbench.model.run import Plan, Run
from vestbench.results import reading
from vestbench.studies.registry import load_run

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    max_examples=20,
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
def nothing_is_measured(plans: list[Plan]) -> Iterator[None]:
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
    plans: list[Plan] = []
    with nothing_is_measured(plans):
        vestbench(*ARMS)
    return {
        "bench": bench_run([*sessions(range(99, 105)), failure(6)]),
        "compare": compare_run(in_rounds(steady(14))),
        "undecided": compare_run(in_rounds(steady(4)), plan=plans[0].stored()),
        "warmup": warm_up_run(sessions(range(99, 105))),
    }


SHOWN = (ExitCode.OK, ExitCode.USAGE, ExitCode.INVALID)
COMPARED = (*SHOWN, ExitCode.NOT_MET, ExitCode.INCONCLUSIVE)
RESUMED = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.INVALID)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folder = tmp_path_factory.mktemp("stored")
    return {name: store(run, folder / f"{name}.toml") for name, run in runs().items()}


def _report(file: str, _: str) -> None:
    check(vestbench("report", file), allowed=SHOWN)
    check(vestbench("report", file, "--quiet"), allowed=SHOWN)


def _json(file: str, _: str) -> None:
    result = vestbench("report", file, "--json")
    check(result, allowed=SHOWN)
    assert result.exit_code or json.loads(result.stdout)


def _compare(file: str, good: str) -> None:
    check(vestbench("compare", file, good, "--force"), allowed=COMPARED)
    check(vestbench("compare", good, file, "--json"), allowed=COMPARED)


def _resume(file: str, _: str) -> None:
    with nothing_is_measured([]):
        check(vestbench(*ARMS, "--resume", file), allowed=RESUMED)


def _gate(file: str, good: str) -> None:
    asked = ("--assert", "failures == 0", "--assert", "saving >= 1 ms")
    for words in ((file,), (good, file, *asked, "--json")):
        result = vestbench("gate", *words)
        check(result, allowed=COMPARED, tables=(ExitCode.INVALID,))  # or what it judges


def _in_a_row(file: str, _: str) -> None:
    folder = str(Path(file).parent)
    for command in ("history", "trend"):
        check(vestbench(command, folder), allowed=(ExitCode.OK,))
        result = vestbench(command, folder, "--json")
        check(result, allowed=(ExitCode.OK,))
        json.loads(result.stdout)


# What a document must be, whatever strangers have put in it.
DOCUMENTS: Mapping[str, Callable[[str], object]] = {
    "--html": lambda text: HTMLParser().feed(text),
    "--markdown": str.splitlines,
    "--csv": lambda text: list(csv.reader(io.StringIO(text), strict=True)),
    "--json-file": json.loads,
    "--junit": ElementTree.fromstring,
    "--prometheus": lambda text: list(text_string_to_metric_families(text)),
}


def _documents(file: str, _: str) -> None:
    with TemporaryDirectory() as folder:
        words = [word for to in DOCUMENTS for word in (to, f"{folder}/{to[2:]}")]
        result = vestbench("report", file, "--quiet", *words)
        check(result, allowed=SHOWN)
        made = sorted(path.name for path in Path(folder).iterdir())
        if result.exit_code:
            return
        assert made == sorted(to[2:] for to in DOCUMENTS)
        for to, parsed in DOCUMENTS.items():
            parsed(Path(folder, to[2:]).read_text(encoding="utf-8"))


READERS = (_report, _json, _compare, _resume, _gate, _in_a_row, _documents)


def read_by_commands(path: Path, good: Path, rng: Random) -> None:
    """Have a result read by some of the commands that read one."""
    for reader in rng.sample(READERS, 3):
        reader(str(path), str(good))


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


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_nobody_changed_is_read_by_all(
    stored: Mapping[str, Path], name: str, reader: Callable[[str, str], None]
) -> None:
    reader(str(stored[name]), str(stored[name]))


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
        read_by_commands(path, stored[name], rng)


# --- settings ------------------------------------------------------------------------


def settings_from(data: bytes) -> None:
    """Have settings read by a command that shows them and by those that use them."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write(Path("vestbench.toml"), data)
        check(vestbench("config"), allowed=(ExitCode.OK, ExitCode.USAGE))
        check(vestbench("config", "--json"), allowed=(ExitCode.OK, ExitCode.USAGE))
        with nothing_is_measured([]):
            for command in ("bench", "compare", "warmup", "connect"):
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


@PROPERTY
@given(
    variable=st.sampled_from([setting.variable for setting in SETTINGS]),
    text=st.text(st.characters(blacklist_characters="\0"), max_size=20)
    | st.sampled_from([value for value in VALUES if isinstance(value, str)]),
)
def test_any_text_in_the_environment_is_used_or_refused_in_one_line(
    variable: str, text: str
) -> None:
    with pytest.MonkeyPatch.context() as patch, nothing_is_measured([]):
        patch.setenv(
            variable, text.replace("\0", "").encode("utf-8", "replace").decode()
        )
        check(vestbench("config"), allowed=(ExitCode.OK, ExitCode.USAGE))
        refused = (ExitCode.USAGE, ExitCode.UNREACHABLE)
        check(vestbench("bench"), allowed=refused)


# --- keys ----------------------------------------------------------------------------

KEYS = (
    f'signing_key = "{SIGNING}"\nprimary_key = "{PRIMARY}"\n'
    'api_key = "api-key-4711"\naccount_group = 3\nproduction = false\n'
).encode()


def keys_from(data: bytes) -> Result:
    """Have a keys file read by a command that uses it."""
    with TemporaryDirectory() as folder, nothing_is_measured([]):
        path = write(Path(folder, "keys.toml"), data)
        path.chmod(0o600)
        words = ("--venue", "vest-dev", "--endpoint", "cancel", "--keys", str(path))
        result = vestbench("bench", *words)
    check(result, allowed=(ExitCode.USAGE, ExitCode.UNREACHABLE))
    return result


def test_keys_that_nobody_changed_are_used() -> None:
    assert keys_from(KEYS).exit_code == ExitCode.UNREACHABLE


@PROPERTY
@given(rng=st.randoms(use_true_random=False))
def test_keys_that_a_stranger_changed_are_used_or_refused_without_being_shown(
    rng: Random,
) -> None:
    shown = keys_from(spoilt(KEYS, rng)).output

    secrets = (SIGNING[2:], PRIMARY[2:], "api-key-4711")
    assert not [text for text in secrets if text[:12] in shown]


# --- names ---------------------------------------------------------------------------

NO_FILE = (".", "/", "x" * 5000, "/dev/null/x", "/dev/null")
TO_BE_MADE = (("keys", "new"), (*ARMS, "--output"), ("report", "RUN", "--csv"))
TO_BE_READ = (
    ("report",),
    ("gate",),
    ("compare", "RUN"),
    (*ARMS, "--resume"),
    ("history",),
    ("trend",),
    ("bench", "--venue", "vest-dev", "--endpoint", "cancel", "--keys"),
)


@pytest.mark.parametrize("name", NO_FILE, ids=lambda name: name[:12])
@pytest.mark.parametrize("words", [*TO_BE_MADE, *TO_BE_READ], ids=" ".join)
def test_a_name_that_no_file_has_or_can_have_is_refused_in_one_line(
    stored: Mapping[str, Path],
    words: tuple[str, ...],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = str(stored["bench"])

    result = vestbench(*(run if word == "RUN" else word for word in words), name)

    if words[0] in ("history", "trend") and name in ("", ".", "/"):
        check(result, allowed=(ExitCode.OK,))  # folders, without results
    else:
        check(result, allowed=(ExitCode.USAGE, ExitCode.INVALID))
    assert not list(Path().iterdir())


EXISTING: Mapping[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("mine"),
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("elsewhere"),
}


@pytest.mark.parametrize(
    ("words", "kind"),
    [(TO_BE_MADE[0], kind) for kind in EXISTING]
    + [(words, kind) for words in TO_BE_MADE[1:] for kind in ("folder", "pipe")],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_no_result_and_no_document_is_not_overwritten(
    stored: Mapping[str, Path],
    words: tuple[str, ...],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path, run = Path("taken"), str(stored["bench"])
    EXISTING[kind](path)

    result = vestbench(*(run if w == "RUN" else w for w in words), str(path))

    check(result, allowed=(ExitCode.USAGE,))
    assert list(Path().iterdir()) == [path]
    assert kind != "file" or path.read_text() == "mine"


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

    assert len(load_run(path).samples) == 3 * 256
