"""The event loop of the exchange, whose timers are precise, and a thread beside it."""

from __future__ import annotations

import asyncio
import select
import selectors
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from vestbench.kernel.process import COARSE_NS, sharpen_timers

_POLLED_S = 0.000_5
_COARSE_S = COARSE_NS / 1e9 if sys.platform == "win32" else _POLLED_S
_SLEPT_S = 0.002  # a sleep may take that long on Windows
# How long the thread may keep the interpreter from the loop. The default is 5 ms.
_SWITCH_INTERVAL_S = 0.000_05

Ready = list[tuple[selectors.SelectorKey, int]]


class PreciseSelector(selectors.DefaultSelector):
    """A selector that waits to the microsecond, not to the next tick of the system.

    `select` takes microseconds. On Linux it waits for the epoll descriptor only, which
    becomes readable when anything registered does, so there may be any number of those.
    A virtual machine still wakes up late, by 0.1 to 0.5 ms here, the later the longer
    it slept: the last half millisecond before a timer is spent polling; on Windows,
    which wakes up to 15.6 ms late, the last 20 ms, in short sleeps at first.
    Without a timer that is about to ring, nothing is polled.
    """

    def select(self, timeout: float | None = None) -> Ready:
        """Wait until something is ready or the time is over."""
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        end = time.perf_counter() + timeout
        ready = self._doze(timeout)
        while not ready and (left := end - time.perf_counter()) > 0:
            ready = super().select(0)
            if not ready and sys.platform == "win32" and left > _SLEPT_S:
                time.sleep(_POLLED_S)
        return ready

    def _doze(self, timeout: float) -> Ready:
        """Wait until shortly before the time is over."""
        if timeout <= _COARSE_S:
            return []
        if sys.platform != "linux":
            return super().select(timeout - _COARSE_S)
        select.select((self,), (), (), timeout - _COARSE_S)
        return []


class PreciseLoop(asyncio.SelectorEventLoop):
    """An event loop that reads a clock of microseconds.

    That of asyncio counts in steps of 15.6 ms on Windows before Python 3.13, and there
    a timer may ring a step too early.
    """

    def __init__(self) -> None:
        super().__init__(PreciseSelector())
        resolution = time.get_clock_info("perf_counter").resolution
        self._clock_resolution = resolution  # asyncio has no other way to say it

    def time(self) -> float:
        """Return the time that timers go by, in seconds."""
        return time.perf_counter()


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose timers are late by tens of microseconds only."""
    sharpen_timers()
    return PreciseLoop()


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
