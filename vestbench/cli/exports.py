"""Where a run goes besides the terminal: files, standard output, GitHub's summary.

Every file is reserved under another name before anything is measured, so that a bad
path fails first, and gets its own name when it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

from vestbench.cli.console import say_aside
from vestbench.cli.option_records import option_of
from vestbench.cli.output_options import ExportOptions
from vestbench.errors import UsageError, VestbenchError, reason_of
from vestbench.files import at_once, create_for
from vestbench.model.formats import FORMATS

if TYPE_CHECKING:
    from vestbench.assertions.judge import AssertionResult
    from vestbench.model.run import Run
    from vestbench.report.found import Found, Undecided

_STDOUT = "-"
_SUMMARY = "GITHUB_STEP_SUMMARY"


class Exports:
    """The documents that were asked for.

    Used as a context: at its begin every path is tried, so that a bad one fails before
    anything is measured, and GitHub is told of an error that ends it.

    Args:
        options: As they were given.
        taken: A file that no document may overwrite: the result itself.
        has_json: Whether standard output has the document of `--json` already.
        quiet: Whether not to say where the documents are.

    Raises:
        UsageError: A path cannot be written, or two documents would go to one place.
    """

    def __init__(
        self,
        options: ExportOptions,
        *,
        taken: Path | None,
        has_json: bool,
        quiet: bool,
    ) -> None:
        given = options.documents.items()
        self._targets = {name: to for name, to in given if to is not None}
        printed = [option_of(n) for n, to in self._targets.items() if to == _STDOUT]
        if len(printed) + has_json > 1:
            names = ", ".join([*(["--json"] if has_json else []), *printed])
            raise UsageError(f"{names}: only one document fits standard output")
        self._taken = taken
        self._quiet = quiet
        self._paths: dict[str, Path] = {}
        here = os.environ.get("GITHUB_ACTIONS") == "true"
        self._github = here if options.github is None else options.github

    @property
    def prints(self) -> bool:
        """Say whether a document goes to standard output, in place of the tables."""
        return _STDOUT in self._targets.values()

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
        if self._github and isinstance(error, VestbenchError):
            from vestbench.report.github import command

            typer.echo(command("error", "vestbench", str(error)), err=True)

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
            pieces = FORMATS[name].document(found)
            if to == _STDOUT:
                for piece in pieces:
                    typer.echo(piece, nl=False)
            else:
                self._finish(name, pieces)
        if self._github:
            _tell_github(found, gated=gated)

    def _try(self, name: str, path: Path) -> None:
        option = option_of(name)
        path = Path(os.path.realpath(path))  # a link stays, what it points to is new
        if path in self._paths.values():
            raise UsageError(f"{option}: another document goes to {path} already")
        if self._taken is not None and path == Path(os.path.realpath(self._taken)):
            raise UsageError(f"{option}: {path} is the result itself")
        try:
            if path.exists() and not path.is_file():
                raise UsageError(f"{option}: {path} is no file; - is standard output")
            path.parent.mkdir(parents=True, exist_ok=True)
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
            # No translation of line ends: those of CSV are CRLF everywhere.
            with TextIOWrapper(
                create_for(path, partial), "utf-8", errors="replace", newline=""
            ) as file:
                file.writelines(pieces)
            os.replace(partial, path)
        except OSError as error:
            raise _unwritable(option_of(name), path, error) from error
        finally:
            partial.unlink(missing_ok=True)
        if self._quiet:
            return
        say_aside(f"{FORMATS[name].name}: {path}")


def _partial_of(path: Path, pid: int | None = None) -> Path:
    """Return where a document is until it is whole."""
    return path.with_name(f".{path.name}.{pid or os.getpid()}.partial")


def _clear(path: Path) -> None:
    """Remove what commands that were killed while they wrote this document left."""
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
    if os.name == "nt":  # where signal 0 is Ctrl-C
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
