"""Documents from the command line."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from tests.support.documents import RUNS
from tests.support.records import store
from vestbench.cli import app

ENV = {"COLUMNS": "300"}  # no sentence is broken


def vestbench(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(app, words, env={**ENV, **environment})


def stored(name: str = "compare", path: str = "run.toml") -> str:
    """Write one of the known runs, and return where."""
    store(RUNS[name](), Path(path))
    return path


def names() -> set[str]:
    return {str(path) for path in Path().rglob("*") if path.is_file()}
