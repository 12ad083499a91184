"""`vestbench doctor`."""

from __future__ import annotations

import typer

from vestbench.cli.options import JSON


def doctor(json: bool = JSON) -> None:
    """Find out what this machine can do, and why it cannot do the rest.

    Each way of emulating a link is started and measured, which takes a second.

    Example: vestbench doctor
    """
    from vestbench.cli.console import Progress, show
    from vestbench.simulator.probe import probe

    with Progress(1, shown=not json) as progress:
        progress.say("trying each way of emulating a link")
        machine = probe()
    if json:
        from json import dumps

        from vestbench.report.machine import plain_values

        typer.echo(dumps(plain_values(machine), indent=2))
        return
    from vestbench.report.doctor import doctor_report

    show(doctor_report(machine))
