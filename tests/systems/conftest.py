"""What types a command on the system that a session of nox has chosen."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.systems.rig import Windows
from tests.systems.system import MacOs, System, run

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def system() -> System:
    folder = os.environ.get("VESTBENCH_WINDOWS", "")
    return Windows(Path(folder)) if folder else MacOs()


@pytest.fixture
def typed(system: System, tmp_path: Path) -> Typed:
    """Types a command in a folder of its own, and wants its exit code."""

    def type_it(
        *words: str, code: int = 0, start: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        module = () if start else ("-m", "vestbench")
        done = run(system, [*module, *words], tmp_path, start)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return type_it
