"""`vestbench bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from vestbench import defaults
from vestbench.cli.option_records import takes_options
from vestbench.cli.options import Confidence, MinSaving, VenueOptions, option
from vestbench.cli.output_options import AssertOptions, MeasuringOptions
from vestbench.errors import UsageError
from vestbench.values import confidence_of


@takes_options
def bench(
    context: typer.Context,
    requests: Annotated[
        int, option("--requests -n", "N", "Requests in all.", min=1)
    ] = defaults.REQUESTS,
    pooled: Annotated[
        bool,
        option(
            "--pooled/--unpooled",
            None,
            "Keep connections open, or open a new one for each request.",
        ),
    ] = True,
    sessions: Annotated[
        int | None,
        option(
            "--sessions",
            "N",
            "Fresh pools that the requests are spread over: so many cold requests "
            "there are.",
            f"{defaults.SESSIONS}, or what the requests allow",
            min=1,
            max=1000,
        ),
    ] = None,
    concurrency: Annotated[
        int, option("--concurrency -c", "N", "Requests at once.", min=1, max=256)
    ] = defaults.CONCURRENCY,
    *,
    where: VenueOptions,
    min_saving: MinSaving = None,
    gate: Annotated[
        bool,
        option(
            "--gate",
            None,
            "Exit with 1 if the saving is missed, 3 if that is not clear, 5 if "
            "nothing was pooled.",
        ),
    ] = False,
    asserting: AssertOptions,
    confidence: Confidence = defaults.CONFIDENCE,
    kernel_timestamps: Annotated[
        bool,
        option(
            "--kernel-timestamps",
            None,
            "Calibrate: ask the kernel when requests left and answers came, and "
            "say what this host adds to the wire window. Linux only.",
        ),
    ] = False,
    options: MeasuringOptions,
) -> None:
    """Time cold against subsequent requests, by phase, with proof of reuse.

    Example: vestbench bench --requests 100 --rtt 30ms --gate
    """
    from vestbench.cli.ahead import one_stack, workers_ahead
    from vestbench.cli.settings import settings_here

    settings = settings_here(
        options, venue=where.venue, min_saving=min_saving, results=options.results
    )
    asserting.check(decides=gate)
    share = confidence_of("--confidence", confidence)
    one_stack(options, "bench")
    workers = workers_ahead(context, settings, options)

    from vestbench.cli import measuring as m
    from vestbench.studies.bench.job import bench_job

    if gate and not pooled:
        raise UsageError("--gate needs subsequent requests: not with --unpooled")
    pace = m.pace_of(options, settings)
    job = bench_job(
        settings.pool,
        pace,
        requests=requests,
        sessions=sessions,
        pooled=pooled,
        concurrency=concurrency,
        stack=options.stack,
        http2=options.http2,
        kernel_timestamps=kernel_timestamps,
        min_saving_s=settings["min_saving"],
        confidence=share,
        gate=gate,
        assertions=asserting.asserted or (),
    )
    m.measure_and_exit(
        job,
        m.destination_of(
            settings,
            where,
            account=options,
            link=options,
            exchange=options,
            stack=options,
            seed=pace.seed,
        ),
        options,
        settings,
        asserting,
        budget=options.budget,
        total=requests,
        gated=gate or bool(asserting.asserted),
        workers=workers,
    )
