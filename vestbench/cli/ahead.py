"""The measuring processes, started while the command still imports the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from vestbench.cli import options as o
from vestbench.cli.settings import is_real
from vestbench.config import Settings
from vestbench.errors import UsageError

if TYPE_CHECKING:
    from vestbench.workers.remote import RemoteStacks


def workers_ahead(
    context: typer.Context,
    settings: Settings,
    stack: o.StackOptions,
    strategies: Sequence[str] = (),
) -> RemoteStacks | None:
    """Start the processes that will send, and end them with the command.

    Theirs and the command's imports take as long, so they are best done side by side.
    None for the simulated venue, whose processes start within its link.

    Args:
        context: Of the command.
        settings: In force.
        stack: The HTTP library, or all.
        strategies: How it is connected, each of which the stack has to honour.

    Raises:
        UsageError: The stack cannot do what is asked for.
    """
    if not is_real(settings):
        return None
    from vestbench.running.destination import stacks_for
    from vestbench.workers.remote import RemoteStacks

    names = stacks_for(stack.stack, settings["venue"], strategies, http2=stack.http2)
    workers = RemoteStacks(names)
    context.call_on_close(workers.close)
    return workers


def one_stack(stack: o.StackOptions, command: str) -> None:
    """Refuse `--stack all` for a command that measures one stack."""
    if stack.stack == "all":
        raise UsageError(
            f"--stack all: {command} measures one stack; compare takes all of them"
        )
