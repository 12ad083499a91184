"""The event loop of the exchange, whose timers are precise, and a thread beside it."""

from __future__ import annotations

import asyncio
import ctypes
import queue
import select
import selectors
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_POLLED_S = 0.000_5
_PR_SET_TIMERSLACK = 29
# How long the thread may keep the interpreter from the loop. The default is 5 ms.
_SWITCH_INTERVAL_S = 0.000_05


class PreciseSelector(selectors.EpollSelector):
    """An epoll selector that waits to the microsecond, not to the next millisecond.

    `select` takes microseconds. It waits for the epoll descriptor only, which becomes
    readable when anything registered does, so there may be any number of those. A
    virtual machine still wakes up late, by 0.1 to 0.5 ms here, the later the longer it
    slept: the last half millisecond before a timer is spent polling. Without a timer
    that is about to ring, nothing is polled.
    """

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready or the time is over."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        end = time.monotonic() + timeout
        if timeout > _POLLED_S:
            select.select((self,), (), (), timeout - _POLLED_S)
        while not (ready := super().select(0)) and time.monotonic() < end:
            pass
        return ready


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose timers are late by tens of microseconds only."""
    # The kernel may delay each timer by 50 us to save wake-ups. Linux only; where it
    # does not work the service time is that much longer.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    return asyncio.SelectorEventLoop(PreciseSelector())


class Worker:
    """A thread that computes while the loop, which gets the results, goes on serving.

    One is enough: only one can hold the interpreter. It ends with the process.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[
            tuple[Callable[[], Any], Callable[[Any], None]]
        ] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do the work after all that was given earlier; the loop calls `done`."""
        if self._thread is None:
            sys.setswitchinterval(_SWITCH_INTERVAL_S)
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        self._jobs.put((work, done))

    def _run(self) -> None:
        while True:
            work, done = self._jobs.get()
            result = work()
            with suppress(RuntimeError):  # the loop has ended, and with it the clients
                self._loop.call_soon_threadsafe(done, result)
