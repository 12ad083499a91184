"""`vestbench warmup`."""

from __future__ import annotations

from typing import Annotated

import typer

from vestbench.cli import options as o
from vestbench.errors import UsageError


def warmup(
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
    venue: o.Venue = None,
    endpoint: o.EndpointName = "",
    min_saving: o.MinSaving = None,
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
    """Do what the bot does at start, and prove what its first request gains by it.

    Example: vestbench warmup --rtt 80ms
    """
    import logging
    from random import Random

    from vestbench.cli.measuring import (
        Measurement,
        OutputOptions,
        Runner,
        SimOptions,
        is_real,
        pace,
        pool_facts,
        settings_here,
    )
    from vestbench.experiments.ports import Pacer
    from vestbench.experiments.warmup import WarmUpPlan, run_warm_up
    from vestbench.models import SessionPlan
    from vestbench.venues import find_venue

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
    width = connections if connections is not None else settings.pool.max_idle
    if width < 1:
        raise UsageError(
            "--connections: the pool keeps no idle connection, so nothing can be "
            "warmed up; raise --pool-max-idle"
        )
    seed_used = o.seed_or_new(seed)
    plan = WarmUpPlan(
        session=SessionPlan(pool=settings.pool, concurrency=width),
        connections=width,
        rounds=rounds,
        seed=seed_used,
        title=find_venue(settings["venue"]).title,
    )
    recorded = rounds * (width + 2)
    everything = recorded + width + 2  # with the discarded first starts
    max_rate = pace(is_real(settings["venue"]), everything, rate, budget)
    if not (json or quiet):
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        logging.getLogger("vestbench").setLevel(logging.INFO)

    def experiment(measurement: Measurement) -> None:
        end = run_warm_up(
            plan,
            measurement.stack,
            measurement.warm_up_request,
            measurement.request,
            pacer=Pacer(
                interval_s=interval_s, max_rate=max_rate, rng=Random(seed_used)
            ),
            record=measurement.record,
        )
        measurement.take(end)

    runner = Runner(
        "warmup",
        "warmed",
        plan={
            "rounds": rounds,
            "connections": width,
            "strategy": "warmed",
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
        total=recorded,
        facts={
            "strategy": "warmed against not warmed",
            "concurrency": 1,
            "pool": pool_facts(settings.pool),
        },
    )
    from vestbench.report.warmup import warm_up_brief, warm_up_report

    runner.run(experiment, warm_up_report, warm_up_brief)
