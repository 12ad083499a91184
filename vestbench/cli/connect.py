"""`vestbench connect`."""

from __future__ import annotations

from vestbench import defaults
from vestbench.cli.option_records import option
from vestbench.cli.options import (
    JudgingOptions,
    KeysOptions,
    StackOptions,
    StartingOptions,
    StartOptions,
    VenueOptions,
)


def connect(
    rounds: int | None = option(
        "Pairs of starts, one warmed up and one not, in coin-flip order.",
        "N",
        shown=f"{defaults.START_ROUNDS}; {defaults.REAL_START_ROUNDS} on a real venue",
        min=1,
        max=1000,
    ),
    *,
    where: StartOptions,
    account: KeysOptions,
    judging: JudgingOptions,
    options: StartingOptions,
) -> None:
    """Start as the bot does, step by step, and show what its warm-up buys.

    Warm-up, then what an account of the venue starts with, up to a signed request on
    the path of orders that has no effect on the market. A real venue needs keys; one
    without accounts is warmed up and asked for its first endpoint.

    Example: vestbench connect --rtt 80ms
    """
    from vestbench.cli import measuring as m
    from vestbench.cli.ahead import Given
    from vestbench.cli.settings import is_real, settings_here
    from vestbench.studies.starts.job import connect_job
    from vestbench.venues import find_venue

    settings = settings_here(options, venue=where.venue)
    judging.check(decides=False)
    accounts = find_venue(settings["venue"]).accounts
    last = "" if accounts is None else accounts.start_endpoint
    given = Given(
        settings=settings,
        where=VenueOptions(venue=where.venue, endpoint=last),
        account=account,
        judging=judging,
        options=options,
        stack=StackOptions(),
    )
    destination, pace = m.aimed(given)
    real, simulated = defaults.REAL_START_ROUNDS, defaults.START_ROUNDS
    usual = real if is_real(settings) else simulated
    job = connect_job(destination, pace, rounds=rounds or usual, **judging.asked)
    m.show_log(options)
    m.run_and_exit(given, job, destination, gated=bool(judging.asserted))
