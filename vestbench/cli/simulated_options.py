"""The options of the simulated venue: its exchange, and the link to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

Rtt = Annotated[
    str | None,
    typer.Option(
        "--rtt",
        metavar="DURATION",
        help="sim: round-trip time of the emulated link; 0ms is plain loopback. "
        "[default: 30ms]",
        show_default=False,
    ),
]
Jitter = Annotated[
    str | None,
    typer.Option(
        "--jitter",
        metavar="DURATION",
        help="sim: standard deviation of extra delay, each way. [default: 0ms]",
        show_default=False,
    ),
]
Loss = Annotated[
    float | None,
    typer.Option(
        "--loss",
        metavar="SHARE",
        min=0,
        max=0.5,
        help="sim: share of packets lost, each way, such as 0.01. [default: 0]",
        show_default=False,
    ),
]
Drift = Annotated[
    str | None,
    typer.Option(
        "--drift",
        metavar="DURATION",
        help="sim: by how much the round trip grows each second. [default: 0ms]",
        show_default=False,
    ),
]
Link = Annotated[
    str | None,
    typer.Option(
        "--link",
        metavar="ENGINE",
        help="sim: auto, packet, tun or relay; see vestbench doctor. [default: auto]",
        show_default=False,
    ),
]
Tls = Annotated[
    str | None,
    typer.Option(
        "--tls",
        metavar="1.2|1.3",
        help="sim: the TLS version of the exchange. [default: 1.3]",
        show_default=False,
    ),
]
OrderProcessing = Annotated[
    str | None,
    typer.Option(
        "--order-processing",
        metavar="DURATION",
        help="sim: service time of orders and cancels. [default: as --processing]",
        show_default=False,
    ),
]
Processing = Annotated[
    str | None,
    typer.Option(
        "--processing",
        metavar="DURATION",
        help="sim: service time of the exchange. [default: 5ms]",
        show_default=False,
    ),
]
IdleTimeout = Annotated[
    str | None,
    typer.Option(
        "--idle-timeout",
        metavar="DURATION",
        help="sim: silence after which the exchange closes a connection. "
        "[default: 75s]",
        show_default=False,
    ),
]
MaxRequests = Annotated[
    int | None,
    typer.Option(
        "--max-requests",
        metavar="N",
        min=0,
        help="sim: requests after which the exchange closes a connection; 0 is never. "
        "[default: 0]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """What the simulated exchange is like; None is not given."""

    tls: Tls = None
    processing: Processing = None
    order_processing: OrderProcessing = None
    idle_timeout: IdleTimeout = None
    max_requests: MaxRequests = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """What the emulated link is like; None is not given."""

    rtt: Rtt = None
    jitter: Jitter = None
    loss: Loss = None
    link: Link = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftingLinkOptions(LinkOptions):
    """A link that may also change while it is measured."""

    drift: Drift = None
