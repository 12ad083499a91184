"""`vestbench bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vestbench.cli import options as o
from vestbench.cli.option_records import takes_options
from vestbench.cli.output_options import AssertOptions, OutputOptions
from vestbench.cli.simulated_options import ExchangeOptions, LinkOptions
from vestbench.cli.values import chosen
from vestbench.errors import UsageError

if TYPE_CHECKING:
    pass


@takes_options
def bench(
    context: typer.Context,
    requests: Annotated[
        int,
        typer.Option("--requests", "-n", metavar="N", min=1, help="Requests in all."),
    ] = 100,
    pooled: Annotated[
        bool,
        typer.Option(
            "--pooled/--unpooled",
            help="Keep connections open, or open a new one for each request.",
        ),
    ] = True,
    sessions: Annotated[
        int | None,
        typer.Option(
            "--sessions",
            metavar="N",
            min=1,
            max=1000,
            help="Fresh pools that the requests are spread over: so many cold requests "
            "there are. [default: 20, or what the requests allow]",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency", "-c", metavar="N", min=1, max=256, help="Requests at once."
        ),
    ] = 1,
    *,
    where: o.VenueOptions,
    min_saving: o.MinSaving = None,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Exit with 1 if the saving is missed, 3 if that is not clear, 5 if "
            "nothing was pooled.",
        ),
    ] = False,
    asserting: AssertOptions,
    confidence: o.Confidence = 95,
    kernel_timestamps: Annotated[
        bool,
        typer.Option(
            "--kernel-timestamps",
            help="Calibrate: ask the kernel when requests left and answers came, and "
            "say what this host adds to the wire window. Linux only.",
        ),
    ] = False,
    account: o.AccountOptions,
    pacing: o.PaceOptions,
    pool: o.PoolOptions,
    stack: o.StackOptions,
    link: LinkOptions,
    exchange: ExchangeOptions,
    output: OutputOptions,
) -> None:
    """Time cold against subsequent requests, by phase, with proof of reuse.

    Example: vestbench bench --requests 100 --rtt 30ms --gate
    """
    from vestbench.cli.ahead import one_stack, workers_ahead
    from vestbench.cli.settings import settings_here

    settings = settings_here(
        pool, venue=where.venue, min_saving=min_saving, results=output.results
    )
    asserting.check(decides=gate)
    chosen("--confidence", confidence, (90, 95, 99))
    one_stack(stack, "bench")
    workers = workers_ahead(context, settings, stack)

    from vestbench.cli import measuring as m
    from vestbench.model.client import SessionPlan
    from vestbench.model.strategy import POOLED, UNPOOLED
    from vestbench.studies.bench.experiment import BenchSchedule, sessions_for
    from vestbench.studies.bench.job import BenchJob

    gated = gate or bool(asserting.asserted)
    strategy = POOLED if pooled else UNPOOLED
    if gate and not pooled:
        raise UsageError("--gate needs subsequent requests: not with --unpooled")
    plan = BenchSchedule(
        session=SessionPlan(
            pool=settings.pool,
            strategy=strategy,
            concurrency=concurrency,
            http2=stack.http2,
            stack=stack.stack,
            kernel_timestamps=kernel_timestamps,
        ),
        requests=requests,
        sessions=sessions or sessions_for(requests, concurrency, strategy),
    )
    pace = m.pace_of(pacing, settings)
    run = m.run_and_show(
        BenchJob(
            plan,
            pace,
            min_saving_s=settings["min_saving"],
            confidence=confidence / 100,
            gate=gate,
            assertions=asserting.asserted or (),
        ),
        m.place_of(settings, where, link, exchange, account, stack, seed=pace.seed),
        output,
        settings,
        budget=pacing.budget,
        total=requests,
        gated=gated,
        asserting=asserting,
        workers=workers,
    )
    if gated:
        raise m.gate_exit(run, asserting)
