"""The terminal, which a program has for itself while it runs."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from vestbench.programs.keeping import KeptProgram


class Terminal:
    """The terminal of this process, if it has one and is in its foreground.

    What is typed there, Ctrl-C too, is then the program's: it is a process group of its
    own, and the foreground. When it stops, so does this process, as a shell expects.
    """

    def __init__(self) -> None:
        self._fd = next((fd for fd in (0, 1, 2) if _is_ours(fd)), None)
        self._attributes = None if self._fd is None else _attributes(self._fd)

    @property
    def is_ours(self) -> bool:
        """True where a program can be given it."""
        return self._fd is not None

    def stop_with(self, program: KeptProgram) -> None:
        """Stop, as the program has, until the shell lets both go on."""
        self.take()
        # A shell without job control does not let it stop; then both just go on.
        os.killpg(0, signal.SIGTSTP)
        if self._fd is not None and program.group:
            _hand(self._fd, program.group)
        program.resume()

    def take(self) -> None:
        """Take it back, as it was before."""
        if self._fd is None:
            return
        _hand(self._fd, os.getpgrp())
        if self._attributes is not None:
            import termios

            with suppress(termios.error, OSError):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._attributes)


def _hand(fd: int, group: int) -> None:
    # Who is not the foreground any more is stopped when it changes that.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError):  # the terminal, or the group, is gone
            os.tcsetpgrp(fd, group)
    finally:
        signal.signal(signal.SIGTTOU, before)


def _is_ours(fd: int) -> bool:
    try:
        return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def _attributes(fd: int) -> Any:
    import termios

    try:
        return termios.tcgetattr(fd)
    except (termios.error, OSError):
        return None
