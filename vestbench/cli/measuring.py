"""What every measuring command does round its job: settings, progress, tables, codes.

What is measured, and how, is `vestbench.running`'s.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from vestbench.characters import plain
from vestbench.cli import options as o
from vestbench.cli.access import access_of
from vestbench.cli.ahead import Given
from vestbench.cli.console import Progress, say_aside, show
from vestbench.cli.option_records import given_in, option_of, refuse
from vestbench.cli.settings import exchange_spec, is_real, link_spec, results_folder
from vestbench.errors import ExitCode, VenueError
from vestbench.files import leads_out
from vestbench.model.run import Run
from vestbench.running.carry_out import carry_out, check_job, place_result
from vestbench.running.destination import Destination
from vestbench.running.job import Job, Measured
from vestbench.running.pace import Pace, pace_of


def aimed(given: Given, strategies: Sequence[str] = ()) -> tuple[Destination, Pace]:
    """Return what is measured and with whose account, and how fast.

    Args:
        given: To the command.
        strategies: How it is connected, each of which the stack has to honour.

    Raises:
        UsageError: Options of the simulated venue are given for another one, or an
            option cannot be used, or the stack cannot do what is asked for.
    """
    from vestbench.venues import find_venue

    settings, options = given.settings, given.options
    pace = pace_of(
        option_of,
        interval=options.interval,
        rate=options.rate,
        seed=options.seed,
        real=is_real(settings),
    )
    venue, endpoint = find_venue(settings["venue"]), given.where.endpoint
    destination = Destination(
        venue=settings["venue"],
        endpoint=endpoint,
        pool=settings.pool,
        link=link_spec(options, pace.seed),
        exchange=exchange_spec(options),
        access=access_of(given.account, venue, venue.endpoint(endpoint)),
        of_project=settings.of_project,
    ).through(given.stack.stack, strategies, http2=given.stack.http2)
    if not destination.is_simulated:
        simulated = (o.DriftingLinkOptions, o.ExchangeOptions)
        found = [name for kind in simulated for name in given_in(options, kind)]
        refuse(found, f"only for --venue sim, not for {venue.name}")
    options.exports.aim(venue.name, venue.endpoint(endpoint).name)
    return destination, pace


def run_and_show(
    given: Given, job: Job, destination: Destination, *, gated: bool
) -> Run:
    """Carry out `job`, show its run, and return it.

    Args:
        given: To the command.
        job: What to measure.
        destination: Where.
        gated: Whether the exit status will follow what the run is asked.

    Raises:
        VestbenchError: Something that the user can act on; what was measured until
            then has been written and shown.
        KeyboardInterrupt: It was interrupted; so it is for what was measured then.
    """
    options = given.options
    check_job(job, destination, options.budget)
    path = Path(options.output or place_result(job, results_folder(given.settings)))
    shown = not (options.json or options.quiet)
    try:
        with Progress(job.recorded, shown=shown) as progress:
            measured = carry_out(
                job,
                destination,
                path=path,
                fresh=not options.output,
                observer=progress,
                workers=given.workers,
            )
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("before anything was measured") from error
    exports = options.exports
    if not exports.prints:
        _show(measured, options)
    exports.write(
        measured.run,
        str(measured.path),
        gated=gated,
        undecided=given.judging.undecided,
    )
    if measured.failure is not None:
        raise measured.failure
    if measured.run.interrupted:
        raise KeyboardInterrupt
    return measured.run


def _show(measured: Measured, output: o.OutputOptions) -> None:
    # What tables are made with is imported after the run.
    if output.json:
        from vestbench.studies.document import document

        output.exports.print_json(document(measured.run, str(measured.path)))
        return
    from vestbench.studies.shown import show_brief, show_run

    show((show_brief if output.quiet else show_run)(measured.run))
    named = str(measured.path) in str(measured.failure)  # in the line that is to come
    # A link must not lead out of where the user is and nobody be told.
    led = leads_out(Path(output.output or ""))
    if (led or not output.quiet) and not named:
        say_aside(f"result: {measured.path}")


def run_and_exit(
    given: Given, job: Job, destination: Destination, *, gated: bool
) -> None:
    """Carry out `job`, show its run, and exit by it; by what was asked if `gated`.

    Raises:
        VestbenchError: As of `run_and_show`.
        KeyboardInterrupt: As of `run_and_show`.
        VenueError: The venue ended the run, which has been shown.
        typer.Exit: In any other case, with the code of the run.
    """
    run = run_and_show(given, job, destination, gated=gated)
    from vestbench.studies.judging import assertions_of, error_of, exit_code, verdict_of

    doubt = given.judging.on_inconclusive
    verdict = verdict_of(run, assertions_of(run))
    code = exit_code(run, verdict, asked=gated, on_inconclusive=doubt)
    if code is ExitCode.UNREACHABLE:
        raise VenueError(error_of(run))
    raise typer.Exit(code)


def show_log(output: o.OutputOptions) -> None:
    """Show log lines on stderr, as a bot's, where tables are shown too."""
    if output.json or output.quiet:
        return
    logging.basicConfig(handlers=[log_handler()])
    logging.getLogger("vestbench").setLevel(logging.INFO)


def log_handler() -> logging.Handler:
    """Return what writes log lines to stderr, with their time in UTC."""
    handler = logging.StreamHandler()
    formatter = _Line("%(asctime)s UTC %(levelname)s %(message)s")
    formatter.converter = time.gmtime  # as the report tells the time
    handler.setFormatter(formatter)
    return handler


class _Line(logging.Formatter):
    """One line, even if an answer or an exception that it quotes has several."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return plain(super().formatMessage(record))
