"""`vestbench warmup`."""

from __future__ import annotations

from typing import Annotated

import typer

from vestbench.cli import options as o
from vestbench.cli.option_records import takes_options
from vestbench.cli.output_options import AssertOptions, OutputOptions
from vestbench.cli.simulated_options import ExchangeOptions, LinkOptions
from vestbench.cli.values import chosen
from vestbench.errors import UsageError


@takes_options
def warmup(
    context: typer.Context,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            max=1000,
            help="Pairs of starts, one warmed up and one not, in coin-flip order.",
        ),
    ] = 20,
    connections: Annotated[
        int | None,
        typer.Option(
            "--connections",
            metavar="N",
            min=1,
            max=64,
            help="Connections to warm up. [default: as many as the pool keeps idle]",
            show_default=False,
        ),
    ] = None,
    *,
    where: o.VenueOptions,
    min_saving: o.MinSaving = None,
    asserting: AssertOptions,
    confidence: o.Confidence = 95,
    account: o.AccountOptions,
    pacing: o.PaceOptions,
    pool: o.PoolOptions,
    stack: o.StackOptions,
    link: LinkOptions,
    exchange: ExchangeOptions,
    output: OutputOptions,
) -> None:
    """Do what the bot does at start, and prove what its first request gains by it.

    Example: vestbench warmup --rtt 80ms
    """
    from vestbench.cli.ahead import one_stack, workers_ahead
    from vestbench.cli.settings import settings_here

    settings = settings_here(
        pool, venue=where.venue, min_saving=min_saving, results=output.results
    )
    asserting.check(decides=False)
    chosen("--confidence", confidence, (90, 95, 99))
    one_stack(stack, "warmup")
    workers = workers_ahead(context, settings, stack)

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
    pace = m.pace_of(pacing, settings)
    schedule = StartSchedule(
        session=SessionPlan(
            pool=settings.pool,
            strategy=WARMED,
            concurrency=width,
            http2=stack.http2,
            stack=stack.stack,
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
        confidence=confidence / 100,
        assertions=asserting.asserted or (),
    )
    place = m.place_of(settings, where, link, exchange, account, stack, seed=pace.seed)
    if not (output.json or output.quiet):
        m.show_log()
    run = m.run_and_show(
        job,
        place,
        output,
        settings,
        budget=pacing.budget,
        total=job.recorded,
        gated=bool(asserting.asserted),
        asserting=asserting,
        workers=workers,
    )
    if asserting.asserted:
        raise m.gate_exit(run, asserting)
