"""`vestbench bench`."""

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
from vestbench.errors import UsageError


def bench(
    context: typer.Context,
    requests: int = option(
        "Requests in all.", "N", names="--requests -n", default=defaults.REQUESTS, min=1
    ),
    pooled: bool = option(
        "Keep connections open, or open a new one for each request.",
        names="--pooled/--unpooled",
        default=True,
    ),
    sessions: int | None = option(
        "Fresh pools that the requests are spread over: so many cold requests there "
        "are.",
        "N",
        shown=f"{defaults.SESSIONS}, or what the requests allow",
        min=1,
        max=1000,
    ),
    concurrency: int = option(
        "Requests at once.",
        "N",
        names="--concurrency -c",
        default=defaults.CONCURRENCY,
        min=1,
        max=256,
    ),
    *,
    where: VenueOptions,
    min_saving: str | None = MIN_SAVING,
    gate: bool = option(
        "Exit with 1 if the saving is missed, 3 if that is not clear.",
        default=False,
    ),
    judging: JudgingOptions,
    kernel_timestamps: bool = option(
        "Calibrate: ask the kernel when requests left and answers came, and say what "
        "this host adds to the wire window. Linux only.",
        default=False,
    ),
    options: MeasuringOptions,
) -> None:
    """Time cold against subsequent requests, by phase, with proof of reuse.

    Example: vestbench bench --requests 100 --rtt 30ms --gate
    """
    from vestbench.cli.ahead import start_ahead

    given = start_ahead(
        context, where, judging, options, min_saving=min_saving, decides=gate
    )

    from vestbench.cli import measuring as m
    from vestbench.studies.bench.job import BenchJob

    if gate and not pooled:
        raise UsageError("--gate needs subsequent requests: not with --unpooled")
    destination, pace = m.aimed(given)
    asked = bool(judging.asserted) and given.settings.is_set("min_saving")
    job = BenchJob(
        destination,
        pace,
        requests=requests,
        sessions=sessions,
        pooled=pooled,
        concurrency=concurrency,
        kernel_timestamps=kernel_timestamps,
        min_saving_s=given.settings["min_saving"],
        gate=gate or (asked and pooled),
        **judging.asked,
    )
    m.run_and_exit(given, job, destination, gated=gate or bool(judging.asserted))
