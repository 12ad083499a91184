"""Where a run goes besides the terminal: files, standard output, GitHub's summary.

Every file is reserved under another name before anything is measured, so that a bad
path fails first, and gets its own name when it is whole.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, wraps
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

from vestbench.cli.console import put_out, say_aside
from vestbench.cli.interruption import interruption
from vestbench.cli.option_records import Command, given_in, option, option_of, refuse
from vestbench.cli.output_options import JSON, ExportOptions
from vestbench.errors import ExitCode, UsageError, VestbenchError, reason_of
from vestbench.files import (
    at_once,
    create_for,
    is_standard_output,
    leads_out,
    make_folder,
    working_directory,
)
from vestbench.model.formats import FORMATS

if TYPE_CHECKING:
    from vestbench.assertions.judge import AssertionResult
    from vestbench.model.run import Run
    from vestbench.report.found import Found, Undecided

_STDOUT = "-"
_JSON = "--json"  # what no document that is named for a file is called
_SUMMARY = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, kw_only=True)
class ShowingOptions(ExportOptions):
    """How a run is shown, and which documents are made of it."""

    json: bool = JSON
    quiet: bool = option(
        "Print the verdict only, no progress.", names="--quiet -q", default=False
    )

    @cached_property
    def exports(self) -> Exports:
        """The documents, of which there is one set in a command."""
        return Exports(self)


def documented(name: str, command: Command) -> Command:
    """Let the documents of a command exist whatever ends it; others are unchanged.

    Args:
        name: Of the command.
        command: A function that takes its options in records.
    """

    @wraps(command)
    def documenting(**values: Any) -> None:
        options = [v for v in values.values() if isinstance(v, ShowingOptions)]
        if not options:
            return command(**values)
        exports = options[0].exports
        with exports.of(name, _files_in([*values.values(), *map(vars, options)])):
            return command(**values)

    return documenting


def _files_in(values: Iterable[Any]) -> Iterator[Path]:
    """Yield the files that a command reads, or writes besides documents."""
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _files_in(value)
        elif isinstance(value, dict):
            output = value.get("output")
            yield from _files_in([value.get("keys"), Path(output) if output else None])


class Exports:
    """The documents that were asked for.

    Used as a context, `of` a command: at its begin every path is tried, so that a bad
    one fails before anything is measured. At its end each document exists: what ended
    the command before a run could be written is in those that are missing.

    Args:
        options: As they were given.

    Raises:
        UsageError: Two documents would go to one place.
    """

    def __init__(self, options: ShowingOptions) -> None:
        given = options.documents.items()
        self._targets = {name: to for name, to in given if to is not None}
        self._options = options
        printed = [option_of(n) for n, to in self._targets.items() if to == _STDOUT]
        if len(printed) + options.json > 1:
            names = ", ".join([*(["--json"] if options.json else []), *printed])
            raise UsageError(f"{names}: only one document fits standard output")
        self._taken: set[Path] = set()
        self._quiet = options.quiet
        self._paths: dict[str, Path] = {}
        self._missing = {*self._targets, *([_JSON] if options.json else [])}
        self._told = False  # whether GitHub was
        self._command = self._venue = self._endpoint = ""
        here = os.environ.get("GITHUB_ACTIONS") == "true"
        self._github = here if options.github is None else options.github

    @property
    def prints(self) -> bool:
        """Say whether a document goes to standard output, in place of the tables."""
        return _STDOUT in self._targets.values()

    def of(self, command: str, taken: Iterable[Path]) -> Self:
        """Take note of the command, and of files that no document may overwrite."""
        self._command = command
        for path in taken:
            # No file can be called so, or the working directory is gone.
            with suppress(ValueError, OSError):
                self._taken.add(Path(os.path.realpath(path)))
        return self

    def refuse(self, why: str) -> None:
        """Refuse every document, if one was asked for; so none is written either."""
        self._missing.clear()
        refuse(given_in(self._options, ExportOptions), why)

    def aim(self, venue: str, endpoint: str) -> None:
        """Take note of what is measured, for what is written if it cannot be."""
        self._venue, self._endpoint = venue, endpoint

    def __enter__(self) -> Self:
        """Try whether every file can be written."""
        for name, to in self._targets.items():
            if to != _STDOUT:
                self._try(name, Path(to))
        if self._github:
            _append_summary("")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, typer.Exit):
            return
        if self._github and not self._told and isinstance(error, VestbenchError):
            from vestbench.report.github import command

            typer.echo(command("error", "vestbench", str(error)), err=True)
        if self._missing or (self._github and not self._told):
            with suppress(OSError, UsageError):  # the error itself says more
                self._write_error(error)

    def _write_error(self, error: BaseException) -> None:
        """Write the documents that are missing: they say what ended the command."""
        from vestbench.report.unmeasured import Unmeasured

        self._quiet = True  # stderr has one line, of the error
        said, code = _told_of(error)
        found = Unmeasured(
            command=self._command,
            error=said,
            exit_code=code,
            started=datetime.now(UTC).replace(microsecond=0),
            venue=self._venue,
            endpoint=self._endpoint,
        )
        if _JSON in self._missing:
            self._put_out(_JSON, _STDOUT, FORMATS["json_file"].error_document(found))
        for name, to in self._targets.items():
            if name in self._missing:
                self._put_out(name, to, FORMATS[name].error_document(found))
        if self._github and not self._told:
            summary = FORMATS["markdown"].error_document(found)
            _append_summary("".join(summary) + "\n")

    def print_json(self, found: dict[str, Any]) -> None:
        """Print the document of `--json`."""
        from vestbench.report.machine import json_text

        self._put_out(_JSON, _STDOUT, [json_text(found)])

    def print_line(self, found: dict[str, str]) -> None:
        """Print what `--json` is about as one line, for who reads it line by line."""
        self._put_out(_JSON, _STDOUT, [f"{json.dumps(found)}\n"])

    def _put_out(self, name: str, to: str, pieces: Iterable[str]) -> None:
        if to != _STDOUT:
            self._finish(name, pieces)
            self._missing.discard(name)
            return
        self._missing.discard(name)  # two halves would be no document
        for piece in pieces:
            put_out(piece)

    def write(
        self,
        run: Run,
        file: str,
        *,
        gated: bool,
        results: tuple[AssertionResult, ...] | None = None,
        undecided: Undecided = "fail",
    ) -> None:
        """Write all documents of `run`.

        Args:
            run: What was measured.
            file: Where its requests are stored.
            gated: Whether the exit status follows the assertions.
            results: What was asserted; None is what the run's own plan asks for.
            undecided: What an assertion that is not decided counts as.
        """
        if not (self._targets or self._github):
            return
        from vestbench.studies.exports import found_in

        found = found_in(run, file, results=results, undecided=undecided)
        for name, to in self._targets.items():
            self._put_out(name, to, FORMATS[name].document(found))
        if self._github:
            self._told = True
            _tell_github(found, gated=gated)

    def _try(self, name: str, path: Path) -> None:
        option = option_of(name)
        if not path.is_absolute():
            path = working_directory() / path
        path = Path(os.path.realpath(path))  # a link stays, what it points to is new
        if path in self._paths.values():
            raise UsageError(f"{option}: another document goes to {path} already")
        if path in self._taken:
            raise UsageError(f"{option}: {path} is the result itself, or read for it")
        try:
            if path.exists() and not path.is_file():
                raise UsageError(f"{option}: {path} is no file; - is standard output")
            if is_standard_output(path):  # what a shell sends there would be lost
                raise UsageError(
                    f"{option}: {path} is where standard output or error goes; - is "
                    "standard output"
                )
            make_folder(path.parent)
            _clear(path)
            # Gone before anything is measured: whatever ends the run, none is left.
            partial = _partial_of(path)
            partial.open("x").close()
            partial.unlink()
        except (OSError, ValueError) as error:
            raise _unwritable(option, path, error) from error
        self._paths[name] = path

    def _finish(self, name: str, pieces: Iterable[str]) -> None:
        path = self._paths[name]
        partial = _partial_of(path)
        try:
            with self._writing(name):
                binary = create_for(path, partial)
            # No translation of line ends: those of CSV are CRLF everywhere.
            file = TextIOWrapper(binary, "utf-8", errors="replace", newline="")
            try:
                for piece in pieces:
                    with self._writing(name):
                        file.write(piece)
            finally:
                with self._writing(name):
                    file.close()
            with self._writing(name):
                os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        # A link must not lead out of where the user is and nobody be told.
        led = leads_out(Path(self._targets[name]))
        if led or not self._quiet:
            say_aside(f"{FORMATS[name].name}: {path}")

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Say which document cannot be written; whoever makes its text is outside."""
        try:
            yield
        except OSError as error:
            self._missing.discard(name)  # what cannot be written is not tried again
            raise _unwritable(option_of(name), self._paths[name], error) from error


def _partial_of(path: Path, pid: int | None = None) -> Path:
    """Return where a document is written before it gets its name."""
    return path.with_name(f".{path.name}.{pid or os.getpid()}.partial")


def _clear(path: Path) -> None:
    """Remove unfinished documents left by killed commands."""
    for name in os.listdir(path.parent):
        pid = name.removeprefix(f".{path.name}.").removesuffix(".partial")
        if not (pid.isascii() and pid.isdigit()):
            continue
        left = _partial_of(path, int(pid))
        if left.name == name and not _writes(int(pid)):
            left.unlink(missing_ok=True)


def _writes(pid: int) -> bool:
    """Say whether another process of this number may be at its document."""
    if pid == os.getpid():
        return False
    if sys.platform == "win32":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _unwritable(option: str, path: Path, error: Exception) -> UsageError:
    reason = reason_of(error)
    return UsageError(f"{option}: cannot write {path}: {reason}; choose another file")


def _told_of(error: BaseException) -> tuple[str, int]:
    """Return what ended a command in a sentence, and its exit code."""
    if isinstance(error, VestbenchError):
        return str(error), int(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        said = f"{interruption.sentence} before anything was measured"
        return said, int(interruption.code)
    if isinstance(error, MemoryError):
        return "out of memory", int(ExitCode.USAGE)
    # Its message may hold anything; the traceback on stderr says more.
    return f"a bug of vestbench ({type(error).__name__})", int(ExitCode.BUG)


def _tell_github(found: Found, *, gated: bool) -> None:
    from vestbench.report.github import annotations_of

    _append_summary("".join(FORMATS["markdown"].document(found)) + "\n")
    for line in annotations_of(found, gated=gated):
        # The runner reads both streams, and stdout may hold a document.
        typer.echo(line, err=True)


def _append_summary(text: str) -> None:
    """Append to the summary of GitHub's job, if there is one."""
    path = os.environ.get(_SUMMARY)
    if not path:
        return
    try:
        with open(
            path, "a", encoding="utf-8", errors="replace", opener=at_once
        ) as file:
            file.write(text)
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise UsageError(
            f"cannot write GitHub's job summary ({_SUMMARY}) to {path}: {reason}; "
            "--no-github goes on without it"
        ) from error
