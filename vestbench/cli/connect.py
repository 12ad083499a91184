"""`vestbench connect`."""

from __future__ import annotations

from typing import Annotated

import typer

from vestbench import defaults
from vestbench.cli.option_records import takes_options
from vestbench.cli.options import (
    Confidence,
    ExchangeOptions,
    KeysOptions,
    LinkOptions,
    PaceOptions,
    PoolOptions,
    StartOptions,
    VenueOptions,
    option,
)
from vestbench.cli.output_options import AssertOptions, OutputOptions
from vestbench.errors import ExitCode
from vestbench.values import confidence_of


@takes_options
def connect(
    rounds: Annotated[
        int | None,
        option(
            "--rounds",
            "N",
            "Pairs of starts, one warmed up and one not, in coin-flip order.",
            f"{defaults.START_ROUNDS}; {defaults.REAL_START_ROUNDS} on a real venue",
            min=1,
            max=1000,
        ),
    ] = None,
    *,
    where: StartOptions,
    account: KeysOptions,
    asserting: AssertOptions,
    confidence: Confidence = defaults.CONFIDENCE,
    pacing: PaceOptions,
    pool: PoolOptions,
    link: LinkOptions,
    exchange: ExchangeOptions,
    output: OutputOptions,
) -> None:
    """Start as the bot does, step by step, and show what its warm-up buys.

    Warm-up, registration, listen key, account, and a signed cancel of an order that
    cannot exist: the whole order path, without an effect on the market. Vest needs
    keys; a venue without accounts is warmed up and asked for its first endpoint.

    Example: vestbench connect --rtt 80ms
    """
    from vestbench.cli import measuring as m
    from vestbench.cli.settings import is_real, settings_here
    from vestbench.model.client import SessionPlan
    from vestbench.studies.registry import study_of
    from vestbench.studies.starts.experiment import StartSchedule
    from vestbench.studies.starts.job import connect_job, steps_of
    from vestbench.venues import find_venue
    from vestbench.venues.vest.credentials import has_accounts

    settings = settings_here(pool, venue=where.venue, results=output.results)
    asserting.check(decides=False)
    share = confidence_of("--confidence", confidence)
    pace = m.pace_of(pacing, settings)
    venue = find_venue(settings["venue"])
    last = "cancel" if has_accounts(venue.name) else ""
    destination = m.destination_of(
        settings,
        VenueOptions(venue=where.venue, endpoint=last),
        account=account,
        link=link,
        exchange=exchange,
        seed=pace.seed,
    )
    real, simulated = defaults.REAL_START_ROUNDS, defaults.START_ROUNDS
    usual = real if is_real(settings) else simulated
    job = connect_job(
        StartSchedule(
            session=SessionPlan(pool=settings.pool),
            rounds=rounds or usual,
            seed=pace.seed,
            title=venue.title,
        ),
        pace,
        steps=steps_of(destination),
        confidence=share,
        assertions=asserting.asserted or (),
    )
    m.show_log(output)
    run = m.run_and_show(
        job,
        destination,
        output,
        settings,
        budget=pacing.budget,
        total=job.recorded,
        gated=bool(asserting.asserted),
        asserting=asserting,
    )
    if not any(study_of(run).summarise(run).completed):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if asserting.asserted:
        raise m.gate_exit(run, asserting)
