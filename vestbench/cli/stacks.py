"""`vestbench stacks`."""

from __future__ import annotations

import typer

from vestbench.cli.options import JSON


def stacks(json: bool = JSON) -> None:
    """Say which HTTP libraries are installed, and what each can do.

    Example: vestbench stacks --json
    """
    from vestbench.stacks.registry import STACKS

    abilities = [info.ability() for info in STACKS]
    if json:
        from json import dumps

        from vestbench.report.machine import plain_document

        found = [plain_document(each) for each in abilities]
        typer.echo(dumps({"stacks": found}, indent=2))
        return
    from vestbench.cli.console import show
    from vestbench.report.stacks import stacks_report

    show(stacks_report(abilities))
