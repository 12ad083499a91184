"""`vestbench serve`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestbench.characters import plain
from vestbench.cli.console import head_line
from vestbench.cli.interruption import interruption
from vestbench.cli.option_records import option
from vestbench.cli.options import ExchangeOptions, LinkOptions
from vestbench.cli.output_options import JSON
from vestbench.errors import ExitCode, UsageError, reason_of
from vestbench.values import chosen, parsed

if TYPE_CHECKING:
    from vestbench.model.simulated import ExchangeCounters
    from vestbench.simulator.venue import ServedExchange

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
    fault: str = option(
        "Shares of requests that go wrong: 5xx, reset, stall, close, 429; such as "
        "5xx=0.05,reset=0.01.",
        "KIND=SHARE,...",
        default="",
    ),
    seed: int = option("Of the faults.", "N", default=1, min=0),
    contract: str = option(
        "Whose registrations are accepted.",
        "development|production",
        default="development",
    ),
    ca_file: Path | None = option(
        "Where to write the certificate to trust.", "FILE", shown="a temporary file"
    ),
    json: bool = JSON,
) -> None:
    """Run the simulated exchange until Ctrl-C, for any client; on loopback by default.

    Ctrl-C is its own end, with exit code 0; SIGTERM and SIGHUP end it with 143.

    With --rtt a relay in user space delays what is sent. It cannot delay the TCP
    handshake itself, so it holds the first bytes of a connection for one round trip
    more: totals are right, but a client sees the handshake's time in TLS.

    It checks registrations, keys, account groups, signatures, nonces and orders as the
    real API documents them, so any Vest client can be pointed at it.

    Example: vestbench serve --port 8443 --rtt 30ms
    """
    from dataclasses import replace
    from ipaddress import ip_address

    from vestbench.cli.settings import exchange_spec, link_spec
    from vestbench.simulator.http.behaviour import Behaviour, parse_faults
    from vestbench.simulator.venue import ServedExchange

    chosen("--contract", contract, ("development", "production"))
    spec = replace(
        exchange_spec(exchange),
        http2=http2,
        rate_limit=rate_limit,
        contract=contract,
    )
    faults: dict[str, Any] = {}
    if fault:
        faults.update(parsed("--fault", fault, parse_faults))
    behaviour = Behaviour(**faults, seed=seed)
    link = link_spec(LinkOptions(rtt=rtt or "0ms"), seed)
    address = str(parsed("--host", host, ip_address))
    with ServedExchange(
        spec, link, port=port, host=address, behaviour=behaviour
    ) as served:
        path = ca_file or _temporary()
        if ca_file is None:
            served.own(path)
        _write_ca(served.ca_pem, path)
        try:
            if not served.is_private:
                _warn(address)
            _announce(served, path, as_json=json)
            while True:
                served.check()
                time.sleep(_LOOK_EVERY_S)
        except KeyboardInterrupt:
            _conclude(served.counters(), as_json=json)
            if interruption.code is ExitCode.TERMINATED:  # Ctrl-C is its own end
                raise
        finally:
            path.unlink(missing_ok=True)


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


def _announce(served: ServedExchange, ca: Path, *, as_json: bool) -> None:
    url = served.base_url()
    if as_json:
        from json import dumps

        typer.echo(dumps({"base_url": url, "ca_file": str(ca), "link": served.label}))
        return
    for line in (
        f"Simulated Vest exchange, {served.label}",
        f"  base URL  {url}",
        f"  trust     {ca}",
        f"  try       {_CURL} --cacert {ca} {url}/ticker/latest",
        f"  measure   {_set('SSL_CERT_FILE', ca)} vestbench bench --venue sim@{url}",
        "Ctrl-C ends it.",
    ):
        typer.echo(plain(line))


def _conclude(counted: ExchangeCounters, *, as_json: bool) -> None:
    if as_json:
        return
    from vestbench.report.units import plural

    seen = f"{plural(counted.connections, 'connection')}, "
    typer.echo(f"\n{seen}{plural(counted.requests, 'request')}", err=True)
