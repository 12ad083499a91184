"""`vestbench warmup`."""

from __future__ import annotations

import typer

from vestbench import defaults
from vestbench.cli.option_records import option
from vestbench.cli.options import (
    MIN_SAVING,
    JudgingOptions,
    MeasuringOptions,
    VenueOptions,
)


def warmup(
    context: typer.Context,
    rounds: int = option(
        "Pairs of starts, one warmed up and one not, in coin-flip order.",
        "N",
        default=defaults.ROUNDS,
        min=1,
        max=1000,
    ),
    connections: int | None = option(
        "Connections to warm up.",
        "N",
        shown="as many as the pool keeps idle",
        min=1,
        max=64,
    ),
    *,
    where: VenueOptions,
    min_saving: str | None = MIN_SAVING,
    judging: JudgingOptions,
    options: MeasuringOptions,
) -> None:
    """Do what the bot does at start, and prove what its first request gains by it.

    Example: vestbench warmup --rtt 80ms
    """
    from vestbench.cli.ahead import start_ahead

    given = start_ahead(context, where, judging, options, min_saving=min_saving)

    from vestbench.cli import measuring as m
    from vestbench.studies.starts.job import warm_up_job

    destination, pace = m.aimed(given)
    job = warm_up_job(
        destination,
        pace,
        rounds=rounds,
        connections=connections,
        min_saving_s=given.settings["min_saving"],
        **judging.asked,
    )
    m.show_log(options)
    m.run_and_exit(given, job, destination, gated=bool(judging.asserted))
