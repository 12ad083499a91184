"""What `serve` shows while it runs: a table on a terminal, elsewhere a line at times.

Asking the exchange takes a moment of its time, so it is asked once a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vestbench.cli.console import is_drawable, live, say_aside
from vestbench.model.simulated import ExchangeCounters
from vestbench.report.sheet import Column, Part, Table, Text, numbers
from vestbench.report.units import plural

ASK_EVERY_S = 1.0
_LINE_EVERY_S = 10.0
_MOST_HOSTS = 10  # a row each; more would leave a small terminal

Take = Callable[[ExchangeCounters], None]


@contextmanager
def shown_live(*, silent: bool) -> Iterator[Take]:
    """Give a function that shows what an exchange has counted so far."""
    if silent:
        yield lambda _: None
    elif is_drawable():
        with live() as draw:
            yield lambda counted: draw(live_parts(counted))
    else:
        yield Lines(say_aside).take


class Lines:
    """Says what was counted, if it is something new and the last line is old enough.

    Args:
        say: Shows a line.
        clock: Returns a time in s, of any origin.
    """

    def __init__(
        self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._clock = say, clock
        self._last = ""
        self._at = clock()

    def take(self, counted: ExchangeCounters) -> None:
        """Take note of what was counted so far."""
        now = self._clock()
        if not counted.connections or now - self._at < _LINE_EVERY_S:
            return
        line = sentence(counted)
        if line != self._last:
            self._last, self._at = line, now
            self._say(line)


def sentence(counted: ExchangeCounters) -> str:
    """Return all that was counted in a few words."""
    reused = sum(host.reused for host in counted.hosts.values())
    return (
        f"{plural(counted.connections, 'connection')}, "
        f"{plural(counted.requests, 'request')}, {reused} reused"
    )


def live_parts(counted: ExchangeCounters) -> Iterator[Part]:
    """Yield what was counted so far: in total, and for each host."""
    yield Text(f"{sentence(counted)}; {counted.open_connections} open", "bold")
    if counted.closes:
        closed = (f"{why} {count}" for why, count in sorted(counted.closes.items()))
        yield Text(f"closed: {', '.join(closed)}", "dim")
    if counted.hosts:
        yield _hosts(counted)


def _hosts(counted: ExchangeCounters) -> Table:
    found = Table(
        "Hosts", [Column("host"), *numbers("connections", "requests", "reused")]
    )
    busiest = sorted(counted.hosts.items(), key=lambda each: -each[1].requests)
    for name, host in busiest[:_MOST_HOSTS]:
        numbers_of = (host.connections, host.requests, host.reused)
        found.add_row(name, *map(str, numbers_of))
    if busiest[_MOST_HOSTS:]:
        found.add_row(f"and {plural(len(busiest) - _MOST_HOSTS, 'other')}")
    return found
