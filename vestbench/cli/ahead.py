"""What a measuring command does before it imports what measures.

The measuring processes start meanwhile: their imports take as long as the command's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from vestbench.cli import options as o
from vestbench.cli.settings import is_real, settings_here
from vestbench.config import Settings
from vestbench.errors import UsageError

if TYPE_CHECKING:
    from vestbench.workers.remote import RemoteStacks


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a measuring command was given, as far as it is alike for all of them."""

    settings: Settings  # in force
    where: o.VenueOptions
    account: o.KeysOptions
    judging: o.JudgingOptions
    options: o.StartingOptions | o.MeasuringOptions | o.DriftingOptions
    stack: o.StackOptions  # the default where it cannot be chosen
    workers: RemoteStacks | None = None  # that were started already


def start_ahead(
    context: typer.Context,
    where: o.VenueOptions,
    judging: o.JudgingOptions,
    options: o.MeasuringOptions | o.DriftingOptions,
    *,
    min_saving: str | None,
    decides: bool = False,
    strategies: Sequence[str] = (),
) -> Given:
    """Check what was given, and start the processes that will send.

    They end with the command. None are started for the simulated venue, whose
    processes start within its link.

    Args:
        context: Of the command.
        where: The venue and its endpoint.
        judging: What is asserted.
        options: The others that the command takes.
        min_saving: The saving that passes; None is the setting.
        decides: Whether the run is judged if nothing is asserted.
        strategies: How it is connected, by name; none for a command that measures a
            single stack.

    Raises:
        UsageError: An option cannot be used, or the stack cannot do what is asked for.
    """
    settings = settings_here(options, venue=where.venue, min_saving=min_saving)
    judging.check(decides=decides)
    if options.stack == "all" and not strategies:
        raise UsageError(
            f"--stack all: {context.info_name} measures one stack; compare takes all "
            "of them"
        )
    workers = None
    if is_real(settings):
        from vestbench.running.destination import stacks_for
        from vestbench.workers.remote import RemoteStacks
        from vestbench.workers.trust import check_trust

        names = stacks_for(
            options.stack, settings["venue"], strategies, http2=options.http2
        )
        check_trust(simulated=False)
        workers = RemoteStacks(names)
        context.call_on_close(workers.close)
    return Given(
        settings=settings,
        where=where,
        account=options,
        judging=judging,
        options=options,
        stack=options,
        workers=workers,
    )
