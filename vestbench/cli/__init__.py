"""The `vestbench` command: options in, core calls, tables out.

Only this package prints, exits, or reads the environment. A command, and what it needs,
is imported when it runs, so that `vestbench --help` is instant.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn, TextIO, cast

import typer
from typer.core import TyperGroup

from vestbench._version import __version__
from vestbench.characters import HANDLER, plain, plain_lines
from vestbench.cli.commands import PLAIN, LateCommands
from vestbench.cli.interruption import drop, interruption
from vestbench.errors import ExitCode, VestbenchError

# What a machine can run out of at any moment, and what to do about it.
_EXHAUSTED = {
    errno.EMFILE: "allow more of them with ulimit -n",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "close other programs",
    errno.ENOSPC: "make room",
    errno.EIO: "the terminal is gone, or a disk fails",
    errno.EAGAIN: "allow more processes with ulimit -u",  # what starting one raises
}
_NO_THREAD = "can't start new thread"  # a RuntimeError of Python's, without a number


# The base class of what Typer raises for anything typed wrong: it has no public name.
_Mistyped: Any = typer.BadParameter.__bases__[0]


class _ReportingGroup(TyperGroup):
    """Shows what is wrong as one line on stderr, and exits with its code."""

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

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read what stands before the command."""
        try:
            return super().make_context(*args, **kwargs)
        except _Mistyped as error:
            raise _refusal(error) from error
        except KeyboardInterrupt as error:
            raise _interrupted(error) from error

    def invoke(self, ctx: Any) -> Any:
        """Read what stands after the command, and run it."""
        try:
            return super().invoke(ctx)
        except _Mistyped as error:
            raise _refusal(error) from error
        except VestbenchError as error:
            _tell(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            raise _interrupted(error) from error
        except BrokenPipeError:
            # Typer takes every broken pipe for that of an output, and says nothing.
            if not (_is_gone(sys.stdout) or _is_gone(sys.stderr)):
                _tell_bug()
            raise


def _interrupted(error: KeyboardInterrupt) -> typer.Exit:
    """Tell what ended the command, and return the exit."""
    from vestbench.cli.console import say_aside

    say_aside(" ".join([interruption.sentence, *error.args]))
    return typer.Exit(interruption.code)


def _refusal(mistyped: Any) -> Exception:
    """Tell what was typed wrong, and return the exit; help is left to Typer."""
    if "\n" in mistyped.message:  # the help of a group without a command
        return cast(Exception, mistyped)
    param = getattr(mistyped, "param", None)
    text = mistyped.format_message().rstrip(".")
    if mistyped.message and param is not None:
        text = f"{'/'.join(param.opts) or param.name}: {mistyped.message}"
    elif hasattr(mistyped, "possibilities"):
        from vestbench.cli.mistyped import instead_of

        text = "; ".join(filter(None, [mistyped.message, instead_of(mistyped)]))
    path = mistyped.ctx.command_path if mistyped.ctx else "vestbench"
    _tell(f"{text[:1].lower()}{text[1:]} (see {path} --help)")
    return typer.Exit(ExitCode.USAGE)


def _tell(message: str) -> None:
    from vestbench.cli.console import head_line

    with suppress(OSError):  # of a terminal that is gone; the exit code says it too
        head_line("error: ", "red")
        typer.echo(plain(message, " "), err=True)


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
    4 venue not reached or refused, 5 invalid measurement, 6 an order was filled, 70 a
    bug or a process of ours that died, 130 interrupted, 143 ended by SIGTERM or SIGHUP.
    """


def _prepare_streams() -> None:
    """Open the standard streams that are closed, and let all of them write any text.

    In place of one that is closed, a result file would get its descriptor, and with it
    all that is said there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, mode)  # noqa: SIM115 - until the end
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
        if mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def _is_gone(stream: TextIO) -> bool:
    """Say whether what waits in the buffer of a stream cannot be written any more.

    Then it is dropped: Python would try once more in the end, fail, and exit 120.
    """
    try:
        stream.flush()
    except OSError:
        drop(stream)
        return True
    return False


def _lacking(error: Exception) -> str | None:
    """Return what the machine has run out of, and what to do; None if of nothing."""
    if isinstance(error, MemoryError):
        return "out of memory: close other programs"
    number = getattr(error, "errno", None)
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        number = errno.EAGAIN
    if number not in _EXHAUSTED:
        return None
    return f"{os.strerror(number).lower()}: {_EXHAUSTED[number]}"


def _tell_bug() -> NoReturn:
    """Show the traceback of what nobody expected, without any values, and exit."""
    import traceback

    with suppress(OSError):
        sys.stderr.write(plain_lines(traceback.format_exc()))
    sys.exit(ExitCode.BUG)


def main() -> None:
    """Run the command; whatever signal ends it, it ends with what was measured."""
    _prepare_streams()
    # Imports leave no garbage, and looking for it takes a twentieth of their time.
    gc.set_threshold(100_000)
    # At the end Python would look at every object again, which takes some 40 ms. What
    # has to be closed is closed by then; the rest goes with the process.
    atexit.register(gc.freeze)
    try:
        try:
            with interruption.heeded():
                app()
        finally:
            _is_gone(sys.stderr)
    except KeyboardInterrupt:  # the second one, while the first was dealt with
        sys.exit(interruption.code)
    # A closed pipe, as in `vestbench report FILE | head`, is not worth a traceback.
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitCode.NOT_MET)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a bug of ours
        lacking = _lacking(error)
        if lacking is None:
            _tell_bug()
        _tell(lacking)
        _is_gone(sys.stdout)
        sys.exit(ExitCode.USAGE)
