"""The ways of handling connections: one record for each, in one registry.

A strategy is plain data, so that it goes to a measuring process with the plan of a
session, and so that a new one is one more record: whatever depends on a strategy looks
at a field of its record and never at its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vestbench.errors import UsageError
from vestbench.model.request import Outcome, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What every answered request of an arm has to show.

    Attributes:
        field: A field of `Sample`.
        value: What the field has to hold.
        broken: The sentence for an arm that did not show it. `{label}` and `{strategy}`
            are the arm's, `{answered}` is "40 requests", `{kept}` and `{wrong}` are how
            many of them did and did not show it.
    """

    field: str
    value: object
    broken: str

    def kept_by(self, sample: Sample) -> bool:
        """Say whether a request shows it."""
        return bool(getattr(sample, self.field) == self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way of handling connections.

    Attributes:
        name: In options, labels and result files.
        claims: What proves it; the first that is broken explains why an arm is invalid.
        opens: Each request opens a connection, which is closed after it. Otherwise a
            session keeps its connections open.
        resumes: The TLS session of the connection before is resumed.
        http2: HTTP/2 is offered in the handshake.
        warms: A session begins with the venue's warm-up, on as many connections as the
            pool keeps, and is then left idle.
        primers: Unmeasured requests, each like the measured one, that begin a session.
        tcp_trips: Round trips that a request pays for TCP.
        tls_trips: Those that it pays for TLS, at most: a full handshake may take fewer.
        needs_tls: It makes no sense without TLS.
        preparation: Place in a round: low ones take long and are prepared first, so
            that no primed connection is left waiting for another arm.
        is_control: What the others are compared with, unless a control is named.
    """

    name: str
    claims: tuple[Claim, ...]
    opens: bool = False
    resumes: bool = False
    http2: bool = False
    warms: bool = False
    primers: int = 0
    tcp_trips: int = 0
    tls_trips: int = 0
    needs_tls: bool = False
    preparation: int = 3
    is_control: bool = False

    def unmeasured(self, connections: int) -> int:
        """Return how many requests begin a session that keeps so many connections."""
        return connections if self.warms else self.primers

    def round_trips(self, tls: int) -> int:
        """Return the round trips that opening connections costs each request.

        Args:
            tls: Those of a full TLS handshake.
        """
        return self.tcp_trips + min(self.tls_trips, tls)

    def contradicted_by(self, outcome: Outcome) -> bool:
        """Say whether an answered request was not what its arm is called."""
        return isinstance(outcome, Sample) and not all(
            claim.kept_by(outcome) for claim in self.claims
        )


_REUSED = Claim(
    field="reused",
    value=True,
    broken="{label} reused its connection in only {kept} of {answered}, so it was not "
    "{strategy}",
)
_OPENED = Claim(
    field="reused",
    value=False,
    broken="{label} reused a connection in {wrong} of {answered}, so it was not "
    "{strategy}",
)
_FULL_HANDSHAKE = Claim(
    field="resumed",
    value=False,
    broken="{label} resumed a TLS session in {wrong} of {answered}, so its handshakes "
    "were not full",
)
_RESUMED = Claim(
    field="resumed",
    value=True,
    broken="{label} resumed a TLS session in only {kept} of {answered}, so it was not "
    "resumed; the server may issue no tickets",
)
_HTTP2 = Claim(
    field="http_version",
    value="HTTP/2",
    broken="{label} did not speak HTTP/2 in all of {answered}: the server does not "
    "offer it",
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
    """Return the strategy called `name`.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise UsageError(
            f"{name!r} is no way of connecting: use {known}, or two result files"
        )
    return STRATEGIES[name]


def check_strategy(name: str) -> None:
    """Refuse the name of a strategy in a result file if there is none of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"strategy {name!r} is none of {known}")


def offers_http2(names: Iterable[str]) -> bool:
    """Say whether one of the strategies called so offers HTTP/2."""
    return any(find_strategy(name).http2 for name in names)
