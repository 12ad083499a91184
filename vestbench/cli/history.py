"""`vestbench history` and `vestbench trend`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestbench.cli.option_records import option
from vestbench.cli.options import PoolOptions
from vestbench.cli.output_options import JSON
from vestbench.errors import InvalidRunError, UsageError, reason_of

if TYPE_CHECKING:
    from vestbench.history.series import Entry

Folder = Annotated[
    str | None,
    typer.Argument(
        metavar="FOLDER",
        help="Where the results are. [default: results]",
        show_default=False,
    ),
]


def history(folder: Folder = None, json: bool = JSON) -> None:
    """List stored runs: when, what of, and how much was saved.

    Example: vestbench history results/
    """
    from vestbench.cli.console import show, show_json
    from vestbench.history.sheet import history_report

    entries, unreadable = _entries(_folder(folder))
    if json:
        from vestbench.report.machine import plain_values

        runs = [{"file": file, **plain_values(one)} for file, one in entries.items()]
        show_json({"runs": runs, "unreadable": unreadable})
        return
    show(history_report(entries, unreadable))


def trend(
    folder: Folder = None,
    last: int = option("Runs listed of each row.", "N", default=20, min=1),
    json: bool = JSON,
) -> None:
    """Show how the saving went over stored runs, and where it changed.

    Runs of the same venue, endpoint, stack and host are put in one row, their savings
    in round trips: latencies of different days cannot be compared.

    Example: vestbench trend results/
    """
    from vestbench.cli.console import show, show_json
    from vestbench.history.series import series_of
    from vestbench.history.sheet import trend_report

    entries, unreadable = _entries(_folder(folder))
    found = series_of(entries.values())
    if json:
        show_json({"series": found, "unreadable": unreadable})
        return
    show(trend_report(found, unreadable, last))


def _folder(given: str | None) -> Path:
    from vestbench.cli.settings import results_folder, settings_here

    folder = results_folder(settings_here(PoolOptions(), results=given))
    if not os.path.isdir(folder):  # Path.is_dir raises if a name is too long
        raise UsageError(f"{folder} is no folder: name the one that holds the results")
    return folder


def _entries(folder: Path) -> tuple[dict[str, Entry], dict[str, str]]:
    """Return the runs in `folder`, oldest first, and why other files are unreadable."""
    from vestbench.cli.console import busy
    from vestbench.history.series import entry_of
    from vestbench.studies.registry import load_run

    entries: dict[str, Entry] = {}
    unreadable: dict[str, str] = {}
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {reason_of(error)}") from error
    for path in paths:
        if not path.name.endswith((".toml", ".toml.partial")):
            continue
        try:
            with busy(f"reading {path}"):
                entries[str(path)] = entry_of(load_run(path))
        except (InvalidRunError, UsageError) as error:
            unreadable[str(path)] = str(error)
    oldest_first = sorted(entries.items(), key=lambda found: found[1].started)
    return dict(oldest_first), unreadable
