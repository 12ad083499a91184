"""The two output streams and the progress line, made anew for each command."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, EIO, EPIPE
from io import TextIOWrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import typer

from vestbench.characters import plain
from vestbench.cli.interruption import drop
from vestbench.cli.windows import heeds_orders
from vestbench.model.request import NS_PER_MS, Outcome, Sample

if TYPE_CHECKING:
    from rich.console import Console

    from vestbench.report.sheet import Part

# Where there is no terminal to ask, as in a file or in CI; every table fits.
_WIDTH = 100

_NARROW = 80

# Of COLUMNS: what is beyond is no width of anything that text is read on.
_LEAST, _MOST = 20, 1000

_HEIGHT = 25  # of no consequence; rich would ask for both where one is not given

_REDRAW_EVERY_S = 0.1

# What writing fails with where nobody reads any more; Windows calls it EINVAL.
_VANISHED = (EIO, EPIPE, EINVAL) if sys.platform == "win32" else (EIO, EPIPE)


def stdout() -> Console:
    """Return a console for results."""
    return _console(stderr=False)


def show(report: Iterable[Part]) -> None:
    """Print a report, as wide as the terminal is."""
    from vestbench.report.terminal import drawn

    made = drawn(report, sys.stdout.encoding or "utf-8")
    with _until_it_vanishes():
        stdout().print(made)


def show_aside(report: Iterable[Part]) -> None:
    """Print a report on stderr, where stdout is another program's."""
    from vestbench.report.terminal import drawn

    made = drawn(report, sys.stderr.encoding or "utf-8")
    with suppress(OSError, SystemExit):  # nobody is there to read it any more
        stderr().print(made)


def show_json(found: Any) -> None:
    """Print records, lists and mappings as one JSON document."""
    from vestbench.report.machine import json_text, plain_document

    put_out(json_text(plain_document(found)))


def stderr() -> Console:
    """Return a console for everything that is not a result."""
    return _console(stderr=True)


def head_line(word: str, colour: str) -> None:
    """Write how a line on stderr begins, coloured on a terminal (no-color.org)."""
    coloured = False if os.environ.get("NO_COLOR") else None  # None: as it is shown
    typer.secho(word, fg=colour, bold=True, nl=False, err=True, color=coloured)


def say_aside(text: str) -> None:
    """Write one line to stderr, dim where shown; rich is not imported for a file."""
    text = plain(text)  # a line of its own could be taken for a command by a runner
    forced = {"FORCE_COLOR", "TTY_COMPATIBLE"} & os.environ.keys()
    if forced or sys.stderr.isatty():
        stderr().print(text, style="dim", markup=False, highlight=False, soft_wrap=True)
        return
    with suppress(OSError):  # nobody is there to read it any more
        sys.stderr.write(f"{text}\n")


@contextmanager
def busy(text: str) -> Iterator[None]:
    """Show on a terminal what is being done meanwhile: a long run takes a minute."""
    with Progress(0, shown=True) as progress:
        progress.say(text)
        yield


def put_out(text: str) -> None:
    """Write a document to stdout, or nowhere once its reader is gone.

    The text is made before, so that no error in making it is taken for that of an end.
    """
    with _until_it_vanishes():
        if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.isatty():
            # A document says itself that it is UTF-8, or is expected to be, and has the
            # ends of lines that its format wants.
            sys.stdout.reconfigure(encoding="utf-8", errors="replace", newline="")
        sys.stdout.write(text)


@contextmanager
def _until_it_vanishes() -> Iterator[None]:
    """Show what comes until the terminal or the pipe is gone, and then nothing.

    Who closed it wants to see no more; what else the command has to do it still does.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in _VANISHED:
            raise
        drop(sys.stdout)
    except SystemExit:  # so rich says that a pipe was closed
        pass


@contextmanager
def live() -> Iterator[Callable[[Iterable[Part]], None]]:
    """Give a function that draws a report over the last one; for a terminal only.

    The last one stays. What cannot be drawn any more is left undrawn.
    """
    from rich.live import Live

    from vestbench.report.terminal import drawn

    console = stdout()
    console.height = _size(sys.stdout).lines or _HEIGHT  # what is beyond is cropped
    encoding = sys.stdout.encoding or "utf-8"
    shown = Live(console=console, auto_refresh=False)

    def draw(report: Iterable[Part]) -> None:
        with _until_it_vanishes():
            shown.update(drawn(report, encoding), refresh=True)

    with _until_it_vanishes():
        shown.start()
    try:
        yield draw
    finally:
        with _until_it_vanishes():
            shown.stop()


def is_drawable() -> bool:
    """Say whether stdout is a terminal that can go back in what it shows."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    width, stream = _width(), sys.stderr if stderr else sys.stdout
    if width is None and not stream.isatty():
        width = _WIDTH
    if width is None:
        width = _columns(stream)
    return Console(stderr=stderr, width=width, height=_HEIGHT)


def _width() -> int | None:
    """Return the width that COLUMNS asks for; 0 and words mean that it is unknown."""
    asked = os.environ.get("COLUMNS", "")
    if not (asked.isascii() and asked.isdigit() and int(asked[:9])):
        return None
    return min(max(int(asked[:9]), _LEAST), _MOST)


def _columns(stream: TextIO) -> int:
    return _size(stream).columns or _NARROW  # 0 where the terminal does not say


def _size(stream: TextIO) -> os.terminal_size:
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):  # the terminal is gone
        return os.terminal_size((0, 0))


class Progress:
    """One line on a terminal's stderr; silent elsewhere, and on a dumb one.

    It is drawn only when a request has just ended and before the next is sent, by the
    thread that waits for the measuring process, so no drawing falls into a request.

    Args:
        total: Outcomes that will come; 0 where that is not known, and only what is
            said is shown.
        shown: False keeps it silent on a terminal too.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self._total = total
        self._done = 0
        self._failed = 0
        self._last: dict[bool, float] = {}
        self._drawn = 0.0
        self._begin = 0.0  # when the first outcome came: starting up is not a rate
        dumb = os.environ.get("TERM") == "dumb"  # it cannot go back in a line
        # While it is there.
        self._shown = shown and sys.stderr.isatty() and not dumb and heeds_orders()

    def say(self, text: str) -> None:
        """Show what is being done."""
        if self._shown:
            self._draw(text)

    def advance(self, outcome: Outcome) -> None:
        """Take one outcome into account."""
        self._done += 1
        if isinstance(outcome, Sample):
            self._last[outcome.reused] = outcome.latency_ns / NS_PER_MS
        else:
            self._failed += 1
        now = time.monotonic()
        if self._done == 1:
            self._begin = now
        if self._shown and self._total and now - self._drawn >= _REDRAW_EVERY_S:
            self._drawn = now
            self._draw(self._state(now))

    def _state(self, now: float) -> str:
        parts = [f"{self._done}/{self._total} requests"]
        for reused, name in ((False, "cold"), (True, "subsequent")):
            if reused in self._last:
                parts.append(f"{name} {self._last[reused]:.1f} ms")
        if self._failed:
            parts.append(f"{self._failed} failed")
        if self._done > 1:
            each = (now - self._begin) / (self._done - 1)
            parts.append(f"{each * (self._total - self._done):.0f} s left")
        share = self._done / max(1, self._total)
        bar = "━" * round(20 * share) + "╌" * (20 - round(20 * share))
        return f"{bar} " + "  ".join(parts)

    def _draw(self, text: str) -> None:
        """Draw a line over the last one; nothing more where that cannot be."""
        # Back to the first column, the line, then erase what is left of the old one.
        try:
            width = _columns(sys.stderr) - 1
            line = plain(text[:width], " ")
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        except (OSError, ValueError):  # the terminal is gone, or stderr was closed
            self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._draw("")
