"""`vestbench config`."""

from __future__ import annotations

import typer

from vestbench.cli import options as o
from vestbench.cli.option_records import takes_options
from vestbench.cli.options import Json, Results


@takes_options
def config(
    venue: o.Venue = None,
    min_saving: o.MinSaving = None,
    results: Results = None,
    *,
    pool: o.PoolOptions,
    json: Json = False,
) -> None:
    """Show the settings in force, and where each value came from.

    Options win over the environment, that over ./vestbench.toml, that over the user's
    own file, and that over the defaults.

    Example: VESTBENCH_POOL_MAX_IDLE=4 vestbench config
    """
    from dataclasses import replace

    from vestbench.cli.console import stdout
    from vestbench.cli.settings import settings_here
    from vestbench.venues import find_venue

    settings = settings_here(pool, venue=venue, min_saving=min_saving, results=results)
    # As the venue is called everywhere: the query of a URL may hold a token.
    called = replace(settings.values["venue"], text=find_venue(settings["venue"]).name)
    values = {**settings.values, "venue": called}
    if json:
        from json import dumps

        found = {
            name: {"value": value.text, "source": value.source}
            for name, value in values.items()
        }
        typer.echo(dumps(found, indent=2))
        return
    from vestbench.report.settings import settings_table

    stdout().print(settings_table(values.values()))
