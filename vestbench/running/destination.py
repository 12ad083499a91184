"""What is measured, and through which client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from vestbench.defaults import STACK
from vestbench.errors import UsageError
from vestbench.model.client import PoolSettings
from vestbench.model.simulated import ExchangeSpec, LinkSpec
from vestbench.model.strategy import find_strategy, offers_http2
from vestbench.running.access import Access
from vestbench.stacks.registry import chosen_stacks
from vestbench.venues import SIMULATED, find_venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What is measured, and through which client.

    The link and the exchange count for the simulated venue only; without a link it is
    reached over plain loopback.
    """

    venue: str = SIMULATED  # a name that `find_venue` knows, or a URL
    endpoint: str = ""  # empty is the venue's first
    stacks: tuple[str, ...] = (STACK,)  # each sends from a process of its own
    http2: bool = False  # offer HTTP/2 in every handshake, as the bot may be built
    pool: PoolSettings
    link: LinkSpec | None = None
    exchange: ExchangeSpec = field(default_factory=ExchangeSpec)
    access: Access = field(default_factory=Access)
    of_project: Mapping[str, str] = field(default_factory=dict)  # settings, by its file

    @property
    def is_simulated(self) -> bool:
        """True where no request leaves this machine's simulated exchange."""
        return find_venue(self.venue).simulated

    def requests_for(self, requests: int) -> int:
        """Return how many requests are sent for `requests` measured ones.

        Each order is also looked up.
        """
        endpoint = find_venue(self.venue).endpoint(self.endpoint)
        return 2 * requests if endpoint.looked_up else requests

    def through(
        self, stack: str, strategies: Sequence[str] = (), *, http2: bool
    ) -> Destination:
        """Return it as it is reached through a stack, or through all of them.

        The simulated exchange speaks HTTP/2 where a client is to offer it.

        Raises:
            UsageError: As of `stacks_for`.
        """
        speaks = self.exchange.http2 or http2 or offers_http2(strategies)
        return replace(
            self,
            stacks=stacks_for(stack, self.venue, strategies, http2=http2),
            http2=http2,
            exchange=replace(self.exchange, http2=speaks),
        )


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
    if venue.lower().startswith("http://"):
        found = [name for name in strategies if find_strategy(name).needs_tls]
        for asked in [*found, *(["--http2"] if http2 else [])]:
            raise UsageError(f"{asked} needs TLS: an http:// venue has none")
    return stacks
