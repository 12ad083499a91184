"""`vestbench exec`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestbench.characters import plain
from vestbench.cli.option_records import option
from vestbench.cli.options import ExchangeOptions, LinkOptions
from vestbench.errors import ExitCode
from vestbench.values import duration, parsed

if TYPE_CHECKING:
    from vestbench.programs.running import ProgramRun, Wanted


def exec(
    program: Annotated[
        list[str],
        typer.Argument(
            metavar="-- PROGRAM [ARG]...", help="What is run, after two dashes."
        ),
    ],
    *,
    link: LinkOptions,
    exchange: ExchangeOptions,
    http2: bool = option(
        "Offer HTTP/2 besides HTTP/1.1; needs vestbench[http2].", default=False
    ),
    fault: str = option(
        "Shares of requests that go wrong: 5xx, reset, stall, close, 429; such as "
        "5xx=0.05,reset=0.01.",
        "KIND=SHARE,...",
        default="",
    ),
    seed: int = option("Of faults, jitter and losses.", "N", default=1, min=0),
    limit: str | None = option(
        "End the program after this time: SIGTERM, and 5 s later SIGKILL.",
        "DURATION",
        names="--for",
    ),
    until: str | None = option(
        "End it likewise when this is so: 'requests >= N' or 'connections >= N'.",
        "CONDITION",
    ),
    answers: Path | None = option(
        "What hosts answer that are no venue: a HAR, or tables [[answer]] with url, "
        "method, status, body or json in a .toml.",
        "FILE",
    ),
    answer_status: int = option(
        "What they answer to all else, with the body {}.",
        "STATUS",
        default=200,
        min=200,
        max=599,
    ),
    strict_keys: bool = option(
        "Take API keys of registrations only, instead of any.", default=False
    ),
    local: list[int] | None = option(
        "A port of this machine's loopback, such as a database, that the program can "
        "reach. Repeatable.",
        "PORT",
        min=1,
        max=65535,
    ),
) -> None:
    """Run a program, in any language, against the simulated exchange.

    Inside, every name and every address leads to the exchange behind the emulated link,
    on any port, with HTTPS and HTTP. Nothing that the program sends leaves this
    machine: it has a network of its own, and the folders in which services have their
    sockets are empty. A program that finds a Unix socket elsewhere, as in /tmp or its
    own folders, can still use it. IPv6 addresses lead nowhere; names have IPv4 ones.

    Its standard streams and the terminal are its own. The exit code is the program's
    where that is not 0; a program that was ended by --for or --until counts as 0.

    Example: vestbench exec --rtt 30ms -- python bot.py
    """
    from vestbench.programs.running import run_program

    run = run_program(
        _wanted(
            program,
            link,
            exchange,
            http2=http2,
            fault=fault,
            seed=seed,
            limit=limit,
            until=until,
            answers=answers,
            answer_status=answer_status,
            strict_keys=strict_keys,
            local=local or [],
        )
    )
    for line in _lines(run):
        typer.echo(plain(line), err=True)
    raise typer.Exit(_code(run))


def _wanted(
    program: list[str], link: LinkOptions, exchange: ExchangeOptions, **given: Any
) -> Wanted:
    from dataclasses import replace

    from vestbench.cli.settings import exchange_spec, link_spec
    from vestbench.files import working_directory
    from vestbench.model.simulated import LinkSpec, WorldSpec
    from vestbench.programs.answers import read_answers
    from vestbench.programs.limits import Limits, parse_until
    from vestbench.programs.running import Wanted
    from vestbench.simulator.http.behaviour import Behaviour, parse_faults

    faults = parsed("--fault", given["fault"], parse_faults) if given["fault"] else {}
    limit, until = given["limit"], given["until"]
    return Wanted(
        argv=program,
        env=dict(os.environ),
        cwd=working_directory(),
        # Without a delay it is still what leads every connection to the exchange.
        link=link_spec(link, given["seed"]) or LinkSpec(rtt_ms=0.0),
        exchange=replace(exchange_spec(exchange), http2=given["http2"]),
        behaviour=Behaviour(**faults, seed=given["seed"]),  # type: ignore[arg-type]
        world=WorldSpec(
            answers=read_answers(given["answers"]) if given["answers"] else (),
            answer_status=given["answer_status"],
            strict_keys=given["strict_keys"],
        ),
        limits=Limits(
            seconds=duration("--for", limit) if limit else None,
            until=parsed("--until", until, parse_until) if until else None,
        ),
        local_ports=tuple(dict.fromkeys(given["local"])),
    )


def _code(run: ProgramRun) -> int:
    """Return the exit code: the program's own, where it ended by itself."""
    if run.ended_by in ("time", "enough"):
        return ExitCode.OK
    status = run.status if run.status >= 0 else 128 - run.status
    if run.ended_by == "signal" and status == 0:
        return 128 + run.signal
    return status


def _lines(run: ProgramRun) -> list[str]:
    from vestbench.programs.words import account_of, ending_of

    return [*account_of(run), ending_of(run)]
