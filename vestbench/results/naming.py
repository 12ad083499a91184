"""How result files are called, while they grow and afterwards."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from vestbench.errors import UsageError

# 1: first public format.
FORMAT = 1

PARTIAL = ".partial"


def result_path(folder: Path, command: str, label: str, now: datetime) -> Path:
    """Return a name in `folder` that no file has: `<UTC>-<command>-<label>.toml`."""
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{command}-{label}"
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        path = folder / f"{stem}{suffix}.toml"
        # Not those of Path, which raise where a name is too long. A link to nothing
        # would have the result written there.
        if not any(map(os.path.lexists, (path, partial_of(path)))):
            return path
    raise UsageError(f"{folder} holds too many results of {stem}")


def partial_of(path: Path) -> Path:
    """Return what a file is called until it is whole."""
    return path.parent / (path.name + PARTIAL)  # a folder such as `.` has no name
