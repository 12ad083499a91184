"""Signals that are noted instead of ending what goes on, while a program runs."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from vestbench.ipc import ENDINGS


class Noted:
    """The signals that have come, in order.

    Attributes:
        numbers: Those that were not dealt with yet.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that can be read when one has come."""
        return self._reader.fileno()

    def take(self) -> list[int]:
        """Return those that have come, and forget them."""
        with suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass
        found, self.numbers = self.numbers, []
        return found

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what would end this process; those that it ignores stay ignored."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread gets signals
            return
        before = {number: signal.getsignal(number) for number in _numbers()}
        old = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._note)
        try:
            yield
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Give the descriptors back."""
        self._reader.close()
        self._writer.close()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.numbers.append(number)


def _numbers() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ENDINGS if hasattr(signal, name)]
