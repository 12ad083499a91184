"""The account of traffic, as a Python program and its tests ask for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vestbench.model.client import PoolSettings
from vestbench.model.simulated import ExchangeSpec
from vestbench.model.traffic import Traffic
from vestbench.studies.traffic.causes import NEVER_USED, Opening, openings_of
from vestbench.studies.traffic.pool import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was sent to one host, or to all, over which connections."""

    requests: int
    connections: int
    reused: int  # requests that found their connection open
    needless: int  # connections that a pool with the bot's settings would not open
    unused: int  # connections without a request
    reasons: Mapping[str, int]  # why the connections were opened, and how many each

    @property
    def told(self) -> str:
        """All of it in a line, for the message of an assertion."""
        reasons = ", ".join(f"{count} {why}" for why, count in self.reasons.items())
        return (
            f"{self.requests} requests over {self.connections} connections, "
            f"{self.needless} of them needless ({reasons or 'none was opened'})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Counts):
    """All that was sent, and the same for each host."""

    hosts: Mapping[str, Counts] = field(default_factory=dict)


def rules_for(exchange: ExchangeSpec, pool: PoolSettings | None = None) -> Rules:
    """Return how long connections to an exchange can be kept in a pool."""
    pool = pool or PoolSettings()
    return Rules(
        max_idle=pool.max_idle,
        idle_s=pool.idle_timeout_s,
        server_idle_s=exchange.idle_timeout_s,
        server_uses=exchange.max_requests,
    )


def account_of(traffic: Traffic, rules: Rules) -> Account:
    """Return what is to be known of all that was sent."""
    openings = openings_of(traffic, rules)
    hosts: dict[str, list[Opening]] = {}
    for opening in openings:
        hosts.setdefault(opening.connection.host, []).append(opening)
    whole = _counts(openings)
    return Account(
        requests=whole.requests,
        connections=whole.connections,
        reused=whole.reused,
        needless=whole.needless,
        unused=whole.unused,
        reasons=whole.reasons,
        hosts={host: _counts(found) for host, found in hosts.items()},
    )


def _counts(openings: Sequence[Opening]) -> Counts:
    sent = [len(each.requests) for each in openings]
    reasons = Counter(str(each.why) for each in openings)
    return Counts(
        requests=sum(sent),
        connections=len(openings),
        reused=sum(count - 1 for count in sent if count),
        needless=sum(each.needless for each in openings),
        unused=sum(each.why in NEVER_USED for each in openings),
        reasons=dict(reasons.most_common()),
    )
