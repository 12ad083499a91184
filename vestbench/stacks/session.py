"""What the sessions of all stacks have in common."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from vestbench._version import __version__
from vestbench.model.client import SessionPlan
from vestbench.model.request import Outcome, RequestSpec, Slot
from vestbench.model.session import Session

T = TypeVar("T")

# Of an answer, decoded: what a server sends must not fill the memory. (A header ends by
# itself: at 100 KiB in h11, at 400 KiB in hyper.)
MAX_BODY_BYTES = 16 * 2**20
TOO_LONG = f"the body is longer than {MAX_BODY_BYTES // 2**20} MiB"
UNSENT = "it was answered, but never sent"  # from a cache of the client

USER_AGENT = f"vestbench/{__version__}"

# A collection costs 0.2 ms between requests; one after each request would slow them.
_COLLECT_EVERY = 16


class TimedSession(Session):
    """One client and its pool, the garbage collected between its requests."""

    notes: tuple[str, ...] = ()

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._burst = Burst(plan.concurrency)
        self._turns = 0

    def send(self, spec: RequestSpec, slot: Slot) -> Outcome:
        """Send one request and return its sample, or how it failed."""
        return self.ask(spec, slot)[0]

    def _collect(self) -> None:
        """Collect garbage now and then; call this when the clock has stopped."""
        self._turns += 1
        if self._turns % _COLLECT_EVERY == 0:
            gc.collect()


class Burst:
    """Threads that start together; they are kept from one burst to the next.

    Args:
        width: How many there are at least.
    """

    def __init__(self, width: int) -> None:
        self._least = width
        self._width = 0  # of `_threads`: all of a burst must be able to start
        self._threads: ThreadPoolExecutor | None = None

    def run(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Call all of `tasks` at the same moment and return what they return."""
        if self._threads is None or len(tasks) > self._width:
            self.close()
            self._width = max(len(tasks), self._least)
            self._threads = ThreadPoolExecutor(self._width)
        start = Barrier(len(tasks))

        def one(task: Callable[[], T]) -> T:
            start.wait()
            return task()

        return list(self._threads.map(one, tasks))

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None
