"""Several requests at the same moment, each from a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

T = TypeVar("T")


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
