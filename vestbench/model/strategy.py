"""The ways of handling connections: one record for each, in one registry.

A strategy is plain data, so that it goes to a measuring process with the plan of a
session, and so that a new one is one more record: whatever depends on a strategy looks
at a field of its record and never at its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vestbench.errors import InvalidValueError, UsageError
from vestbench.model.request import Outcome, Sample


@dataclass(frozen=True, slots=True)
class Claim:
    """What every answered request of an arm has to show."""

    field: str  # of `Sample`
    value: object  # that the field has to hold
    # The sentence for an arm that did not show it. `{label}` and `{strategy}` are the
    # arm's, `{answered}` is "40 requests", `{kept}` and `{wrong}` are how many of them
    # did and did not show it.
    broken: str

    @property
    def of_reuse(self) -> bool:
        """Whether it is that a connection is reused."""
        return (self.field, self.value) == ("reused", True)

    def kept_by(self, sample: Sample) -> bool:
        """Say whether a request shows it."""
        return bool(getattr(sample, self.field) == self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way of handling connections."""

    name: str  # in options, labels and result files
    claims: tuple[Claim, ...]  # its proof; the first that is broken is named
    opens: bool = False  # each request opens a connection, which is closed after it
    resumes: bool = False  # the TLS session of the connection before
    http2: bool = False  # offers it in the handshake
    # A session begins with the venue's warm-up request, on as many connections as the
    # pool keeps, and is then left idle.
    warms: bool = False
    primers: int = 0  # unmeasured requests, like the measured one, that begin a session
    tcp_trips: int = 0  # round trips that each request pays for TCP
    tls_trips: int = 0  # and for TLS, at most: a full handshake may take fewer
    needs_tls: bool = False
    # When it is prepared in a round: low numbers take long, and come first so that no
    # primed connection is left waiting for another arm.
    preparation: int = 3
    is_control: bool = False  # the others are compared with it, unless one is named

    def unmeasured(self, connections: int) -> int:
        """Return how many requests begin a session that keeps so many connections."""
        return connections if self.warms else self.primers

    def round_trips(self, tls: int) -> int:
        """Return the round trips of each request, with `tls` for a full handshake."""
        return self.tcp_trips + min(self.tls_trips, tls)

    def contradicted_by(self, outcome: Outcome) -> bool:
        """Say whether an answered request was not what its arm is called."""
        return isinstance(outcome, Sample) and not all(
            claim.kept_by(outcome) for claim in self.claims
        )


_REUSED = Claim(
    "reused",
    True,
    "{label} reused its connection in only {kept} of {answered}, so it was not "
    "{strategy}",
)
_OPENED = Claim(
    "reused",
    False,
    "{label} reused a connection in {wrong} of {answered}, so it was not {strategy}",
)
_FULL_HANDSHAKE = Claim(
    "resumed",
    False,
    "{label} resumed a TLS session in {wrong} of {answered}, so its handshakes were "
    "not full",
)
_RESUMED = Claim(
    "resumed",
    True,
    "{label} resumed a TLS session in only {kept} of {answered}, so it was not "
    "resumed; the server may issue no tickets",
)
_HTTP2 = Claim(
    "http_version",
    "HTTP/2",
    "{label} did not speak HTTP/2 in all of {answered}: the server does not offer it",
)

# Connections are kept open and reused.
POOLED = Strategy(name="pooled", claims=(_REUSED,), primers=1)

# A new connection, with a full handshake, for each request.
UNPOOLED = Strategy(
    name="unpooled",
    claims=(_OPENED, _FULL_HANDSHAKE),
    opens=True,
    tcp_trips=1,
    tls_trips=2,
    preparation=4,
    is_control=True,
)

# A fresh pool, warmed up as the bot does, then left idle.
WARMED = Strategy(name="warmed", claims=(_REUSED,), warms=True, preparation=0)

# A new connection for each request, whose TLS session is resumed. The primer brings the
# first session; to end the primer's connection takes up to 0.1 s. A resumed handshake
# takes one round trip in TLS 1.3 (RFC 8446, 2.2) and one in TLS 1.2 (RFC 5246, 7.3).
RESUMED = Strategy(
    name="resumed",
    claims=(_OPENED, _RESUMED),
    opens=True,
    resumes=True,
    primers=1,
    tcp_trips=1,
    tls_trips=1,
    needs_tls=True,
    preparation=1,
)

# One HTTP/2 connection, kept open and shared.
HTTP2 = Strategy(
    name="http2",
    claims=(_REUSED, _HTTP2),
    http2=True,
    primers=1,
    needs_tls=True,
    preparation=2,
)

# By name, in the order in which they are listed to users.
STRATEGIES = {each.name: each for each in (POOLED, UNPOOLED, WARMED, RESUMED, HTTP2)}


def find_strategy(name: str) -> Strategy:
    """Return the strategy called `name`, or raise UsageError."""
    if name not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise UsageError(
            f"{name!r} is no way of connecting: use {known}, or two result files"
        )
    return STRATEGIES[name]


def check_strategy(name: str) -> None:
    """Raise InvalidValueError for a name in a result file that is no strategy's."""
    if name not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise InvalidValueError(f"expected one of {known}, got {name!r}", "strategy")


def offers_http2(names: Iterable[str]) -> bool:
    """Say whether one of the strategies called so offers HTTP/2."""
    return any(find_strategy(name).http2 for name in names)
