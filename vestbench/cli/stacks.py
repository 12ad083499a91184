"""`vestbench stacks`."""

from __future__ import annotations

from vestbench.cli.output_options import JSON


def stacks(json: bool = JSON) -> None:
    """Say which HTTP libraries are installed, and what each can do.

    Example: vestbench stacks --json
    """
    from vestbench.cli.console import show, show_json
    from vestbench.stacks.registry import STACKS

    abilities = [info.ability() for info in STACKS.values()]
    if json:
        show_json({"stacks": abilities})
        return
    from vestbench.report.stacks import stacks_report

    show(stacks_report(abilities))
