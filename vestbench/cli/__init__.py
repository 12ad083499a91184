"""The `vestbench` command: options in, core calls, tables out.

Only this package prints, exits, or reads the environment. A command, and what it needs,
is imported when it runs, so that `vestbench --help` is instant.
"""

from __future__ import annotations

import gc
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vestbench import __version__
from vestbench.cli.commands import PLAIN, LateCommands
from vestbench.errors import ExitCode, VestbenchError


class _ReportingGroup(TyperGroup):
    """Shows any `VestbenchError` as one line on stderr and exits with its code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._late = LateCommands(self.commands)
        self.commands = self._late

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as it is called
        """Return the names of the commands without importing them."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Name the commands without importing them."""
        with formatter.section("Commands"):
            names = self.list_commands(ctx)
            formatter.write_dl([(n, self._late.sentence(n)) for n in names])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except VestbenchError as error:
            line = "".join(c if c.isprintable() else " " for c in str(error))
            typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
            typer.echo(line, err=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(ExitCode.INTERRUPTED) from error


app = typer.Typer(
    cls=_ReportingGroup,
    name="vestbench",
    no_args_is_help=True,
    **PLAIN,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vestbench {__version__}")
        raise typer.Exit


@app.callback()
def vestbench(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Measure what keeping an HTTP connection open saves, and prove that it stays open.

    Without further options everything runs against a simulated exchange behind an
    emulated link, offline. Start with: vestbench bench --requests 100

    Exit codes: 0 done or passed, 1 acceptance not met, 2 wrong usage, 3 inconclusive,
    4 venue not reached or refused, 5 invalid measurement, 6 an order was filled, 130
    interrupted.
    """


def main() -> None:
    """Run the command."""
    # Imports leave no garbage: to look for it is a twentieth of what they take.
    gc.set_threshold(100_000)
    # A closed pipe, as in `vestbench report FILE | head`, is not worth a traceback.
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.NOT_MET)
