"""Which stacks a measurement takes, checked against what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence

from vestbench.errors import UsageError
from vestbench.model.strategy import find_strategy
from vestbench.stacks.registry import chosen_stacks


def stacks_for(
    name: str, venue: str, strategies: Sequence[str] = (), *, http2: bool = False
) -> tuple[str, ...]:
    """Return the stacks that `name` stands for, the default first.

    Args:
        name: Of a stack, or `all` for each that is installed.
        venue: A name or a URL, as it was given.
        strategies: How it is connected, each of which every stack has to honour.
        http2: Whether HTTP/2 is offered in every handshake.

    Raises:
        UsageError: A stack is unknown or not installed or cannot do what is asked of
            it, or the venue has no TLS to settle it in.
    """
    stacks = chosen_stacks(name, strategies, http2=http2)
    if venue.startswith("http://"):
        found = [name for name in strategies if find_strategy(name).needs_tls]
        for asked in [*found, *(["--http2"] if http2 else [])]:
            raise UsageError(f"{asked} needs TLS: an http:// venue has none")
    return stacks
