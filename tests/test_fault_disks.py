"""Faults that are not the server's: disks, files, and descriptors."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, QUICK, run, started, vestbench
from tests.support.servers import ScriptedServer, Visit, keep_alive
from tests.support.surroundings import PLAN, eventually
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")


def one_line(text: str) -> str:
    assert text.startswith("error: "), text
    assert text.count("\n") == 1, text
    return text


# --- the disk ------------------------------------------------------------------------


MANY = ("bench", "-n", "4000", "--sessions", "1", *QUICK, "-o", "run.toml")


def limited(number: int, limit: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(number, (limit, limit))


def test_a_file_that_may_not_grow_ends_the_run_with_what_it_holds() -> None:
    done = run(*MANY, before=limited(resource.RLIMIT_FSIZE, 40_000))

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: cannot write run.toml.partial: file too large; "
        "it holds what was measured until then",
    ]
    assert "Ended early: cannot write run.toml.partial" in done.stdout
    assert load_run(Path("run.toml.partial")).samples
    assert not Path("run.toml").exists()


def in_a_mount(options: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with its folder on a file system of its own, copied back."""
    script = (
        f"mount -t tmpfs -o size=64k none there && cd there && "
        f"mount -o remount,{options} . && "
        '{ "$@"; code=$?; cp -a . ../back; exit $code; }'
    )
    Path("there").mkdir()
    command = [sys.executable, "-m", "vestbench", *words]
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    return subprocess.run(
        [*unshare, "sh", *command],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return subprocess.run(words, capture_output=True).returncode == 0


needs_a_mount = pytest.mark.skipif(
    not can_mount(), reason="this user can have no mount namespace"
)


@needs_a_mount
def test_a_full_disk_ends_the_run_with_what_it_holds() -> None:
    done = in_a_mount("rw", *MANY)

    assert done.returncode == 2, done.stderr
    assert "run.toml.partial: no space left on device" in done.stderr
    assert load_run(Path("back", "run.toml.partial")).samples


@needs_a_mount
def test_results_that_cannot_be_written_are_said_before_anything_is_measured() -> None:
    done = in_a_mount("ro", "bench", *PLAN[:4], *QUICK)

    assert done.returncode == 2
    assert "cannot write results to results" in one_line(done.stderr)
    assert "read-only file system" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [("config",), ("--help",), ("--version",)])
def test_an_output_that_takes_nothing_is_one_line(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "vestbench", *words]
        # With a buffer, Python tries to write the rest once more as it ends.
        buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        done = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            env=buffered,
        )

    assert done.returncode == 2
    assert one_line(done.stderr) == "error: no space left on device: make room\n"


def test_runs_that_start_at_the_same_moment_have_a_file_each() -> None:
    words = ("bench", *PLAN[:4], *QUICK, "--json")
    with started(*words) as one, started(*words) as two:
        both = (one, two)
        said = [process.communicate(timeout=PATIENCE_S) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    files = {json.loads(out)["file"] for out, _ in said}
    assert len(files) == 2
    assert all(len(load_run(Path(file)).samples) == 12 for file in files)
    assert sorted(map(str, Path("results").iterdir())) == sorted(files)


def test_a_name_that_is_taken_meanwhile_is_not_insisted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vestbench.cli import measuring as cli
    from vestbench.running import carry_out as measuring

    names = iter(["one.toml", "two.toml"])
    for module in (measuring, cli):
        monkeypatch.setattr(module, "place_result", lambda *_: Path(next(names)))
    Path("one.toml.partial").write_text("of another run")
    with ScriptedServer() as server:
        result = vestbench("bench", "--venue", server.url, *PLAN)

    assert result.exit_code == 0, result.output
    assert len(load_run(Path("two.toml")).samples) == 12
    assert Path("one.toml.partial").read_text() == "of another run"


def test_a_second_run_into_the_same_file_is_refused_and_the_first_unharmed() -> None:
    with ScriptedServer() as server:
        words = ("bench", "--venue", server.url, "-o", "run.toml", "--rate", "100")
        with started(*words, "-n", "40", "--sessions", "2") as first:
            eventually(Path("run.toml.partial").exists)
            second = vestbench(*words, "-n", "4", "--sessions", "1")
            _, errors = first.communicate(timeout=PATIENCE_S)

    assert second.exit_code == 2
    assert "run.toml.partial exists: another run writes it" in one_line(second.stderr)
    assert first.returncode == 0, errors
    assert len(load_run(Path("run.toml")).samples) == 40


# --- descriptors ---------------------------------------------------------------------


@pytest.mark.parametrize("limit", [6, 9])
@pytest.mark.parametrize("rtt", ["0ms", "2ms"])
def test_a_full_table_of_descriptors_is_one_line(limit: int, rtt: str) -> None:
    words = ("bench", *PLAN[:4], "--rtt", rtt)
    done = run(*words, before=limited(resource.RLIMIT_NOFILE, limit))

    assert done.returncode in (2, 4)
    assert "too many open files" in one_line(done.stderr).lower()
    assert not Path("results").exists() or not list(Path("results").iterdir())


def test_connections_that_find_no_descriptor_are_failures_like_others() -> None:
    burnt_in, several, released = 2, 8, threading.Event()

    def hold(visit: Visit) -> None:
        visit.request()
        if visit.number == burnt_in + several:
            time.sleep(1.0)  # so that all of the burst have tried
            released.set()
        if visit.number > burnt_in:
            released.wait(PATIENCE_S)
        visit.answer()
        keep_alive(visit)

    with ScriptedServer(hold) as server:
        words = ("--venue", server.url, "--rate", "100000", "-o", "run.toml")
        plan = ("-n", "80", "--sessions", "1", "-c", "40")
        done = run("bench", *plan, *words, before=limited(resource.RLIMIT_NOFILE, 24))

    stored = load_run(Path("run.toml"))
    assert done.returncode == 0, done.stderr
    assert {(str(f.kind), f.detail) for f in stored.failures} == {
        ("connect", "too many open files")
    }
    assert stored.samples
    assert len(stored.samples) + len(stored.failures) == 80
