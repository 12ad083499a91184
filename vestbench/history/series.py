"""Stored runs in a row: what each of them found, and where that changed.

Runs are put in one series only if they are of the same things, and savings are in round
trips, as `stored` compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from vestbench.history.stored import FEWEST, savings_ms, what_is_compared
from vestbench.model.run import Run
from vestbench.stats.decision import MedianSummary
from vestbench.stats.trend import ChangePoint, Newest, change_points, newest_run
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.compare.summary import summarise_compare
from vestbench.studies.parts.groups import Acceptance
from vestbench.studies.parts.quantities import COMPARING
from vestbench.studies.parts.route import is_relayed, round_trip_ms
from vestbench.studies.starts.connect_summary import summarise_connect
from vestbench.studies.starts.warmup_summary import summarise_warm_up

# Below this a round trip is no measure: what computing takes is many times as much.
SHORTEST_ROUTE_MS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
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
    n: int  # savings: one a session or round; requests where nothing is compared
    saving: MedianSummary | None  # ms; of the first candidate, or step of a start
    acceptance: Acceptance | None  # None where the run decides nothing
    level: float | None  # median saving in the unit; None if it cannot join a series
    unit: str  # round trips, or ms where the route is too short or not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Runs of the same things, in the order in which they were made."""

    entries: tuple[Entry, ...]
    changes: tuple[ChangePoint, ...]  # places among the entries that have a level
    newest: Newest | None  # None with too few runs since the last change

    @property
    def first(self) -> Entry:
        """The first run; what they all have in common can be read off it."""
        return self.entries[0]

    @property
    def levels(self) -> tuple[float, ...]:
        """The savings of those runs that have one, in the unit."""
        return tuple(e.level for e in self.entries if e.level is not None)


def entry_of(run: Run) -> Entry:
    """Return what a run found, in a line."""
    conditions = run.conditions
    n, saving, acceptance = _finding(run)
    level, unit = _level(run, acceptance)
    return Entry(
        started=run.started,
        command=run.command,
        label=run.label,
        venue=str(conditions.get("venue", "")),
        endpoint=str(conditions.get("endpoint", "")),
        stack=str(conditions.get("stack", "")),
        host=str(conditions.get("host", "")),
        simulated=bool(conditions.get("simulated", False)),
        link=_link(run),
        compared=what_is_compared(run),
        n=n,
        saving=saving,
        acceptance=acceptance,
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


def _finding(run: Run) -> tuple[int, MedianSummary | None, Acceptance | None]:
    if run.command == "compare":
        found = summarise_compare(run)
        pair = found.pairs[0]
        stated = pair.acceptance is not Acceptance.INVALID and pair.rounds > 1
        return pair.rounds, pair.saving if stated else None, found.acceptance
    if run.command == "bench":
        bench = summarise_bench(run)
        n = bench.saving.rounds if bench.saving is not None else 0
        return n, bench.saving if n > 1 else None, bench.acceptance
    if run.command == "connect":
        steps = summarise_connect(run).steps
        if not steps or steps[0].rounds < 2:
            return 0, None, None
        return steps[0].rounds, steps[0].saving, None
    if run.command != "warmup":
        return len(run.outcomes), None, None
    warm_up = summarise_warm_up(run)
    return warm_up.rounds, warm_up.saving if warm_up.rounds > 1 else None, None


def _level(run: Run, acceptance: Acceptance | None) -> tuple[float | None, str]:
    """Return the saving that may be compared with other runs', and its unit.

    There is none of an invalid run: what it calls pooled was not.
    """
    rtt = round_trip_ms(run)
    in_trips = rtt is not None and rtt >= SHORTEST_ROUTE_MS
    unit = "round trips" if in_trips else "ms"
    savings = savings_ms(run) if run.command in COMPARING else []
    if acceptance is Acceptance.INVALID or len(savings) < FEWEST:
        return None, unit
    return median(savings) / (rtt if in_trips and rtt else 1.0), unit


def _link(run: Run) -> str:
    if not run.conditions.get("simulated", False):
        return ""
    link = run.conditions.get("link", {})
    parts = [f"RTT {link.get('rtt_ms', 0):g} ms"]
    for name, unit in (("jitter_ms", " ms"), ("loss", ""), ("drift_ms_per_s", " ms/s")):
        if link.get(name):
            parts.append(f"{name.split('_')[0]} {link[name]:g}{unit}")
    if is_relayed(run):
        parts.append("relay")
    parts.append(f"TLS {run.conditions.get('exchange', {}).get('tls', '?')}")
    return ", ".join(parts)
