"""Runs the command on a terminal of its own, which can be closed."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.support.command import COMMAND, WIDE


@contextmanager
def on_a_terminal(
    *words: str,
    command: Sequence[str] = COMMAND,
    before: Callable[[], None] = lambda: None,
    env: Mapping[str, str] | None = None,
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], None]]]:
    """Run the command on a terminal of its own; what is yielded last closes that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 40, 400, 0, 0))
    open_ends = {ours}

    def control() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        before()

    def close() -> None:
        os.close(open_ends.pop())

    with subprocess.Popen(
        [*command, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=control,
        env={**os.environ, **WIDE, **(env or {})},
    ) as process:
        os.close(theirs)
        try:
            yield process, close
        finally:
            process.kill()
            while open_ends:
                close()
