"""Where the keys of an account come from: a file, the environment, or the keyboard."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from vestbench.cli import options as o
from vestbench.errors import UsageError
from vestbench.running.access import Access
from vestbench.venues import Endpoint, Venue


def access_of(options: o.KeysOptions, venue: Venue, endpoint: Endpoint) -> Access:
    """Return the account that a run uses, and what it may do with it.

    Keys are looked for only where the request wants an account; on a terminal, those
    that are missing are asked for.

    Raises:
        UsageError: A place with keys cannot be used, or the keys do not belong to the
            venue or to each other.
    """
    if not isinstance(options, o.AccountOptions):
        return Access(credentials=_keys(options, venue, endpoint))
    return Access(
        credentials=_keys(options, venue, endpoint),
        on_path=options.sign_on_path,
        allow_orders=options.allow_orders,
        max_orders=options.max_orders,
    )


def _keys(options: o.KeysOptions, venue: Venue, endpoint: Endpoint) -> Any:
    """Return the keys for a request, or None where it needs none."""
    if venue.throws_away:
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
    kind = venue.account_kind()
    keys = kind.find_keys(os.environ, options.keys)
    for name in kind.missing(keys, endpoint) if _is_terminal() else ():
        text = f"{kind.title} {name.replace('_', ' ')}"
        typed = typer.prompt(text, hide_input=True, err=True)
        keys = kind.with_typed(keys, name, typed)
    return keys


def _is_terminal() -> bool:
    return sys.stdin.isatty()
