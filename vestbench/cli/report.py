"""`vestbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vestbench.cli.option_records import option
from vestbench.cli.output_options import JSON, QUIET, ExportOptions

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
    json: bool = JSON,
    quiet: bool = QUIET,
    *,
    documents: ExportOptions,
    schema: bool = option(  # noqa: ARG001, its callback has ended the command
        "Print the JSON Schema of --json, and nothing else.",
        default=False,
        callback=_show_schema,
        is_eager=True,
    ),
) -> None:
    """Show a stored run again, exactly as it was shown, or make documents of it.

    Example: vestbench report results/reference-bench-30ms.toml --html run.html
    """
    from vestbench.cli.console import busy, show
    from vestbench.cli.exports import Exports
    from vestbench.studies.registry import load_run

    with busy(f"reading {file}"):
        run = load_run(file)
    with Exports(documents, taken=file, has_json=json, quiet=quiet) as exports:
        if json:
            from json import dumps

            from vestbench.studies.document import document

            with busy(_SUMMARISING):
                found = document(run, str(file))
            typer.echo(dumps(found, indent=2))
        elif not exports.prints:
            from vestbench.studies.shown import show_brief, show_run

            with busy(_SUMMARISING):
                parts = (show_brief if quiet else show_run)(run)
            show(parts)
        exports.write(run, str(file), gated=False)
    from vestbench.studies.judging import assertions_of, exit_code, verdict_of

    verdict = verdict_of(run, assertions_of(run))
    raise typer.Exit(exit_code(run, verdict, asked=False))
