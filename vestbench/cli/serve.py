"""`vestbench serve`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from vestbench.characters import plain
from vestbench.cli.console import head_line
from vestbench.cli.exports import ShowingOptions
from vestbench.cli.interruption import interruption
from vestbench.cli.option_records import option
from vestbench.cli.options import FAULT, ExchangeOptions, JudgingOptions, LinkOptions
from vestbench.errors import ExitCode, UsageError, reason_of
from vestbench.values import chosen, parsed

if TYPE_CHECKING:
    from vestbench.model.simulated import ExchangeCounters
    from vestbench.simulator.exchange_messages import Seen
    from vestbench.simulator.http.behaviour import Behaviour
    from vestbench.simulator.venue import ServedExchange
    from vestbench.studies.traffic.plan import TrafficPlan
    from vestbench.studies.traffic.served import Keeper, Served

_LOOK_EVERY_S = 0.25

# In PowerShell `curl` is another program; that of Windows asks each authority for a
# list of revoked certificates, which ours has not (github.com/curl/curl/issues/3727).
_CURL = "curl.exe --ssl-no-revoke" if sys.platform == "win32" else "curl"


def serve(
    port: int = option("0 takes any free one.", "N", default=8443, min=0, max=65535),
    host: str = option(
        "The address to listen on; beyond loopback others can reach it.",
        "ADDRESS",
        default="127.0.0.1",
    ),
    rtt: str | None = option(
        "Emulate this round trip in user space.", "DURATION", shown="plain loopback"
    ),
    *,
    exchange: ExchangeOptions,
    http2: bool = option(
        "Offer HTTP/2 besides HTTP/1.1; needs vestbench[http2].", default=False
    ),
    rate_limit: float = option(
        "Requests a second of one client before 429; 0 is no limit.",
        "N",
        default=0.0,
        min=0,
    ),
    fault: str = FAULT,
    seed: int = option("Of the faults.", "N", default=1, min=0),
    contract: str = option(
        "Whose registrations are accepted.",
        "development|production",
        default="development",
    ),
    ca_file: Path | None = option(
        "Where to write the certificate to trust.", "FILE", shown="a temporary file"
    ),
    output: Path | None = option(
        "Keep the account of what clients sent here.",
        "FILE",
        names="--output -o",
        shown="kept nowhere",
    ),
    judging: JudgingOptions,
    options: ShowingOptions,
) -> None:
    """Run the simulated exchange until Ctrl-C, for any client; on loopback by default.

    Ctrl-C is its own end, with exit code 0 or that of what is asserted; SIGTERM and
    SIGHUP end it with 143.

    With --rtt a relay in user space delays what is sent. It cannot delay the TCP
    handshake itself, so it holds the first bytes of a connection for one round trip
    more: totals are right, but a client sees the handshake's time in TLS.

    It checks registrations, keys, account groups, signatures, nonces and orders as the
    real API documents them, so any Vest client can be pointed at it.

    Meanwhile it shows what clients send; at the end the same account as exec gives,
    with all documents: over which connections, why each was opened, and which of them a
    pool would not have needed. --json is about where it listens; --json-file has the
    account.

    Example: vestbench serve --port 8443 --rtt 30ms --assert 'needless == 0'
    """
    from dataclasses import replace
    from datetime import UTC, datetime
    from ipaddress import ip_address

    from vestbench.cli.settings import exchange_spec, link_spec
    from vestbench.simulator.venue import ServedExchange
    from vestbench.studies.traffic.served import Served, kept_at

    judging.check(decides=False)
    chosen("--contract", contract, ("development", "production"))
    spec = replace(
        exchange_spec(exchange),
        http2=http2,
        rate_limit=rate_limit,
        contract=contract,
    )
    behaviour = _behaviour(fault, seed)
    link = link_spec(LinkOptions(rtt=rtt or "0ms"), seed)
    address = str(parsed("--host", host, ip_address))
    plan = _plan(judging, faults=fault, seed=seed, http2=http2)
    options.exports.aim("sim", "any")
    with kept_at(output, plan, datetime.now(UTC)) as keeper:
        with ServedExchange(
            spec, link, port=port, host=address, behaviour=behaviour
        ) as served:
            began_ns, started = time.perf_counter_ns(), datetime.now(UTC)
            seen = _seen(served, address, ca_file, options)
            ended_ns = time.perf_counter_ns()
        account = Served(seen, began_ns, ended_ns, started, spec, link)
        _report(account, plan, keeper, judging, options)


def _behaviour(fault: str, seed: int) -> Behaviour:
    from vestbench.simulator.http.behaviour import Behaviour, parse_faults

    faults: dict[str, Any] = {}
    if fault:
        faults.update(parsed("--fault", fault, parse_faults))
    return Behaviour(**faults, seed=seed)


def _plan(judging: JudgingOptions, **asked_of_it: Any) -> TrafficPlan:
    from vestbench.studies.judging import with_assertions
    from vestbench.studies.traffic.plan import TrafficPlan
    from vestbench.studies.traffic.served import CLIENTS, COMMAND

    asked = judging.asked
    plan = TrafficPlan(program=CLIENTS, confidence=asked["confidence"], **asked_of_it)
    return with_assertions(plan, COMMAND, asked["assertions"])


def _seen(
    served: ServedExchange, address: str, ca_file: Path | None, options: ShowingOptions
) -> Seen:
    """Serve until it is interrupted; return what clients have sent by then."""
    path = ca_file or _temporary()
    if ca_file is None:
        served.own(path)
    _write_ca(served.ca_pem, path)
    try:
        if not served.is_private:
            _warn(address)
        _announce(served, path, options)
        _watch(served, silent=options.json or options.quiet)
    except KeyboardInterrupt:
        if not options.json:
            _conclude(served.counters())
        return served.seen()
    finally:
        path.unlink(missing_ok=True)


def _watch(served: ServedExchange, *, silent: bool) -> NoReturn:
    """Show what is counted until it is interrupted, or the exchange ends."""
    from vestbench.cli.live import ASK_EVERY_S, shown_live

    asked = float("-inf")
    with shown_live(silent=silent) as show:
        while True:
            served.check()
            if not silent and time.monotonic() - asked >= ASK_EVERY_S:
                asked = time.monotonic()
                show(served.counters())
            time.sleep(_LOOK_EVERY_S)


def _report(
    account: Served,
    plan: TrafficPlan,
    keeper: Keeper,
    judging: JudgingOptions,
    options: ShowingOptions,
) -> None:
    """Show and keep what clients sent, and exit by what is asserted of it."""
    from vestbench.cli.console import say_aside, show
    from vestbench.studies.judging import assertions_of, exit_code, verdict_of
    from vestbench.studies.shown import show_brief, show_run
    from vestbench.studies.traffic.served import served_run

    run = served_run(account, plan)
    file = keeper.keep(run)
    # Without a client there is nothing to say, but to who has asked.
    wanted = plan.assertions or account.seen.connections
    if wanted and not (options.json or options.exports.prints):
        show((show_brief if options.quiet else show_run)(run))
    if file and not (options.quiet or options.json):
        say_aside(f"result: {file}")
    options.exports.write(run, file, gated=True, undecided=judging.undecided)
    if interruption.code is ExitCode.TERMINATED:  # Ctrl-C is its own end
        raise KeyboardInterrupt
    verdict = verdict_of(run, assertions_of(run))
    raise typer.Exit(exit_code(run, verdict, on_inconclusive=judging.on_inconclusive))


def _temporary() -> Path:
    import tempfile
    from secrets import token_hex

    try:
        folder = tempfile.gettempdir()
    except OSError as error:
        raise UsageError(
            "no folder for a temporary file: say with --ca-file where to write the "
            "certificate"
        ) from error
    return Path(folder, f"vestbench-ca-{token_hex(8)}.pem")


def _write_ca(pem: str, path: Path) -> None:
    try:
        # It is removed in the end, so it must not have been somebody else's.
        with path.open("x", encoding="ascii") as file:
            file.write(pem)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot write the certificate to {path}: {reason_of(error)}; "
            "choose another --ca-file"
        ) from error


def _warn(address: str) -> None:
    head_line("warning: ", "yellow")
    typer.echo(
        f"listening on {address}: every machine that reaches it can use this exchange",
        err=True,
    )


def _set(name: str, value: Path) -> str:
    """Return how a variable is set in front of a command: in PowerShell on Windows."""
    if sys.platform == "win32":
        return f"$env:{name} = '{value}';"
    return f"{name}={value}"


def _announce(served: ServedExchange, ca: Path, options: ShowingOptions) -> None:
    url = served.base_url()
    if options.json:
        found = {"base_url": url, "ca_file": str(ca), "link": served.label}
        options.exports.print_line(found)
        return
    for line in (
        f"Simulated Vest exchange, {served.label}",
        f"  base URL  {url}",
        f"  trust     {ca}",
        f"  try       {_CURL} --cacert {ca} {url}/ticker/latest",
        f"  measure   {_set('SSL_CERT_FILE', ca)} vestbench bench --venue sim@{url}",
        "Ctrl-C ends it.",
    ):
        # Where a document goes to stdout, it has nothing else.
        typer.echo(plain(line), err=options.exports.prints)


def _conclude(counted: ExchangeCounters) -> None:
    from vestbench.cli.live import sentence

    typer.echo(f"\n{sentence(counted)}", err=True)
