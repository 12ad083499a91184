"""Where the keys of an account come from: a file, the environment, or the keyboard."""

from __future__ import annotations

import os
import sys

import typer

from vestbench.cli import options as o
from vestbench.errors import UsageError
from vestbench.running.access import Access
from vestbench.venues import SIMULATED, Endpoint, Venue
from vestbench.venues.vest.credentials import Credentials, from_prompt
from vestbench.venues.vest.keys_file import find_credentials


def access_of(options: o.KeysOptions, venue: Venue, endpoint: Endpoint) -> Access:
    """Return the account that a run uses, and what it may do with it.

    Keys are looked for only where the request wants an account; on a terminal, those
    that are missing are asked for.

    Raises:
        UsageError: A place with keys cannot be used, or the keys do not belong to the
            venue or to each other.
    """
    if not isinstance(options, o.AccountOptions):
        return Access(credentials=_credentials(options, venue, endpoint))
    return Access(
        credentials=_credentials(options, venue, endpoint),
        on_path=options.sign_on_path,
        allow_orders=options.allow_orders,
        max_orders=options.max_orders,
    )


def _credentials(
    options: o.KeysOptions, venue: Venue, endpoint: Endpoint
) -> Credentials | None:
    if venue.name == SIMULATED:
        if options.keys is not None:
            raise UsageError("--keys: only for a real venue; sim has keys of its own")
        return None
    if not endpoint.private:
        if options.keys is not None:
            raise UsageError(
                f"--keys: {endpoint.name} wants no account; use --endpoint account or "
                "another that does"
            )
        return None
    found = find_credentials(venue.name, environment=os.environ, keys_file=options.keys)
    return _asked(found, endpoint).for_venue(venue.name)


def _asked(found: Credentials, endpoint: Endpoint) -> Credentials:
    """Return `found` with what is missing, if somebody is there to type it."""
    if not _is_terminal():
        return found
    registers = found.api_key is None
    for name, needed in (
        ("signing_key", registers or endpoint.signed),
        ("primary_key", registers),
    ):
        if needed and getattr(found, name) is None:
            typed = typer.prompt(
                f"Vest {name.replace('_', ' ')}", hide_input=True, err=True
            )
            found = found.over(from_prompt(name, typed))
    return found


def _is_terminal() -> bool:
    return sys.stdin.isatty()
