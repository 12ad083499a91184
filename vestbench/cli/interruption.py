"""What ends a command, or its output, from outside."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from vestbench.cli.windows import told_of_closing
from vestbench.errors import ExitCode

_CODES = {
    "SIGINT": ExitCode.INTERRUPTED,
    "SIGTERM": ExitCode.TERMINATED,
    "SIGHUP": ExitCode.TERMINATED,  # the terminal was closed, or the connection to it
    "SIGBREAK": ExitCode.TERMINATED,  # the same on Windows, and Ctrl-Break
}


class _InterruptedError(KeyboardInterrupt):
    """A signal. Where Python itself is interrupted, it ends by SIGINT whatever came."""


class _Interruption:
    """Ends what is going on at a signal, until everything is over anyway.

    Attributes:
        code: What a command that was interrupted exits with: by the first signal.
    """

    code = ExitCode.INTERRUPTED
    _name = ""  # of that signal
    _over = False

    @property
    def sentence(self) -> str:
        """What ended the command."""
        return f"interrupted by {self._name}" if self._name else "interrupted"

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Heed the signals, but for a SIGHUP that was ignored before, as by nohup."""
        numbers = [int(getattr(signal, name)) for name in _CODES if _is_heeded(name)]
        for number in numbers:
            signal.signal(number, self._interrupt)
        try:
            with told_of_closing(_break):
                yield
        except SystemExit as end:
            if end.code == ExitCode.INTERRUPTED:  # Typer met the signal: any is 130
                end.code = self.code
            raise
        finally:
            self._over = True
            # Python only cleans up from here on, and a signal would change the code.
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)

    def _interrupt(self, number: int, _: object) -> None:
        if self._over:
            return
        if not self._name:
            self._name = signal.Signals(number).name
            self.code = _CODES[self._name]
        raise _InterruptedError


def _is_heeded(name: str) -> bool:
    number = getattr(signal, name, None)  # no system has all of them
    if number is None:
        return False
    return name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN


def _break() -> None:
    """Send SIGBREAK to the main thread, as if Ctrl-Break had been typed."""
    if sys.platform == "win32":
        from _thread import interrupt_main

        interrupt_main(signal.SIGBREAK)


interruption = _Interruption()


def drop(stream: TextIO) -> None:
    """Discard what is still written to a stream, and what waits in its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
