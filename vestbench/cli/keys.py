"""`vestbench keys`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

keys = typer.Typer(
    name="keys",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Make keys for an account.",
    epilog="Example: vestbench keys new signing.toml",
)


@keys.callback()
def _group() -> None:
    """Make keys for an account."""


@keys.command()
def new(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write it; a new file.")
    ],
) -> None:
    """Make a signing key, in a file that only you can read, and print its address.

    The key itself is shown nowhere. A file that exists is not overwritten.

    Example: vestbench keys new signing.toml
    """
    from vestbench.venues import SIMULATED, find_venue

    # Its accounts are like those of the exchange that is simulated.
    typer.echo(find_venue(SIMULATED).account_kind().write_new_key(file))
