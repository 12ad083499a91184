"""Options of what is measured: venue, account, pace, pool and stack, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

# --- what is measured ----------------------------------------------------------------

Venue = Annotated[
    str | None,
    typer.Option(
        "--venue",
        metavar="VENUE",
        help="What is measured: sim, vest, vest-dev, paradex, or an https:// URL. "
        "[default: sim]",
        show_default=False,
    ),
]
EndpointName = Annotated[
    str,
    typer.Option(
        "--endpoint",
        metavar="NAME",
        help="Which request: on Vest ticker, depth, exchange-info, and with an "
        "account: account, nonce, listen-key, orders, leverage, cancel (of an order "
        "that cannot exist), order; on Paradex system-time. "
        "[default: the venue's first]",
        show_default=False,
    ),
]
MinSaving = Annotated[
    str | None,
    typer.Option(
        "--min-saving",
        metavar="DURATION",
        help="The saving that passes. [default: 50ms]",
        show_default=False,
    ),
]
Confidence = Annotated[
    int, typer.Option("--confidence", metavar="90|95|99", help="In percent.")
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help="For order, pauses and the emulated link. [default: drawn, and recorded]",
        show_default=False,
    ),
]

# --- politeness ----------------------------------------------------------------------

Interval = Annotated[
    str,
    typer.Option(
        "--interval",
        metavar="DURATION",
        help="Mean pause between requests; each is drawn from half to one and a half "
        "times this.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="N",
        help="Requests a second at most. [default: 10 on a real venue, else no limit]",
        show_default=False,
    ),
]
Budget = Annotated[
    int,
    typer.Option(
        "--budget",
        metavar="N",
        min=1,
        help="Requests at most that a real venue may be sent.",
    ),
]

# --- the account ---------------------------------------------------------------------

KeysFile = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="FILE",
        help="Keys of a Vest account, in a file for you alone; what it lacks comes "
        "from VEST_SIGNING_KEY and the like. sim needs none.",
        show_default=False,
    ),
]
SignOnPath = Annotated[
    bool,
    typer.Option(
        "--sign-on-path",
        help="Sign orders and cancels inside their time, instead of before it.",
    ),
]
AllowOrders = Annotated[
    bool,
    typer.Option(
        "--allow-orders",
        help="Let a real venue be sent orders: LIMIT FOK, at half the market's price, "
        "of the smallest size. Also lets leverage be set, to what it is.",
    ),
]
MaxOrders = Annotated[
    int,
    typer.Option(
        "--max-orders",
        metavar="N",
        min=1,
        max=1000,
        help="Orders at most that a real venue may be sent.",
    ),
]

# --- the pool ------------------------------------------------------------------------

PoolMaxIdle = Annotated[
    str | None,
    typer.Option(
        "--pool-max-idle",
        metavar="N",
        help="Idle connections that the pool keeps. [default: 2]",
        show_default=False,
    ),
]
PoolIdleTimeout = Annotated[
    str | None,
    typer.Option(
        "--pool-idle-timeout",
        metavar="DURATION",
        help="An older idle connection is not used again. [default: 60s]",
        show_default=False,
    ),
]
TcpKeepalive = Annotated[
    str | None,
    typer.Option(
        "--tcp-keepalive",
        metavar="DURATION",
        help="Idle time before TCP probes; 0s turns them off. [default: 30s]",
        show_default=False,
    ),
]
ConnectTimeout = Annotated[
    str | None,
    typer.Option(
        "--connect-timeout",
        metavar="DURATION",
        help="For name resolution, TCP and TLS together. [default: 10s]",
        show_default=False,
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="For one whole request, its body included. [default: 10s]",
        show_default=False,
    ),
]

# --- stack ---------------------------------------------------------------------------

StackName = Annotated[
    str,
    typer.Option(
        "--stack",
        metavar="NAME",
        help="The HTTP library that sends: httpx, httpx2 or reqwest; compare takes "
        "all. See vestbench stacks.",
    ),
]
Http2 = Annotated[
    bool,
    typer.Option(
        "--http2",
        help="Offer HTTP/2 in every handshake, as a bot may be built; the simulated "
        "exchange then speaks it.",
    ),
]

# --- records of them -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """Where a bot starts."""

    venue: Venue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOptions(StartOptions):
    """What is measured."""

    endpoint: EndpointName = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysOptions:
    """Whose account is used."""

    keys: KeysFile = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions(KeysOptions):
    """Whose account is used, and what for."""

    sign_on_path: SignOnPath = False
    allow_orders: AllowOrders = False
    max_orders: MaxOrders = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceOptions:
    """How fast, how much of it, and from which seed."""

    interval: Interval = "0ms"
    rate: Rate = None
    budget: Budget = 1000
    seed: Seed = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """The bot's five settings of its HTTP client."""

    pool_max_idle: PoolMaxIdle = None
    pool_idle_timeout: PoolIdleTimeout = None
    tcp_keepalive: TcpKeepalive = None
    connect_timeout: ConnectTimeout = None
    timeout: Timeout = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """Which HTTP library sends, and what it offers."""

    stack: StackName = "httpx"
    http2: Http2 = False
