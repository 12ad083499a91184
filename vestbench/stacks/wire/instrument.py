"""What the connections of one client share: clock, limits, and the stamps under way."""

from __future__ import annotations

import itertools
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import perf_counter_ns

from vestbench.kernel.timestamps import KernelStamps
from vestbench.model.client import PoolSettings
from vestbench.model.request import NS_PER_S
from vestbench.stacks.wire.connecting import (
    Resolver,
    keepalive_options,
    system_resolver,
)
from vestbench.stacks.wire.connection import Connection
from vestbench.stacks.wire.keeping import Rules
from vestbench.stacks.wire.timestamps import Timestamps

_MOST_LOST = 256


class _PerThread(threading.local):
    stamps: Timestamps | None = None


class Instrument:
    """Keeps the stamps of the exchange that each thread is in.

    A library that does all the work of a request in the calling thread needs no other
    way to tell which exchange a read or a write belongs to.

    Args:
        settings: Gives the timeouts and the TCP keep-alive.
        resumes: Offer the last TLS session of a host to a new connection to it.
        clock: Nanoseconds, monotonic.
        resolve: Takes a host and a port and gives address families and addresses.
        serials: Numbers the connections; shared by instruments whose connections must
            not have the same number.
        concurrency: The most requests that are under way at once.
        kernel_timestamps: Ask the kernel when each request left and its answer came.
    """

    def __init__(
        self,
        settings: PoolSettings,
        *,
        resumes: bool = False,
        clock: Callable[[], int] = perf_counter_ns,
        resolve: Resolver = system_resolver,
        serials: Iterator[int] | None = None,
        concurrency: int = 1,
        kernel_timestamps: bool = False,
    ) -> None:
        self.sessions: dict[str | None, ssl.SSLSession] | None = {} if resumes else None
        self.kernel_timestamps = kernel_timestamps
        self.clock = clock
        self.resolve = resolve
        self.socket_options = keepalive_options(settings.tcp_keepalive_s)
        self.serials = itertools.count(1) if serials is None else serials
        self.connect_budget_ns = int(settings.connect_timeout_s * NS_PER_S)
        self._request_budget_ns = int(settings.request_timeout_s * NS_PER_S)
        self.rules = Rules.of(settings, concurrency)
        # Connections that had served and have ended; a request that opens one opens it
        # in place of the first of them.
        self.lost: deque[Connection] = deque(maxlen=_MOST_LOST)
        self._thread = _PerThread()

    def begin(self, *, joins: bool = False) -> Timestamps:
        """Start the stamps of the next exchange of the calling thread.

        Args:
            joins: The request has a body, which is to leave together with its header,
                as hyper sends it; most libraries of Python write them one after the
                other, which makes two TCP segments.
        """
        stamps = Timestamps(self.clock() + self._request_budget_ns, joins)
        if self.kernel_timestamps:
            stamps.kernel = KernelStamps()
        self._thread.stamps = stamps
        return stamps

    def current(self) -> Timestamps:
        """Return the stamps of the exchange that this thread is in."""
        stamps = self._thread.stamps
        if stamps is None:  # something outside an exchange, such as closing the pool
            stamps = self.begin()
        return stamps

    def remaining_s(self, deadline_ns: int) -> float:
        """Return the seconds left until `deadline_ns`; zero or less when it passed."""
        return (deadline_ns - self.clock()) / NS_PER_S
