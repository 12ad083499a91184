"""The options that several commands have, each declared once, and records of them.

None is an option that was not given, unless its default is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vestbench import defaults


def option(
    names: str, metavar: str | None, about: str, default: str | None = None, **rest: Any
) -> Any:
    """Return an option as Typer wants it.

    Args:
        names: As they are typed, with blanks between them.
        metavar: What stands for its value; None for a switch.
        about: What it does, in a sentence.
        default: What holds if it is not given, in words; empty shows none, and None
            leaves that to Typer, which shows the parameter's own.
        rest: For Typer, such as `min`.
    """
    if default is not None:
        about += f" [default: {default}]" if default else ""
        rest["show_default"] = False
    return typer.Option(*names.split(), metavar=metavar, help=about, **rest)


# --- what is measured ----------------------------------------------------------------

Venue = Annotated[
    str | None,
    option(
        "--venue",
        "VENUE",
        "What is measured: sim, vest, vest-dev, paradex, or an https:// URL.",
        defaults.VENUE,
    ),
]
EndpointName = Annotated[
    str,
    option(
        "--endpoint",
        "NAME",
        "Which request: on Vest ticker, depth, exchange-info, and with an "
        "account: account, nonce, listen-key, orders, leverage, cancel (of an order "
        "that cannot exist), order; on Paradex system-time.",
        "the venue's first",
    ),
]
MinSaving = Annotated[
    str | None,
    option("--min-saving", "DURATION", "The saving that passes.", defaults.MIN_SAVING),
]
Confidence = Annotated[int, option("--confidence", "90|95|99", "In percent.")]
Results = Annotated[
    str | None,
    option("--results", "FOLDER", "Folder of the results.", defaults.RESULTS),
]
Json = Annotated[
    bool, option("--json", None, "Print one JSON document instead of tables.")
]
Quiet = Annotated[
    bool, option("--quiet -q", None, "Print the verdict only, no progress.")
]


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Where a bot starts."""

    venue: Venue = None


@dataclass(frozen=True, kw_only=True)
class VenueOptions(StartOptions):
    """What is measured."""

    endpoint: EndpointName = ""


# --- through which client, how fast --------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KeysOptions:
    """Whose account is used."""

    keys: Annotated[
        Path | None,
        option(
            "--keys",
            "FILE",
            "Keys of a Vest account, in a file for you alone; what it lacks comes "
            "from VEST_SIGNING_KEY and the like. sim needs none.",
            "",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AccountOptions(KeysOptions):
    """Whose account is used, and what for."""

    sign_on_path: Annotated[
        bool,
        option(
            "--sign-on-path",
            None,
            "Sign orders and cancels inside their time, instead of before it.",
        ),
    ] = False
    allow_orders: Annotated[
        bool,
        option(
            "--allow-orders",
            None,
            "Let a real venue be sent orders: LIMIT FOK, at half the market's price, "
            "of the smallest size. Also lets leverage be set, to what it is.",
        ),
    ] = False
    max_orders: Annotated[
        int,
        option(
            "--max-orders",
            "N",
            "Orders at most that a real venue may be sent.",
            min=1,
            max=1000,
        ),
    ] = defaults.MAX_ORDERS


@dataclass(frozen=True, kw_only=True)
class PaceOptions:
    """How fast, how much of it, and from which seed."""

    interval: Annotated[
        str,
        option(
            "--interval",
            "DURATION",
            "Mean pause between requests; each is drawn from half to one and a half "
            "times this.",
        ),
    ] = defaults.INTERVAL
    rate: Annotated[
        float | None,
        option(
            "--rate",
            "N",
            "Requests a second at most.",
            f"{defaults.POLITE_RATE:g} on a real venue, else no limit",
        ),
    ] = None
    budget: Annotated[
        int,
        option(
            "--budget", "N", "Requests at most that a real venue may be sent.", min=1
        ),
    ] = defaults.BUDGET
    seed: Annotated[
        int | None,
        option(
            "--seed",
            "N",
            "For order, pauses and the emulated link.",
            "drawn, and recorded",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """The bot's five settings of its HTTP client."""

    pool_max_idle: Annotated[
        str | None,
        option("--pool-max-idle", "N", "Idle connections that the pool keeps.", "2"),
    ] = None
    pool_idle_timeout: Annotated[
        str | None,
        option(
            "--pool-idle-timeout",
            "DURATION",
            "An older idle connection is not used again.",
            "60s",
        ),
    ] = None
    tcp_keepalive: Annotated[
        str | None,
        option(
            "--tcp-keepalive",
            "DURATION",
            "Idle time before TCP probes; 0s turns them off.",
            "30s",
        ),
    ] = None
    connect_timeout: Annotated[
        str | None,
        option(
            "--connect-timeout",
            "DURATION",
            "For name resolution, TCP and TLS together.",
            "10s",
        ),
    ] = None
    timeout: Annotated[
        str | None,
        option(
            "--timeout", "DURATION", "For one whole request, its body included.", "10s"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """Which HTTP library sends, and what it offers."""

    stack: Annotated[
        str,
        option(
            "--stack",
            "NAME",
            "The HTTP library that sends: httpx, httpx2 or reqwest; compare takes "
            "all. See vestbench stacks.",
        ),
    ] = defaults.STACK
    http2: Annotated[
        bool,
        option(
            "--http2",
            None,
            "Offer HTTP/2 in every handshake, as a bot may be built; the simulated "
            "exchange then speaks it.",
        ),
    ] = False


# --- the simulated venue -------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LinkOptions:
    """What the emulated link is like; None is not given."""

    rtt: Annotated[
        str | None,
        option(
            "--rtt",
            "DURATION",
            "sim: round-trip time of the emulated link; 0ms is plain loopback.",
            defaults.RTT,
        ),
    ] = None
    jitter: Annotated[
        str | None,
        option(
            "--jitter",
            "DURATION",
            "sim: standard deviation of extra delay, each way.",
            "0ms",
        ),
    ] = None
    loss: Annotated[
        float | None,
        option(
            "--loss",
            "SHARE",
            "sim: share of packets lost, each way, such as 0.01.",
            "0",
            min=0,
            max=0.5,
        ),
    ] = None
    link: Annotated[
        str | None,
        option(
            "--link",
            "ENGINE",
            "sim: auto, packet, tun or relay; see vestbench doctor.",
            defaults.ENGINE,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class DriftingLinkOptions(LinkOptions):
    """A link that may also change while it is measured."""

    drift: Annotated[
        str | None,
        option(
            "--drift",
            "DURATION",
            "sim: by how much the round trip grows each second.",
            "0ms",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """What the simulated exchange is like; None is not given."""

    tls: Annotated[
        str | None,
        option(
            "--tls", "1.2|1.3", "sim: the TLS version of the exchange.", defaults.TLS
        ),
    ] = None
    processing: Annotated[
        str | None,
        option(
            "--processing",
            "DURATION",
            "sim: service time of the exchange.",
            f"{defaults.PROCESSING_MS:g}ms",
        ),
    ] = None
    order_processing: Annotated[
        str | None,
        option(
            "--order-processing",
            "DURATION",
            "sim: service time of orders and cancels.",
            "as --processing",
        ),
    ] = None
    idle_timeout: Annotated[
        str | None,
        option(
            "--idle-timeout",
            "DURATION",
            "sim: silence after which the exchange closes a connection.",
            f"{defaults.IDLE_TIMEOUT_S:g}s",
        ),
    ] = None
    max_requests: Annotated[
        int | None,
        option(
            "--max-requests",
            "N",
            "sim: requests after which the exchange closes a connection; 0 is never.",
            "0",
            min=0,
        ),
    ] = None
