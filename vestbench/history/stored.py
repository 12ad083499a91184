"""Two stored runs against each other: savings, never latencies.

A stored run cannot be paired or randomised against another, so a difference of
latencies may be one of the days. Savings in round trips do not move with the route;
with a margin of 10 % they raised no false alarm in the simulations behind this rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from vestbench.history.changes import differences
from vestbench.model.record import Record
from vestbench.model.run import Run
from vestbench.model.verdict import Change
from vestbench.report.sheet import GAP, Part, Table, Text, numbers, warning_line
from vestbench.report.units import ABSENT, fixed, ms, plural
from vestbench.stats.shift import BaselineVerdict, compare_with_baseline
from vestbench.studies.judging import saving_of
from vestbench.studies.parts.route import round_trip_ms
from vestbench.studies.registry import study_of

MARGIN = 0.10  # of the median saving then

# Fewer savings than this on either side give no interval worth the name.
FEWEST = 6


class StoredSide(Record, frozen=True, kw_only=True):
    """One of the two runs."""

    started: str
    host: str
    n: int  # savings: one a session or round
    failures: int  # requests without a response, and so without a saving
    median_saving: float  # in the unit
    median_saving_ms: float
    rtt_ms: float | None


class StoredComparison(Record, frozen=True, kw_only=True):
    """What can be said of two stored runs."""

    then: StoredSide | None  # None without a single saving
    now: StoredSide | None
    unit: str  # round trips, or ms where one of them knows no round trip
    verdict: BaselineVerdict | None  # None if there are too few savings
    differing: tuple[str, ...]  # what makes them runs of different things
    notable: tuple[str, ...]  # what else differs, and may be why

    @property
    def change(self) -> Change | None:
        """What has become of the saving; None if there are too few."""
        return None if self.verdict is None else self.verdict.change


def compare_stored(then: Run, now: Run, *, confidence: float) -> StoredComparison:
    """Compare the savings of two stored runs."""
    found = [saving_of(run) for run in (then, now)]
    both = [saving.each for saving in found]
    trips = [round_trip_ms(run) for run in (then, now)]
    in_trips = all(trips)
    scaled = [
        [saving / rtt for saving in savings] if in_trips and rtt else savings
        for savings, rtt in zip(both, trips, strict=True)
    ]
    verdict = None
    if min(map(len, scaled)) >= FEWEST:
        margin = MARGIN * abs(median(scaled[0]))
        verdict = compare_with_baseline(
            scaled[0], scaled[1], margin=margin, confidence=confidence
        )
    return StoredComparison(
        then=_side(then, both[0], scaled[0], trips[0]),
        now=_side(now, both[1], scaled[1], trips[1]),
        unit="round trips" if in_trips else "ms",
        verdict=verdict,
        differing=_differences(then, now, ("venue", "endpoint", "stack")),
        notable=_differences(then, now, ("host", "command", "strategy", "TLS version")),
    )


def _side(
    run: Run, savings_ms: Sequence[float], scaled: Sequence[float], rtt: float | None
) -> StoredSide | None:
    if not savings_ms:
        return None
    return StoredSide(
        started=f"{run.started:%Y-%m-%d %H:%M} UTC",
        host=run.conditions.host,
        n=len(savings_ms),
        failures=len(run.failures),
        median_saving=median(scaled),
        median_saving_ms=median(savings_ms),
        rtt_ms=rtt,
    )


def _differences(then: Run, now: Run, names: Sequence[str]) -> tuple[str, ...]:
    first, second = _facts(then), _facts(now)
    return tuple(name for name in names if first[name] != second[name])


def _facts(run: Run) -> Mapping[str, Any]:
    conditions = run.conditions
    return {
        "venue": conditions.venue,
        "endpoint": conditions.endpoint,
        "stack": conditions.stack,
        "host": conditions.host,
        "command": run.command,
        "strategy": study_of(run).saving(run).compared,
        "TLS version": {sample.tls_version for sample in run.samples},
    }


_STYLES = {
    "REGRESSED": "bold red",
    "IMPROVED": "bold green",
    "NO CHANGE SHOWN": "bold yellow",
}


def stored_report(found: StoredComparison, then: str, now: str) -> list[Part]:
    """Return what two stored runs say, and what they cannot say."""
    return [
        _sentence(found),
        GAP,
        Text(f"then  {then}"),
        Text(f"now   {now}"),
        _table(found),
        Text(
            "Savings are compared, never latencies: runs of different times cannot be "
            "paired, so a difference of latencies may be one of the days. To compare "
            "two versions, run both interleaved.",
            "dim",
        ),
        *map(warning_line, _warnings(found)),
    ]


def _sentence(found: StoredComparison) -> Text:
    verdict = found.verdict
    if verdict is None:
        return Text(f"Too few savings to compare: at least {FEWEST} on either side.")
    change = str(verdict.change)
    line = Text("The saving: ").append(change, _STYLES.get(change, "bold"))
    ends = f"[{fixed(verdict.shift.low, 2)}, {fixed(verdict.shift.high, 2)}]"
    line.append(
        f"  {fixed(verdict.shift.estimate, 2, signed=True)} {found.unit} {ends}"
    )
    return line.append(f", margin {fixed(verdict.margin, 2)}")


def _table(found: StoredComparison) -> Table:
    figures = numbers("savings", f"median, {found.unit}", "ms", "RTT ms")
    table = Table("Savings then and now", ["", "started", *figures])
    for name, side in (("then", found.then), ("now", found.now)):
        if side is None:
            table.add_row(name, ABSENT, "0", ABSENT, ABSENT, ABSENT)
            continue
        table.add_row(
            name,
            side.started,
            str(side.n),
            fixed(side.median_saving, 2),
            ms(side.median_saving_ms),
            ms(side.rtt_ms),
        )
    return table


def _warnings(found: StoredComparison) -> Iterator[str]:
    yield from differences(found.differing, found.notable)
    for name, side in (("then", found.then), ("now", found.now)):
        if side is not None and side.failures:
            yield (
                f"{name}: {plural(side.failures, 'request')} failed; there is no "
                "saving of these, and none is counted"
            )
    if found.unit == "ms":
        yield (
            "one of the runs knows no round trip, so savings are compared in ms: a "
            "change of the route looks like one of the client"
        )
