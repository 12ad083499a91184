"""The host names of the exchanges that the simulated one stands for."""

from __future__ import annotations

# By the name of the host, the contract whose registrations it takes.
CONTRACTS = {
    "server-prod.hz.vestmarkets.com": "production",
    "ws-prod.hz.vestmarkets.com": "production",
    "server-dev.hz.vestmarkets.com": "development",
    "ws-dev.hz.vestmarkets.com": "development",
    "api.prod.paradex.trade": "production",
}


def is_venue(host: str) -> bool:
    """Say whether a host is one of an exchange."""
    return host in CONTRACTS
