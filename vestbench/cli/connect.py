"""`vestbench connect`."""

from __future__ import annotations

from typing import Annotated

import typer

from vestbench.cli import options as o
from vestbench.cli.option_records import takes_options
from vestbench.cli.output_options import AssertOptions, OutputOptions
from vestbench.cli.simulated_options import ExchangeOptions, LinkOptions
from vestbench.cli.values import chosen
from vestbench.errors import ExitCode

# On the simulated venue as many as a verdict elsewhere needs; on a real one the fewest
# that give an interval for a median.
SIM_ROUNDS = 12
REAL_ROUNDS = 6


@takes_options
def connect(
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            max=1000,
            help="Pairs of starts, one warmed up and one not, in coin-flip order. "
            f"[default: {SIM_ROUNDS}; {REAL_ROUNDS} on a real venue]",
            show_default=False,
        ),
    ] = None,
    *,
    where: o.StartOptions,
    account: o.KeysOptions,
    asserting: AssertOptions,
    confidence: o.Confidence = 95,
    pacing: o.PaceOptions,
    pool: o.PoolOptions,
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
    chosen("--confidence", confidence, (90, 95, 99))
    pace = m.pace_of(pacing, settings)
    venue = find_venue(settings["venue"])
    last = "cancel" if has_accounts(venue.name) else ""
    place = m.place_of(
        settings,
        o.VenueOptions(venue=where.venue, endpoint=last),
        link,
        exchange,
        account,
        seed=pace.seed,
    )
    job = connect_job(
        StartSchedule(
            session=SessionPlan(pool=settings.pool),
            rounds=rounds or (REAL_ROUNDS if is_real(settings) else SIM_ROUNDS),
            seed=pace.seed,
            title=venue.title,
        ),
        pace,
        steps=steps_of(place),
        confidence=confidence / 100,
        assertions=asserting.asserted or (),
    )
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
    )
    if not any(study_of(run).summarise(run).completed):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if asserting.asserted:
        raise m.gate_exit(run, asserting)
