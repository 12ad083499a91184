"""What every measuring command does round its job: settings, progress, tables, codes.

What is measured, and how, is `vestbench.running`'s.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vestbench.cli import options as o
from vestbench.cli.access import access_of
from vestbench.cli.console import Progress, show, stderr
from vestbench.cli.exports import Exports
from vestbench.cli.option_records import given_in, refuse
from vestbench.cli.output_options import AssertOptions, OutputOptions
from vestbench.cli.settings import exchange_spec, is_real, kind_of, link_spec
from vestbench.config import Settings
from vestbench.errors import ExitCode
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.running.carry_out import carry_out, check_job, place_result
from vestbench.running.destination import Destination
from vestbench.running.job import Job, Measured
from vestbench.running.pace import Pace, check_budget, polite_rate
from vestbench.values import duration, seed_or_new

if TYPE_CHECKING:
    from vestbench.workers.remote import RemoteStacks


def destination_of(
    settings: Settings,
    where: o.VenueOptions,
    *,
    account: o.KeysOptions,
    link: o.LinkOptions,
    exchange: o.ExchangeOptions,
    stack: o.StackOptions | None = None,
    seed: int,
    strategies: Sequence[str] = (),
) -> Destination:
    """Return what is measured, and with whose account.

    Args:
        settings: In force.
        where: The venue and its endpoint.
        account: Whose account, for private requests.
        link: Of the simulated venue.
        exchange: Of the simulated venue.
        stack: The HTTP library, or all; the default where it cannot be chosen.
        seed: For the link.
        strategies: How it is connected, each of which the stack has to honour.

    Raises:
        UsageError: Options of the simulated venue are given for another one, or one
            of them cannot be used, or the stack cannot do what is asked for.
    """
    from vestbench.venues import find_venue

    venue = find_venue(settings["venue"])
    sends = stack or o.StackOptions()
    destination = Destination(
        venue=settings["venue"],
        endpoint=where.endpoint,
        pool=settings.pool,
        link=link_spec(link, seed),
        exchange=exchange_spec(exchange),
        access=access_of(account, venue, venue.endpoint(where.endpoint)),
    ).through(sends.stack, strategies, http2=sends.http2)
    if not destination.is_simulated:
        why = f"only for --venue sim, not for {venue.name}"
        given = given_in(link, kind_of(link))
        refuse([*given, *given_in(exchange, o.ExchangeOptions)], why)
    return destination


def pace_of(options: o.PaceOptions, settings: Settings) -> Pace:
    """Return how fast requests are sent, with a seed that is drawn if none is given."""
    return Pace(
        interval_s=duration("--interval", options.interval),
        max_rate=polite_rate(options.rate, real=is_real(settings)),
        seed=seed_or_new("--seed", options.seed),
    )


def run_and_show(
    job: Job,
    destination: Destination,
    output: OutputOptions,
    settings: Settings,
    *,
    budget: int,
    total: int = 0,
    gated: bool = False,
    asserting: AssertOptions | None = None,
    workers: RemoteStacks | None = None,
) -> Run:
    """Carry out `job`, show its run, and return it.

    Args:
        job: What to measure.
        destination: Where.
        output: How to show and keep the result.
        settings: The settings in force.
        budget: How many requests a real venue may be sent.
        total: Requests that will be recorded, for the progress line; 0 where that is
            what is to be found out.
        gated: Whether the exit status will follow what the run is asked.
        asserting: What doubt counts as then; None is a failure.
        workers: The measuring processes, where they have been started already.

    Raises:
        VestbenchError: Something that the user can act on; what was measured until
            then has been written and shown.
        typer.Exit: With 130, after an interruption.
    """
    check_job(job, destination)
    requests = destination.requests_for(job.most_requests)
    check_budget(requests, budget, real=not destination.is_simulated)
    path = (
        Path(output.output)
        if output.output
        else place_result(job, Path(settings["results"]))
    )
    fresh = not output.output
    shown = not (output.json or output.quiet)
    documents = Exports(output, taken=path, has_json=output.json, quiet=output.quiet)
    with documents as exports:
        try:
            with Progress(total, shown=shown) as progress:
                measured = carry_out(
                    job,
                    destination,
                    path=path,
                    fresh=fresh,
                    observer=progress,
                    workers=workers,
                )
        except KeyboardInterrupt as error:
            typer.echo("interrupted before anything was measured", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED) from error
        if not exports.prints:
            _show(measured, output)
        exports.write(
            measured.run,
            str(measured.path),
            gated=gated,
            undecided=asserting.undecided if asserting is not None else "fail",
        )
        if measured.failure is not None:
            raise measured.failure
    if measured.run.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    return measured.run


def _show(measured: Measured, output: OutputOptions) -> None:
    # What tables are made with is imported after the run.
    if output.json:
        from vestbench.studies.document import document

        text = json.dumps(document(measured.run, str(measured.path)), indent=2)
        typer.echo(text)
        return
    from vestbench.studies.shown import show_brief, show_run

    show((show_brief if output.quiet else show_run)(measured.run))
    if not output.quiet:
        text = f"result: {measured.path}"
        stderr().print(text, style="dim", markup=False, highlight=False)


def measure_and_exit(
    job: Job,
    destination: Destination,
    output: OutputOptions,
    settings: Settings,
    asserting: AssertOptions,
    *,
    gated: bool,
    **rest: Any,
) -> None:
    """Carry out `job`, show its run, and exit by what it was asked.

    Args:
        job: As of `run_and_show`, and so are the others.
        destination: As of `run_and_show`.
        output: As of `run_and_show`.
        settings: As of `run_and_show`.
        asserting: What doubt counts as.
        gated: Whether the exit status follows what the run is asked.
        rest: As of `run_and_show`.

    Raises:
        VestbenchError: As of `run_and_show`.
        typer.Exit: If it is gated.
    """
    run = run_and_show(
        job, destination, output, settings, gated=gated, asserting=asserting, **rest
    )
    if gated:
        raise gate_exit(run, asserting)


def show_log(output: OutputOptions) -> None:
    """Show log lines on stderr, as a bot's, where tables are shown too."""
    if output.json or output.quiet:
        return
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("vestbench").setLevel(logging.INFO)


def gate_exit(run: Run, options: AssertOptions) -> typer.Exit:
    """Return the exit that says what `run` makes of what it was asked."""
    from vestbench.studies.judging import assertions_of, verdict_of

    verdict = verdict_of(run, assertions_of(run)) or Verdict.INVALID
    return typer.Exit(exit_code(verdict, options.on_inconclusive))


def exit_code(verdict: Verdict, on_inconclusive: str = "neutral") -> ExitCode:
    """Return the exit code that stands for a verdict.

    Args:
        verdict: On all that was asked.
        on_inconclusive: Whether doubt is to "pass", to "fail", or has its own code.
    """
    if verdict is Verdict.INCONCLUSIVE:
        settled = {"pass": Verdict.PASS, "fail": Verdict.FAIL}
        verdict = settled.get(on_inconclusive, verdict)
    return {
        Verdict.PASS: ExitCode.OK,
        Verdict.FAIL: ExitCode.NOT_MET,
        Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
        Verdict.INVALID: ExitCode.INVALID,
    }[verdict]
