"""A process that is stopped during a run does not look like a slow venue."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S, run, started
from tests.support.sudden import CHILDREN, eventually, victim
from vestbench.studies.registry import load_run

# Of a request, so long that whatever is stopped is stopped during one.
_WAIT_MS = 300
_STOPPED_S = 1.5
_BENCH = ("bench", "--sessions", "3", "--requests", "9", "--rtt", "2ms")
_PLAN = (*_BENCH, "--processing", f"{_WAIT_MS}ms", "--output", "run.toml")


def _stopped(folder: Path, whom: str) -> tuple[str, str]:
    """Stop a process in the middle of a run, let it go on, and return what was said."""
    temporary = folder / "temporary"
    temporary.mkdir()
    partial = Path("run.toml.partial")
    with started(*_PLAN, TMPDIR=str(temporary)) as process:
        assert eventually(lambda: partial.exists() and b"[[samples]]" in _read(partial))
        pid = victim(process.pid, whom, f"TMPDIR={temporary}")
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        time.sleep(_STOPPED_S)
        os.kill(pid, signal.SIGCONT)
        shown, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    return shown, errors


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("whom", CHILDREN)
def test_requests_of_the_time_are_marked_and_in_no_maximum(
    whom: str, tmp_path: Path
) -> None:
    shown, _ = _stopped(tmp_path, whom)

    assert "did not run (it was stopped, or no processor was free) during" in shown
    kept = load_run(Path("run.toml"))
    marks = ["interrupted_ns" in (each.extra or {}) for each in kept.samples]
    assert 0 < sum(marks) < len(marks)
    # No packet goes through the lab itself; of the others, none is taken for the venue.
    slow = [each.latency_ms > 1000 * _STOPPED_S for each in kept.samples]
    assert all(marked for marked, late in zip(marks, slow, strict=True) if late)
    # As the run showed it, so shows it who reads its file.
    assert shown in run("report", "run.toml").stdout
