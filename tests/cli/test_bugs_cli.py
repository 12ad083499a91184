"""A bug of ours is a traceback and an exit code of its own, whatever it spoils.

Each bug is put in place of a function, in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, QUICK, WIDE
from tests.support.paths import RESULTS
from tests.support.records import bench_run, sample, store
from vestbench.cli.option_records import option_of
from vestbench.model.formats import FORMATS

FILE = str(RESULTS / "reference-bench-30ms.toml")
SUMMARY = "vestbench.studies.parts.causes.breakdown_of"
ERRORS = ("ValueError", "KeyError", "OSError", "BrokenPipeError")

SCRIPT = """\
import sys
from pkgutil import resolve_name
import vestbench.cli

def bug(*_, **__):
    {begin}
    secret = "what is in a local variable"
    error = {error}("nobody expected this")
    if isinstance(error, BrokenPipeError):
        error.errno = 32
    raise error

module, _, name = {place!r}.rpartition(".")
setattr(resolve_name(module), name, bug)
sys.argv[1:] = {words!r}
vestbench.cli.main()
"""


def with_bug(
    place: str, *words: str, error: str = "ValueError", begin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command with a function in place of which `error` is raised."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT.format(place=place, words=words, error=error, begin=begin),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, **WIDE},
    )


def assert_bug(
    done: subprocess.CompletedProcess[str], error: str = "ValueError"
) -> None:
    assert done.returncode == 70, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{error}: ")
    assert "nobody expected this" in last
    assert "Traceback (most recent call last):" in done.stderr
    assert "in bug\n" in done.stderr
    assert "error: " not in done.stderr.replace(last, "")  # nothing else is blamed
    assert "damaged" not in done.stderr
    assert "what is in a local variable" not in done.stderr.replace("secret =", "")


@pytest.mark.parametrize("shown", [(), ("--quiet",), ("--json",)])
@pytest.mark.parametrize("error", ERRORS)
def test_in_a_summary_it_is_a_traceback(shown: tuple[str, ...], error: str) -> None:
    assert_bug(with_bug(SUMMARY, "report", FILE, *shown, error=error), error)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("target", ["-", "document"])
@pytest.mark.parametrize("error", ["ValueError", "OSError", "BrokenPipeError"])
@pytest.mark.parametrize("begin", ["", "yield 'half'"])
def test_in_a_document_it_is_a_traceback_and_leaves_no_half(
    name: str, target: str, error: str, begin: str, tmp_path: Path
) -> None:
    builder = FORMATS[name].builder.replace(":", ".")
    where = target if target == "-" else str(tmp_path / target)

    words = ("report", FILE, option_of(name), where)
    assert_bug(with_bug(builder, *words, error=error, begin=begin), error)

    # In a file there is the error, whole, in its place.
    left = [] if target == "-" else [tmp_path / target]
    assert list(tmp_path.iterdir()) == left


# What is called while a file is read, where what a stranger wrote is refused.
DOOR = (
    "vestbench.studies.registry.import_module",
    "vestbench.model.columns.round",
    "vestbench.model.run.check_time",
    "vestbench.model.run.Plan.__post_init__",
    "vestbench.studies.bench.study._Bench.groups",
    "vestbench.studies.bench.study._Bench.check",
    "vestbench.studies.bench.study._Bench.check_assertion",
)


@pytest.mark.parametrize("error", ["ValueError", "KeyError", "TypeError"])
@pytest.mark.parametrize("place", DOOR)
def test_while_a_file_is_read_it_does_not_blame_the_file(
    place: str, error: str, tmp_path: Path
) -> None:
    asserted = bench_run([sample()], plan={"assertions": ["cold.p50 <= 1s"]})
    file = store(asserted, tmp_path / "run.toml")

    assert_bug(with_bug(place, "report", str(file), error=error), error)


def test_while_a_list_of_runs_is_made_it_hides_none_of_them(tmp_path: Path) -> None:
    store(bench_run([sample()]), tmp_path / "run.toml")

    assert_bug(with_bug("vestbench.model.columns.round", "history", str(tmp_path)))


def test_in_what_is_asserted_it_does_not_blame_the_option() -> None:
    place = "vestbench.assertions.grammar._term"

    assert_bug(with_bug(place, "gate", FILE, "--assert", "cold.p50 <= 1s"))


@pytest.mark.parametrize(
    "words", [("gate", FILE), ("history", str(RESULTS)), ("trend", str(RESULTS))]
)
def test_in_what_is_said_of_stored_runs_it_is_a_traceback(
    words: tuple[str, ...],
) -> None:
    assert_bug(with_bug(SUMMARY, *words))


def test_in_a_measurement_it_keeps_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    words = ("bench", "-n", "20", *QUICK, "--output", str(file))

    assert_bug(with_bug(SUMMARY, *words))

    assert with_bug("vestbench.errors.unused", "report", f"{file}.partial").stdout


def test_memory_that_runs_out_is_no_bug() -> None:
    done = with_bug(SUMMARY, "report", FILE, error="MemoryError")

    assert done.returncode == 2
    assert done.stderr == "error: out of memory: close other programs\n"
