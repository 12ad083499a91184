"""The options that several commands have, each declared once, in records.

None is an option that was not given, unless its default is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vestbench import defaults
from vestbench.cli.exports import ShowingOptions
from vestbench.cli.option_records import option
from vestbench.cli.output_options import AssertOptions
from vestbench.config import default_of
from vestbench.values import confidence_of

# --- single ones ---------------------------------------------------------------------

VENUE = option(
    "What is measured: {venues}, or an https:// URL, whose CA may be your own: set "
    "SSL_CERT_FILE to its certificate.",
    "VENUE",
    shown=defaults.VENUE,
)
MIN_SAVING = option("The saving that passes.", "DURATION", shown=defaults.MIN_SAVING)
FAULT = option(
    "Shares of requests that go wrong: 5xx, reset, stall, close, 429; such as "
    "5xx=0.05,reset=0.01.",
    "KIND=SHARE,...",
    default="",
)
RESULTS = option("Folder of the results.", "FOLDER", shown=defaults.RESULTS)


# --- what is measured ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Where a bot starts."""

    venue: str | None = VENUE


@dataclass(frozen=True, kw_only=True)
class VenueOptions(StartOptions):
    """What is measured."""

    endpoint: str = option(
        "Which request: {endpoints}.",
        "NAME",
        default="",
        shown="the venue's first",
    )


@dataclass(frozen=True, kw_only=True)
class JudgingOptions(AssertOptions):
    """The same of a run that is measured now, and how sure its intervals are."""

    confidence: int = option("In percent.", "90|95|99", default=defaults.CONFIDENCE)

    @property
    def asked(self) -> dict[str, Any]:
        """What every job takes of this: the confidence as a share, the assertions."""
        share = confidence_of("--confidence", self.confidence)
        return {"confidence": share, "assertions": self.asserted or ()}

    def check(self, *, decides: bool = True) -> None:
        """Refuse wrong values before anything is measured; see `AssertOptions`."""
        super().check(decides=decides)
        confidence_of("--confidence", self.confidence)


# --- through which client, how fast --------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class KeysOptions:
    """Whose account is used."""

    keys: Path | None = option(
        "Keys of an account, in a file for you alone; what it lacks comes from {keys}. "
        "sim needs none.",
        "FILE",
    )


@dataclass(frozen=True, kw_only=True)
class AccountOptions(KeysOptions):
    """Whose account is used, and what for."""

    sign_on_path: bool = option(
        "Sign orders and cancels inside their time, instead of before it.",
        default=False,
    )
    allow_orders: bool = option(
        "Let a real venue be sent orders: LIMIT FOK, at half the market's price, of "
        "the smallest size. Also lets leverage be set, to what it is.",
        default=False,
    )
    max_orders: int = option(
        "Orders at most that a real venue may be sent.",
        "N",
        default=defaults.MAX_ORDERS,
        min=1,
        max=1000,
    )


@dataclass(frozen=True, kw_only=True)
class PaceOptions:
    """How fast, how much of it, and from which seed."""

    interval: str = option(
        "Mean pause between requests; each is drawn from half to one and a half times "
        "this.",
        "DURATION",
        default=defaults.INTERVAL,
    )
    rate: float | None = option(
        "Requests a second at most.",
        "N",
        shown=f"{defaults.POLITE_RATE:g} on a real venue, else no limit",
    )
    budget: int = option(
        "Requests at most that a real venue may be sent.",
        "N",
        default=defaults.BUDGET,
        min=1,
    )
    seed: int | None = option(
        "For order, pauses and the emulated link.", "N", shown="drawn, and recorded"
    )


@dataclass(frozen=True, kw_only=True)
class SettingsOptions:
    """Whose settings hold where no option is given."""

    config: Path | None = option(
        "Settings that you vouch for, in place of ./vestbench.toml.", "FILE"
    )


@dataclass(frozen=True, kw_only=True)
class PoolOptions(SettingsOptions):
    """The bot's five settings of its HTTP client."""

    pool_max_idle: str | None = option(
        "Idle connections that the pool keeps.", "N", shown=default_of("pool.max_idle")
    )
    pool_idle_timeout: str | None = option(
        "An older idle connection is not used again.",
        "DURATION",
        shown=default_of("pool.idle_timeout"),
    )
    tcp_keepalive: str | None = option(
        "Idle time before TCP probes; 0s turns them off.",
        "DURATION",
        shown=default_of("pool.tcp_keepalive"),
    )
    connect_timeout: str | None = option(
        "For name resolution, TCP and TLS together.",
        "DURATION",
        shown=default_of("pool.connect_timeout"),
    )
    timeout: str | None = option(
        "For one whole request, its body included.",
        "DURATION",
        shown=default_of("pool.request_timeout"),
    )


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """Which HTTP library sends, and what it offers."""

    stack: str = option(
        "The HTTP library that sends: {stacks}; compare takes all. See vestbench "
        "stacks.",
        "NAME",
        default=defaults.STACK,
    )
    http2: bool = option(
        "Offer HTTP/2 in every handshake, as a bot may be built; the simulated "
        "exchange then speaks it.",
        default=False,
    )


# --- the simulated venue -------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class LinkOptions:
    """What the emulated link is like; None is not given."""

    rtt: str | None = option(
        "sim: round-trip time of the emulated link; 0ms is plain loopback.",
        "DURATION",
        shown=defaults.RTT,
    )
    jitter: str | None = option(
        "sim: standard deviation of extra delay, each way.", "DURATION", shown="0ms"
    )
    loss: float | None = option(
        "sim: share of packets lost, each way, such as 0.01.",
        "SHARE",
        shown="0",
        min=0,
        max=0.5,
    )
    link: str | None = option(
        "sim: auto, packet, tun or relay; see vestbench doctor.",
        "ENGINE",
        shown=defaults.ENGINE,
    )


@dataclass(frozen=True, kw_only=True)
class DriftingLinkOptions(LinkOptions):
    """A link that may also change while it is measured."""

    drift: str | None = option(
        "sim: by how much the round trip grows each second.", "DURATION", shown="0ms"
    )


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """What the simulated exchange is like; None is not given."""

    tls: str | None = option(
        "sim: the TLS version of the exchange.", "1.2|1.3", shown=defaults.TLS
    )
    processing: str | None = option(
        "sim: service time of the exchange.",
        "DURATION",
        shown=f"{defaults.PROCESSING_MS:g}ms",
    )
    order_processing: str | None = option(
        "sim: service time of orders and cancels.", "DURATION", shown="as --processing"
    )
    idle_timeout: str | None = option(
        "sim: silence after which the exchange closes a connection.",
        "DURATION",
        shown=f"{defaults.IDLE_TIMEOUT_S:g}s",
    )
    max_requests: int | None = option(
        "sim: requests after which the exchange closes a connection; 0 is never.",
        "N",
        shown="0",
        min=0,
    )


# --- what comes out ------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OutputOptions(ShowingOptions):
    """How a run is shown, where it is kept, and which documents are made of it."""

    output: str | None = option(
        "Write the result here.",
        "FILE",
        names="--output -o",
        shown="results/<UTC>-<command>-<label>.toml",
    )
    results: str | None = RESULTS


# --- what every measuring command takes at the end -----------------------------------
# Options stand in the help in the order of the bases, the last base first.


@dataclass(frozen=True, kw_only=True)
class StartingOptions(
    OutputOptions, ExchangeOptions, LinkOptions, PoolOptions, PaceOptions
):
    """A pace, a pool, a simulated venue and an output."""


@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(
    OutputOptions,
    ExchangeOptions,
    LinkOptions,
    StackOptions,
    PoolOptions,
    PaceOptions,
    AccountOptions,
):
    """An account, a pace, a client, a simulated venue and an output."""


@dataclass(frozen=True, kw_only=True)
class DriftingOptions(
    OutputOptions,
    ExchangeOptions,
    DriftingLinkOptions,
    StackOptions,
    PoolOptions,
    PaceOptions,
    AccountOptions,
):
    """The same with a link that may change while it is measured."""
