"""Stored runs in a row: what each of them found, and where that changed.

Runs are put in one series only if they are of the same things, and savings are in round
trips, as `stored` compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from vestbench.history.stored import FEWEST
from vestbench.model.record import Record
from vestbench.model.run import Run
from vestbench.model.verdict import Verdict
from vestbench.stats.decision import MedianSummary
from vestbench.stats.trend import ChangePoint, Newest, change_points, newest_run
from vestbench.studies.base import Saving
from vestbench.studies.judging import saving_of
from vestbench.studies.parts.conditions import link_parts
from vestbench.studies.parts.route import is_relayed, round_trip_ms

# Below this a round trip is no measure: what computing takes is many times as much.
SHORTEST_ROUTE_MS = 1.0


class Entry(Record, frozen=True, kw_only=True):
    """One stored run, in a line."""

    started: datetime
    command: str
    label: str
    venue: str
    endpoint: str
    stack: str
    host: str
    simulated: bool
    link: str  # of the simulated venue, such as "RTT 30 ms, TLS 1.3"; else empty
    compared: str  # such as "pooled against unpooled"
    n: int  # savings
    n_of: str  # that each of them is of: session or round
    saving: MedianSummary | None  # ms; of the first candidate, or step of a start
    acceptance: Verdict | None  # None where the run decides nothing
    level: float | None  # median saving in the unit; None if it cannot join a series
    unit: str  # round trips, or ms where the route is too short or not known


class Series(Record, frozen=True, kw_only=True):
    """Runs of the same things, in the order in which they were made."""

    entries: tuple[Entry, ...]
    changes: tuple[ChangePoint, ...]  # places among the entries that have a level
    newest: Newest | None  # None with too few runs since the last change

    @property
    def first(self) -> Entry:
        """The first run; it tells what all have in common."""
        return self.entries[0]

    @property
    def levels(self) -> tuple[float, ...]:
        """The savings, in the unit, of the runs that have one."""
        return tuple(e.level for e in self.entries if e.level is not None)


def entry_of(run: Run) -> Entry:
    """Return what a run found, in a line."""
    conditions = run.conditions
    found = saving_of(run)
    level, unit = _level(run, found)
    return Entry(
        started=run.started,
        command=run.command,
        label=run.label,
        venue=conditions.venue,
        endpoint=conditions.endpoint,
        stack=conditions.stack,
        host=conditions.host,
        simulated=bool(conditions.simulated),
        link=_link(run),
        compared=found.compared,
        n=found.n,
        n_of=found.n_of,
        saving=found.median,
        acceptance=found.acceptance,
        level=level,
        unit=unit,
    )


def series_of(entries: Iterable[Entry]) -> tuple[Series, ...]:
    """Return the runs of the same things together, and where their saving changed.

    The same are venue, endpoint, stack and host; and what is compared over which link,
    because the share of computing in a saving depends on it.
    """
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: e.started):
        same = (entry.venue, entry.endpoint, entry.stack, entry.host)
        key = (*same, entry.compared, entry.link, entry.unit)
        groups.setdefault(key, []).append(entry)
    return tuple(_series(groups[key]) for key in sorted(groups))


def _series(entries: Sequence[Entry]) -> Series:
    levels = [entry.level for entry in entries if entry.level is not None]
    return Series(
        entries=tuple(entries),
        changes=change_points(levels),
        newest=newest_run(levels),
    )


def _level(run: Run, found: Saving) -> tuple[float | None, str]:
    """Return the saving in a unit common to all runs; None if the run is invalid.

    It is the figure that the run's own report shows.
    """
    rtt = round_trip_ms(run)
    in_trips = rtt is not None and rtt >= SHORTEST_ROUTE_MS
    unit = "round trips" if in_trips else "ms"
    saving = found.median
    if saving is None or len(found.each) < FEWEST:
        return None, unit
    if saving.median_lo != saving.median_hi:  # failures leave it open
        return None, unit
    return saving.median_lo / (rtt if in_trips and rtt else 1.0), unit


def _link(run: Run) -> str:
    if not run.conditions.simulated:
        return ""
    link, exchange = run.conditions.link, run.conditions.exchange
    parts = [f"RTT {link.rtt_ms if link is not None else 0:g} ms", *link_parts(link)]
    if is_relayed(run):
        parts.append("relay")
    parts.append(f"TLS {exchange.tls if exchange is not None else '?'}")
    return ", ".join(parts)
