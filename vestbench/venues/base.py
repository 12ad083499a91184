"""What every venue is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vestbench.errors import UsageError
from vestbench.model.request import RequestSpec
from vestbench.venues.trading import AccountKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One request of a venue by name."""

    name: str
    method: str
    path: str  # below the venue's base URL, with its query
    stamped: bool = False  # carries `time`, the milliseconds since the epoch
    private: bool = False  # wants an account
    signed: bool = False
    moves_money: bool = False
    looked_up: bool = False  # an order: after each one, its state is asked for
    accept: tuple[int, ...] = ()  # statuses that count as a response; empty: 2xx


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """An exchange: where it is, what every request carries, what can be asked."""

    name: str
    base_url: str
    endpoints: Mapping[str, Endpoint]  # the first one is the default
    warm_up: Endpoint  # what a bot sends at start
    headers: tuple[tuple[str, str], ...] = field(default=())
    websocket_url: str = ""  # of its WebSocket, with https; empty without one
    title: str = "HTTP"  # how log lines call it
    private_query: bool = False  # the query of its URL is not to be shown
    accounts: AccountKind[Any] | None = None  # None: it has public endpoints only
    simulated: bool = False  # by processes of ours, which run as long as it is used
    throws_away: bool = False  # accounts are made for each run, and own nothing

    def endpoint(self, name: str = "") -> Endpoint:
        """Return the endpoint called `name`, or the default one.

        Raises:
            UsageError: The venue has none of that name.
        """
        if not name:
            return next(iter(self.endpoints.values()))
        if name not in self.endpoints:
            known = ", ".join(self.endpoints)
            raise UsageError(f"venue {self.name} has no endpoint {name!r}: use {known}")
        return self.endpoints[name]

    def account_kind(self) -> AccountKind[Any]:
        """Return what its accounts are like.

        Raises:
            UsageError: It has none here.
        """
        if self.accounts is None:
            raise UsageError(f"venue {self.name} has no account here")
        return self.accounts

    def request(self, endpoint: Endpoint, *, now_ms: int) -> RequestSpec:
        """Build the request for `endpoint` as it is sent at `now_ms` (Unix time)."""
        url = self.base_url + endpoint.path
        if endpoint.stamped:
            url += ("&" if "?" in url else "?") + f"time={now_ms}"
        return RequestSpec(
            endpoint=endpoint.name,
            method=endpoint.method,
            url=url,
            headers=self.headers,
            accept=endpoint.accept,
        )

    def shown(self, url: str) -> str:
        """Return `url` as it may be shown and stored.

        The query of a URL that a user gave may hold a token; that of a known venue
        holds what is asked for.
        """
        return without_query(url) if self.private_query else url

    @property
    def host(self) -> str:
        """The host and port of the base URL, for messages."""
        return urlsplit(self.base_url).netloc


def without_query(url: str) -> str:
    """Return `url` with an ellipsis for its query, and without its fragment."""
    path, mark, _ = url.partition("#")[0].partition("?")
    return path + mark + ("…" if mark else "")


def by_name(*endpoints: Endpoint) -> dict[str, Endpoint]:
    """Return `endpoints` under their names, in the order given."""
    return {endpoint.name: endpoint for endpoint in endpoints}
