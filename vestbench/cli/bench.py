"""`vestbench bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from vestbench.cli import options as o
from vestbench.errors import UsageError


def bench(
    requests: Annotated[
        int, typer.Option("--requests", "-n", metavar="N", min=1, help="How many.")
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
            "--concurrency", "-c", metavar="N", min=1, max=256, help="At the same time."
        ),
    ] = 1,
    venue: o.Venue = None,
    endpoint: o.EndpointName = "",
    min_saving: o.MinSaving = None,
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Exit with 1 if the saving is missed, 3 if that is not clear, 5 if "
            "nothing was pooled.",
        ),
    ] = False,
    confidence: o.Confidence = 95,
    interval: o.Interval = "0ms",
    rate: o.Rate = None,
    budget: o.Budget = 1000,
    seed: o.Seed = None,
    pool_max_idle: o.PoolMaxIdle = None,
    pool_idle_timeout: o.PoolIdleTimeout = None,
    tcp_keepalive: o.TcpKeepalive = None,
    connect_timeout: o.ConnectTimeout = None,
    timeout: o.Timeout = None,
    rtt: o.Rtt = None,
    jitter: o.Jitter = None,
    loss: o.Loss = None,
    link: o.Link = None,
    tls: o.Tls = None,
    processing: o.Processing = None,
    idle_timeout: o.IdleTimeout = None,
    max_requests: o.MaxRequests = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    output: o.Output = None,
    results: o.Results = None,
) -> None:
    """Time cold against subsequent requests, by phase, with proof of reuse.

    Example: vestbench bench --requests 100 --rtt 30ms --gate
    """
    from vestbench.cli.measuring import (
        Measurement,
        OutputOptions,
        Runner,
        SimOptions,
        exit_code,
        is_real,
        pace,
        pool_facts,
        settings_here,
    )

    settings = settings_here(
        venue=venue,
        min_saving=min_saving,
        results=results,
        pool_max_idle=pool_max_idle,
        pool_idle_timeout=pool_idle_timeout,
        tcp_keepalive=tcp_keepalive,
        connect_timeout=connect_timeout,
        timeout=timeout,
    )
    o.chosen("--confidence", confidence, (90, 95, 99))
    interval_s = o.duration("--interval", interval)
    from random import Random

    from vestbench.experiments.bench import BURN_IN, BenchPlan, run_bench, sessions_for
    from vestbench.experiments.ports import Pacer
    from vestbench.models import SessionPlan, Strategy

    strategy = Strategy.POOLED if pooled else Strategy.UNPOOLED
    if gate and not pooled:
        raise UsageError("--gate needs subsequent requests: not with --unpooled")
    plan = BenchPlan(
        session=SessionPlan(
            pool=settings.pool, strategy=strategy, concurrency=concurrency
        ),
        requests=requests,
        sessions=sessions or sessions_for(requests, concurrency, strategy),
    )
    max_rate = pace(is_real(settings["venue"]), requests + BURN_IN, rate, budget)
    seed_used = o.seed_or_new(seed)

    def experiment(measurement: Measurement) -> None:
        end = run_bench(
            plan,
            measurement.stack,
            measurement.request,
            pacer=Pacer(
                interval_s=interval_s, max_rate=max_rate, rng=Random(seed_used)
            ),
            record=measurement.record,
        )
        measurement.take(end)

    runner = Runner(
        "bench",
        str(strategy),
        plan={
            "requests": plan.requests,
            "sessions": plan.sessions,
            "concurrency": concurrency,
            "strategy": str(strategy),
            "burn_in": BURN_IN,
            "interval_s": interval_s,
            "max_rate": max_rate or 0.0,
            "min_saving_ms": 1e3 * settings["min_saving"],
            "confidence": confidence / 100,
            "seed": seed_used,
        },
        settings=settings,
        sim=SimOptions(
            rtt=rtt,
            jitter=jitter,
            loss=loss,
            link=link,
            tls=tls,
            processing=processing,
            idle_timeout=idle_timeout,
            max_requests=max_requests,
        ),
        output=OutputOptions(json=json, quiet=quiet, output=output),
        endpoint=endpoint,
        total=requests,
        facts={
            "strategy": str(strategy),
            "concurrency": concurrency,
            "pool": pool_facts(settings.pool),
        },
    )
    from vestbench.report.bench import bench_brief, bench_report
    from vestbench.stats.bench import summarise_bench
    from vestbench.stats.groups import Acceptance

    run = runner.run(experiment, bench_report, bench_brief)
    if gate:
        acceptance = summarise_bench(run).acceptance or Acceptance.INVALID
        raise typer.Exit(exit_code(acceptance))
