"""Runs the command in this process, as typed."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from vestbench.cli import app

# So wide that no sentence is wrapped: where a line breaks depends on the digits of
# what was measured.
WIDE = {"COLUMNS": "400"}


def vestbench(*words: str) -> Result:
    return CliRunner().invoke(app, words, env=WIDE)
