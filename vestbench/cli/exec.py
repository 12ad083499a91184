"""`vestbench exec`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestbench.cli.option_records import option
from vestbench.cli.options import (
    FAULT,
    ExchangeOptions,
    JudgingOptions,
    LinkOptions,
    OutputOptions,
    PoolOptions,
)
from vestbench.errors import ExitCode
from vestbench.values import duration, parsed

if TYPE_CHECKING:
    from vestbench.programs.wanted import ProgramRun, Wanted
    from vestbench.studies.traffic.experiment import Carried
    from vestbench.studies.traffic.plan import TrafficPlan


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
    fault: str = FAULT,
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
    runs: int = option(
        "Start the program so many times, one after the other.",
        "N",
        default=1,
        min=1,
        max=1000,
    ),
    judging: JudgingOptions,
    options: OutputOptions,
) -> None:
    """Run a program, in any language, against the simulated exchange.

    Inside, every name and every address leads to the exchange behind the emulated link,
    on any port, with HTTPS and HTTP. Nothing that the program sends leaves this
    machine: it has a network of its own, and the folders in which services have their
    sockets are empty. A program that finds a Unix socket elsewhere, as in /tmp or its
    own folders, can still use it. IPv6 addresses lead nowhere; names have IPv4 ones.

    Its standard streams and the terminal are its own; the report comes after it, on
    stderr: what it sent over which connections, why it opened each, and which of them a
    pool would not have needed. The exit code is the program's where that is not 0; a
    program that was ended by --for or --until counts as 0. Else it is that of what is
    asserted: 0 met, 1 missed, 3 inconclusive, 5 invalid.

    Example: vestbench exec --rtt 30ms --assert 'needless == 0' -- python bot.py
    """
    judging.check(decides=False)
    wanted = _wanted(
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
    plan = _plan(
        wanted, runs=runs, seed=seed, until=until, fault=fault, **judging.asked
    )
    from vestbench.cli.settings import results_folder, settings_here
    from vestbench.studies.traffic.experiment import carry_out_program, label_of

    settings = settings_here(PoolOptions(), results=options.results)
    options.exports.aim("sim", label_of(plan.program))
    done = carry_out_program(
        wanted,
        plan,
        path=Path(options.output) if options.output else None,
        folder=results_folder(settings),
    )
    _show(done, options)
    options.exports.write(
        done.run, str(done.path), gated=True, undecided=judging.undecided
    )
    _exit(done, judging)


def _wanted(
    program: list[str], link: LinkOptions, exchange: ExchangeOptions, **given: Any
) -> Wanted:
    from dataclasses import replace

    from vestbench.cli.settings import exchange_spec, link_spec
    from vestbench.files import working_directory
    from vestbench.model.simulated import LinkSpec, WorldSpec
    from vestbench.programs.answers import read_answers
    from vestbench.programs.limits import Limits, parse_until
    from vestbench.programs.wanted import Wanted
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


def _plan(
    wanted: Wanted,
    *,
    assertions: Sequence[str],
    until: str | None,
    fault: str,
    **given: Any,
) -> TrafficPlan:
    from vestbench.studies.judging import with_assertions
    from vestbench.studies.traffic.experiment import COMMAND
    from vestbench.studies.traffic.plan import TrafficPlan

    plan = TrafficPlan(
        program=Path(wanted.argv[0]).name,
        limit_s=wanted.limits.seconds,
        until=until or "",
        faults=fault,
        http2=wanted.exchange.http2,
        **given,
    )
    return with_assertions(plan, COMMAND, assertions)


def _show(done: Carried, options: OutputOptions) -> None:
    """Show the account on stderr: stdout is the program's."""
    from vestbench.cli.console import say_aside, show_aside
    from vestbench.studies.shown import show_brief, show_run

    if options.json:
        from vestbench.studies.document import document

        options.exports.print_json(document(done.run, str(done.path)))
        return
    if not options.exports.prints:
        show_aside((show_brief if options.quiet else show_run)(done.run))
    if not options.quiet:
        say_aside(f"result: {done.path}")


def _exit(done: Carried, judging: JudgingOptions) -> None:
    """Exit by the program, or else by what is asserted, and say by which."""
    from vestbench.cli.console import say_aside
    from vestbench.studies.judging import assertions_of, exit_code, verdict_of

    own = _code(done.last)
    if own:
        whose = f"that of {done.last.name}" if done.last.status else "interrupted"
        say_aside(f"exit code {own}: {whose}")
        raise typer.Exit(own)
    verdict = verdict_of(done.run, assertions_of(done.run))
    code = exit_code(done.run, verdict, on_inconclusive=judging.on_inconclusive)
    said = f"for what is asserted: {verdict}" if verdict else "nothing is asserted"
    say_aside(f"exit code {int(code)}: vestbench's, {said}")
    raise typer.Exit(code)


def _code(run: ProgramRun) -> int:
    """Return the exit code: the program's own, where it ended by itself."""
    if run.ended_by in ("time", "enough"):
        return ExitCode.OK
    status = run.status if run.status >= 0 else 128 - run.status
    if run.ended_by == "signal" and status == 0:
        return 128 + run.signal
    return status
