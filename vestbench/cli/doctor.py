"""`vestbench doctor`."""

from __future__ import annotations

from vestbench.cli.output_options import JSON


def doctor(json: bool = JSON) -> None:
    """Find out what this machine can do, and why it cannot do the rest.

    Each way of emulating a link is started and measured, which takes a second.

    Example: vestbench doctor
    """
    from vestbench.cli.console import Progress, show, show_json
    from vestbench.simulator.probe import probe

    with Progress(1, shown=not json) as progress:
        progress.say("trying each way of emulating a link")
        machine = probe()
    if json:
        show_json(machine)
        return
    from vestbench.report.doctor import doctor_report

    show(doctor_report(machine))
