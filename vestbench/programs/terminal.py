"""The terminal, which a program has for itself while it runs."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from vestbench.programs.keeping import KeptProgram

assert sys.platform == "linux"  # noqa: S101 - nobody else imports it


class Terminal:
    """The terminal of this process, if it has one.

    What is typed there, Ctrl-C too, is the program's: it is a process group of its own,
    and the foreground if this process was. When it stops, so does this process, as a
    shell expects.
    """

    def __init__(self) -> None:
        self._fd = next((fd for fd in (0, 1, 2) if _foreground(fd)), None)
        self._attributes = _attributes(self._fd) if self.is_ours else None

    @property
    def is_ours(self) -> bool:
        """True where this process is the foreground, so that it can give it away."""
        return self._fd is not None and _foreground(self._fd) == os.getpgrp()

    def stop_with(self, program: KeptProgram) -> None:
        """Stop, as the program has, until the shell lets both go on.

        Without a terminal, whoever has stopped the program can let it go on.
        """
        program.stopped = False
        if self._fd is None:
            return
        was_its = self._is_of(program)
        self.take_from(program)
        os.killpg(0, signal.SIGTSTP)  # nothing, where no shell could let it go on
        if self.is_ours:
            _hand(self._fd, program.group)
        elif not was_its:
            return  # in the background it would only be stopped again
        program.resume()

    def take_from(self, program: KeptProgram) -> None:
        """Take it back, as it was before, if the program has it."""
        if self._fd is None or not self._is_of(program):
            return
        _hand(self._fd, os.getpgrp())
        if self._attributes is not None:
            import termios

            with suppress(termios.error, OSError):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._attributes)

    def _is_of(self, program: KeptProgram) -> bool:
        return self._fd is not None and _foreground(self._fd) == program.group


def _foreground(fd: int) -> int:
    """Return the process group in the foreground of a terminal; 0 of anything else."""
    try:
        return os.tcgetpgrp(fd)
    except OSError:
        return 0


def _hand(fd: int, group: int) -> None:
    # Who is not the foreground any more is stopped when it changes that.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError):  # the terminal, or the group, is gone
            os.tcsetpgrp(fd, group)
    finally:
        signal.signal(signal.SIGTTOU, before)


def _attributes(fd: int | None) -> Any:
    import termios

    try:
        return None if fd is None else termios.tcgetattr(fd)
    except (termios.error, OSError):
        return None
