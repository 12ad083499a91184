"""The keys that a run uses, and what it is allowed to do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vestbench.defaults import MAX_ORDERS
from vestbench.errors import UsageError
from vestbench.venues.base import Endpoint, Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Keys and permissions.

    A simulated exchange needs neither: throw-away keys are made for each run, and
    orders move nobody's money.
    """

    credentials: Any = None  # of the venue's kind; None: nobody has given any
    on_path: bool = False  # sign orders and cancels inside their time
    allow_orders: bool = False  # on a real venue
    max_orders: int = MAX_ORDERS  # on a real venue


def check_access(
    access: Access,
    venue: Venue,
    endpoint: Endpoint,
    *,
    concurrency: int,
    requests: int,
) -> None:
    """Refuse a run, before anything is started, for which keys or permissions lack.

    Args:
        access: The keys that are given, and what is allowed.
        venue: The venue that is measured.
        endpoint: The endpoint of the requests that are measured.
        concurrency: How many requests are sent at the same time.
        requests: How many there may be, the unmeasured ones included.

    Raises:
        UsageError: A key or a permission is missing, or the options contradict.
    """
    if access.on_path and not endpoint.signed:
        raise UsageError(
            f"--sign-on-path: {endpoint.name} is not signed; use --endpoint order or "
            "cancel"
        )
    if endpoint.signed and concurrency > 1:
        raise UsageError(
            f"--concurrency {concurrency}: {endpoint.name} is sent one at a time, "
            "because every answer is looked at before the next"
        )
    if venue.throws_away:
        if access.credentials is not None:
            raise UsageError("--keys: a simulated exchange has keys made for each run")
        return
    if endpoint.moves_money:
        _check_orders(access, venue, endpoint, requests)
    if endpoint.private:
        venue.account_kind().check(access.credentials, endpoint)


def _check_orders(
    access: Access, venue: Venue, endpoint: Endpoint, requests: int
) -> None:
    if not access.allow_orders:
        endpoints = venue.endpoints.values()
        safe = [each.name for each in endpoints if each.signed and not each.moves_money]
        instead = "; --endpoint {} takes the same signed path and has no effect"
        raise UsageError(
            f"{endpoint.name} on {venue.name} is not read-only: --allow-orders allows "
            "it" + (instead.format(safe[0]) if safe else "")
        )
    if requests > access.max_orders:
        raise UsageError(
            f"up to {requests} requests to {endpoint.name} are more than --max-orders "
            f"{access.max_orders}; send fewer, or raise it"
        )
