"""`vestbench config`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vestbench.cli.options import MIN_SAVING, RESULTS, VENUE, PoolOptions
from vestbench.cli.output_options import JSON

if TYPE_CHECKING:
    from vestbench.config import Value
    from vestbench.report.sheet import Table


def config(
    venue: str | None = VENUE,
    min_saving: str | None = MIN_SAVING,
    results: str | None = RESULTS,
    *,
    pool: PoolOptions,
    json: bool = JSON,
) -> None:
    """Show the settings in force, and where each value came from.

    Options win over the environment, that over ./vestbench.toml, that over the user's
    own file, and that over the defaults.

    Example: VESTBENCH_POOL_MAX_IDLE=4 vestbench config
    """
    from dataclasses import replace

    from vestbench.cli.console import show, show_json
    from vestbench.cli.settings import settings_here
    from vestbench.venues import find_venue

    settings = settings_here(pool, venue=venue, min_saving=min_saving, results=results)
    # As the venue is called everywhere: the query of a URL may hold a token.
    shown = replace(settings.values["venue"], text=find_venue(settings["venue"]).name)
    values = {**settings.values, "venue": shown}
    if json:
        show_json(
            {name: {"value": v.text, "source": v.source} for name, v in values.items()}
        )
        return
    show([settings_table(values.values())])


def settings_table(values: Iterable[Value]) -> Table:
    """Return each setting with its value, its source, and how to change it."""
    from vestbench.report.sheet import Table

    columns = ["setting", "value", "from", "option", "environment"]
    table = Table("Settings in force", columns)
    for value in values:
        setting = value.setting
        called = (setting.option, setting.variable)
        table.add_row(setting.name, value.text, value.source, *called)
    return table
