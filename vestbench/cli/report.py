"""`vestbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vestbench.cli.exports import ShowingOptions
from vestbench.cli.option_records import option

_SUMMARISING = "summarising"


def _show_schema(wanted: bool) -> None:
    if wanted:
        from vestbench.studies.document import schema_text

        typer.echo(schema_text(), nl=False)
        raise typer.Exit


def report(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A result, finished or not.")
    ],
    *,
    options: ShowingOptions,
    schema: bool = option(  # noqa: ARG001, its callback has ended the command
        "Print the JSON Schema of --json, and nothing else.",
        default=False,
        callback=_show_schema,
        is_eager=True,
    ),
) -> None:
    """Show a stored run again, exactly as it was shown, or make documents of it.

    It ends with 0 whatever the verdict, which vestbench gate is for; with 4 or 5 if
    the run supports no statement.

    Example: vestbench report results/reference-bench-30ms.toml --html run.html
    """
    from vestbench.cli.console import busy, show
    from vestbench.studies.registry import load_run

    with busy(f"reading {file}"):
        run = load_run(file)
    exports = options.exports
    if options.json:
        from vestbench.studies.document import document

        with busy(_SUMMARISING):
            found = document(run, str(file))
        exports.print_json(found)
    elif not exports.prints:
        from vestbench.studies.shown import show_brief, show_run

        with busy(_SUMMARISING):
            parts = (show_brief if options.quiet else show_run)(run)
        show(parts)
    exports.write(run, str(file), gated=False)
    from vestbench.studies.judging import assertions_of, exit_code, verdict_of

    verdict = verdict_of(run, assertions_of(run))
    raise typer.Exit(exit_code(run, verdict, asked=False))
