"""Options that several commands share, declared once.

What belongs together is a record whose fields are options. A command that is decorated
with `takes_options` may have parameters of these records: each is replaced by the
options in it, and the command gets the record.
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from vestbench.config import parse_duration
from vestbench.errors import UsageError

T = TypeVar("T")

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

# --- the simulated venue -------------------------------------------------------------

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

# --- assertions ----------------------------------------------------------------------

Asserted = Annotated[
    list[str] | None,
    typer.Option(
        "--assert",
        metavar="ASSERTION",
        help="What has to be so, such as 'saving >= 50ms', 'subsequent.p99 <= 120ms', "
        "'reused == 100%' or 'failures == 0'; decided on its interval. Repeatable.",
        show_default=False,
    ),
]
OnInconclusive = Annotated[
    str,
    typer.Option(
        "--on-inconclusive",
        metavar="fail|pass|neutral",
        help="What it counts as if the interval decides nothing; neutral has exit "
        "code 3 of its own.",
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

# --- output --------------------------------------------------------------------------

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of tables.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the verdict only, no progress.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the result here. [default: results/<UTC>-<command>-<label>.toml]",
        show_default=False,
    ),
]
Results = Annotated[
    str | None,
    typer.Option(
        "--results",
        metavar="FOLDER",
        help="Folder of the results. [default: results]",
        show_default=False,
    ),
]

# --- documents -----------------------------------------------------------------------


def _document(option: str, about: str) -> Any:
    """Return an option that names the file of a document."""
    help_ = f"Write {about} to this file too; - is standard output."
    return typer.Option(option, metavar="FILE", help=help_, show_default=False)


Html = Annotated[str | None, _document("--html", "a page with charts and all requests")]
MarkdownFile = Annotated[str | None, _document("--markdown", "GitHub's Markdown")]
Csv = Annotated[str | None, _document("--csv", "one row per request, as CSV,")]
JsonFile = Annotated[str | None, _document("--json-file", "the document of --json")]
JUnit = Annotated[
    str | None, _document("--junit", "JUnit XML, a test case per assertion,")
]
Prometheus = Annotated[
    str | None,
    _document("--prometheus", "metrics for node-exporter's textfile collector"),
]
GitHub = Annotated[
    bool | None,
    typer.Option(
        "--github/--no-github",
        help="Write GitHub's job summary and annotations. [default: in its jobs]",
        show_default=False,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertOptions:
    """What is asserted of a run, and what its exit code makes of doubt."""

    asserted: Asserted = None
    on_inconclusive: OnInconclusive = "neutral"

    @property
    def undecided(self) -> Literal["fail", "pass"]:
        """What doubt counts as in documents: neutral is not 0 either."""
        return "pass" if self.on_inconclusive == "pass" else "fail"

    def check(self, *, decides: bool = True) -> None:
        """Refuse wrong values before anything is measured or judged.

        Args:
            decides: Whether the run is judged if nothing is asserted.
        """
        known = ("fail", "pass", "neutral")
        chosen("--on-inconclusive", self.on_inconclusive, known)
        if self.on_inconclusive != "neutral" and not (decides or self.asserted):
            raise UsageError("--on-inconclusive: nothing is asserted of this run")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Which documents are made of a run; None is not given."""

    html: Html = None
    markdown: MarkdownFile = None
    csv: Csv = None
    json_file: JsonFile = None
    junit: JUnit = None
    prometheus: Prometheus = None
    github: GitHub = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions(ExportOptions):
    """How a run is shown, where it is kept, and which documents are made of it."""

    json: Json = False
    quiet: Quiet = False
    output: Output = None
    results: Results = None


Command = Callable[..., None]


def takes_options(command: Command) -> Command:
    """Let `command` take each option of its records by itself.

    Typer reads the signature of a function; the one returned has, in place of each
    parameter that is annotated with a record, the fields of the record.
    """
    own = inspect.signature(command, eval_str=True).parameters
    records: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in own.items()
        if is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def expanded(**values: Any) -> None:
        for name, record in records.items():
            given = {field.name: values.pop(field.name) for field in fields(record)}
            values[name] = record(**given)
        command(**values)

    parameters: list[Parameter] = []
    for name, parameter in own.items():
        if name in records:
            parameters += _options_of(records[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    shown: Any = expanded
    shown.__signature__ = inspect.Signature(parameters)
    shown.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def _options_of(record: Any) -> list[Parameter]:
    hints = get_type_hints(record, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(record)
    ]


# --- values --------------------------------------------------------------------------


def duration(option: str, text: str | None, default_s: float = 0.0) -> float:
    """Return the seconds that the value of `option` means.

    Raises:
        UsageError: It is no duration with a unit.
    """
    if text is None:
        return default_s
    return parsed(option, text, parse_duration)


def parsed(option: str, text: str, parse: Callable[[str], T]) -> T:
    """Return `text` parsed, naming `option` where it cannot be."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def chosen(option: str, value: T, allowed: tuple[T, ...]) -> T:
    """Return `value` if it is one of `allowed`."""
    if value not in allowed:
        known = ", ".join(str(item) for item in allowed)
        raise UsageError(f"{option}: {value!r} is not one of {known}")
    return value


def seed_or_new(seed: int | None) -> int:
    """Return `seed`, or a new one of 32 bits."""
    if seed is None:
        return secrets.randbits(32)
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed: {seed} is not between 0 and 2^63 - 1")
    return seed


def exports_in(output: ExportOptions) -> ExportOptions:
    """Return only which documents are made of a run."""
    names = (field.name for field in fields(ExportOptions))
    return ExportOptions(**{name: getattr(output, name) for name in names})


def as_typed(record: Any) -> dict[str, Any]:
    """Return the values of a record of options by the names a user types."""
    return {
        "--" + field.name.replace("_", "-"): getattr(record, field.name)
        for field in fields(record)
    }


def refuse_given(options: Mapping[str, Any], why: str) -> None:
    """Raise `UsageError` if any of `options` was given."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UsageError(f"{', '.join(given)}: {why}")
