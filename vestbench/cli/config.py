"""`vestbench config`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vestbench.cli.options import MIN_SAVING, RESULTS, VENUE, PoolOptions
from vestbench.cli.output_options import JSON

if TYPE_CHECKING:
    from vestbench.config import Ignored, Value
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
    own file, and that over the defaults. What ./vestbench.toml must not set, because it
    comes with a project, is shown with the reason; --config FILE lets a file set it.

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
        found: dict[str, Any] = {
            name: {"value": v.text, "source": v.source} for name, v in values.items()
        }
        for each in settings.ignored:
            of_project = {"value": _shown(each), "why": each.why}
            found[each.value.setting.name]["ignored"] = of_project
        show_json(found)
        return
    show([settings_table(values.values()), *ignored_tables(settings.ignored)])


def _shown(ignored: Ignored) -> str:
    from vestbench.venues.base import without_query

    text = without_query(ignored.value.text)  # where a token may be, or a password
    return "…" if "@" in text else text


def ignored_tables(ignored: Sequence[Ignored]) -> Iterator[Table]:
    """Yield a table of the project's settings that are ignored, if there are any."""
    from vestbench.report.sheet import Table

    if not ignored:
        return
    columns = ["setting", "value", "why", "if you want it"]
    table = Table("In ./vestbench.toml, and not followed", columns)
    for each in ignored:
        table.add_row(each.value.setting.name, _shown(each), each.why, each.remedy)
    yield table


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
