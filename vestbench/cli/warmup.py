"""`vestbench warmup`."""

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
def warmup(
    context: typer.Context,
    rounds: Annotated[
        int,
        option(
            "--rounds",
            "N",
            "Pairs of starts, one warmed up and one not, in coin-flip order.",
            min=1,
            max=1000,
        ),
    ] = defaults.ROUNDS,
    connections: Annotated[
        int | None,
        option(
            "--connections",
            "N",
            "Connections to warm up.",
            "as many as the pool keeps idle",
            min=1,
            max=64,
        ),
    ] = None,
    *,
    where: VenueOptions,
    min_saving: MinSaving = None,
    asserting: AssertOptions,
    confidence: Confidence = defaults.CONFIDENCE,
    options: MeasuringOptions,
) -> None:
    """Do what the bot does at start, and prove what its first request gains by it.

    Example: vestbench warmup --rtt 80ms
    """
    from vestbench.cli.ahead import one_stack, workers_ahead
    from vestbench.cli.settings import settings_here

    settings = settings_here(
        options, venue=where.venue, min_saving=min_saving, results=options.results
    )
    asserting.check(decides=False)
    share = confidence_of("--confidence", confidence)
    one_stack(options, "warmup")
    workers = workers_ahead(context, settings, options)

    from vestbench.cli import measuring as m
    from vestbench.model.client import SessionPlan
    from vestbench.model.strategy import WARMED
    from vestbench.studies.starts.experiment import StartSchedule
    from vestbench.studies.starts.job import warm_up_job
    from vestbench.venues import find_venue

    width = connections if connections is not None else settings.pool.max_idle
    if width < 1:
        raise UsageError(
            "--connections: the pool keeps no idle connection, so nothing can be "
            "warmed up; raise --pool-max-idle"
        )
    pace = m.pace_of(options, settings)
    schedule = StartSchedule(
        session=SessionPlan(
            pool=settings.pool,
            strategy=WARMED,
            concurrency=width,
            http2=options.http2,
            stack=options.stack,
        ),
        connections=width,
        rounds=rounds,
        seed=pace.seed,
        title=find_venue(settings["venue"]).title,
    )
    job = warm_up_job(
        schedule,
        pace,
        min_saving_s=settings["min_saving"],
        confidence=share,
        assertions=asserting.asserted or (),
    )
    m.show_log(options)
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
        total=job.recorded,
        gated=bool(asserting.asserted),
        workers=workers,
    )
