"""The event loop of the exchange, whose timers are precise, and a thread beside it."""

from __future__ import annotations

import asyncio
import ctypes
import select
import selectors
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
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
        sooner = partial(sys.setswitchinterval, _SWITCH_INTERVAL_S)
        self._thread = ThreadPoolExecutor(1, initializer=sooner)

    def __call__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do the work after all that was given earlier; the loop calls `done`."""

        def give_back(found: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop has ended, and with it the clients
                self._loop.call_soon_threadsafe(done, found.result())

        self._thread.submit(work).add_done_callback(give_back)
