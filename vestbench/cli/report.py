"""`vestbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vestbench.cli import options as o


def report(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A result, finished or not.")
    ],
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Show a stored run again, exactly as it was shown.

    Example: vestbench report results/20261122T111500Z-bench-pooled.toml
    """
    from vestbench.cli.console import stdout
    from vestbench.report import machine_document, show_brief, show_run
    from vestbench.results import load

    run = load(file)
    if json:
        from json import dumps

        typer.echo(dumps(machine_document(run, str(file)), indent=2))
        return
    stdout().print((show_brief if quiet else show_run)(run))
