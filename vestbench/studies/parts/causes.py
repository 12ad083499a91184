"""What explains a saving: the only place that names a cause.

A cause is named only if it was measured: as a phase, of requests that were what their
side is called, with the sign of what it is to explain, and so large that less than half
of that is left without it, or without it and the next ones. Where a phase took longer,
what may be behind it is said as a comparison ("as when ..."), because that was not
measured. Of a stack that shows no phases nothing is named.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from vestbench.model.columns import COLUMNS
from vestbench.model.record import Record, asdict
from vestbench.model.request import NS_PER_MS, Sample
from vestbench.model.run import Run
from vestbench.report.units import ms, plural
from vestbench.stats.decision import MedianSummary
from vestbench.stats.diagnostics import STALL_MS, Plateau, plateau
from vestbench.stats.metrics import Group
from vestbench.studies.parts.answers import Answers, Difference, differences
from vestbench.studies.parts.breakdown import Breakdown, breakdown_of
from vestbench.studies.parts.groups import GroupTally
from vestbench.studies.parts.interruptions import is_interrupted
from vestbench.studies.parts.route import is_relayed

# A difference larger than both is explained, not hidden.
_SMALL_MS, _SMALL_SHARE = 2.0, 0.1
_LEAST_PART = 0.1  # of what is explained
# What both ends may compute for a handshake beyond its round trips; it is measured
# only as a part of the phases.
_COMPUTING_MS = 5.0

# The phases in which an answer waits for a delayed acknowledgement: of the request, or
# of the header, if the body is written after it.
_STALLED = ("wait", "receive")
# How many requests are looked at for signs of something unusual.
LOOKED_AT = 100_000

# What a phase looks like that takes longer on the side that opens connections.
_OPENING = {
    "unanswered": "an address did not answer",
    "connect": "the client waits before it connects, or connects more than once",
    "tls": "one end computes or waits, or a handshake needs further round trips",
    "send": "a large request has to wait for acknowledgements on a new connection",
    "wait": "the server is slower on new connections",
    "receive": "a large response comes on a connection that still starts slowly",
    "client": "the HTTP library does some work once for each connection",
}
# And on the side that keeps them.
_KEEPING = {
    "wait": "the server is slower on connections that it knows",
    "client": "the HTTP library does some work before it reuses a connection",
}
_STALL = "an acknowledgement is delayed (about 40 ms)"


class Stall(Plateau, frozen=True, kw_only=True):
    """Requests that took about 40 ms longer in one phase than on the other side."""

    phase: str


class Explained(Record, frozen=True, kw_only=True):
    """What explains the difference of two sides."""

    # None where there is no saving to take apart.
    breakdown: Breakdown | None = None
    plateau: Stall | None = None
    differing: tuple[Difference, ...] = ()  # in what the two were answered otherwise


class Side:
    """Takes the requests of one side that were what it is called, one by one."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self.tally = GroupTally()
        self.answers = Answers()
        self.versions: set[str] = set()  # of TLS, on connections that were opened
        self.stalled = {name: array("d") for name in _STALLED}
        for sample in samples:
            self.add(sample)

    def add(self, sample: Sample) -> None:
        """Take one request."""
        self.tally.add(sample)
        self.answers.add(sample)
        if not sample.reused:
            self.versions.add(sample.tls_version)
        if not is_interrupted(sample):
            self._look_at(sample)

    def _look_at(self, sample: Sample) -> None:
        for values, ns in zip(
            self.stalled.values(), (sample.wait_ns, sample.receive_ns), strict=True
        ):
            if ns is not None and len(values) < LOOKED_AT:
                values.append(ns / NS_PER_MS)


def explain(
    control: Side,
    candidate: Side,
    saving: MedianSummary | None,
    rtt: float | None,
    confidence: float,
    *,
    round_trips: tuple[int, int] | None = None,
) -> Explained:
    """Return what explains that the candidate is faster than the control, or slower.

    Args:
        control: The side that opens connections, or opens them at more cost.
        candidate: The side that is to save that.
        saving: The saving in ms, if one can be stated.
        rtt: The round trip of the route, in ms.
        confidence: Of the intervals.
        round_trips: Those of TCP and of TLS that are saved; all of a full handshake.
    """
    ours, theirs = (s.tally.group("", confidence) for s in (control, candidate))
    versions = control.versions | candidate.versions
    return Explained(
        breakdown=breakdown_of(
            ours, theirs, saving, rtt, versions, round_trips=round_trips
        ),
        plateau=_stall(candidate, ours),
        differing=differences(control.answers, candidate.answers),
    )


def _stall(side: Side, others: Group) -> Stall | None:
    for name, values in side.stalled.items():
        found = plateau(values, floor_ms=others.typical(name))
        if found is not None:
            return Stall(phase=name, **asdict(found))
    return None


def too_short(breakdown: Breakdown | None, target: float) -> bool:
    """Say whether it is the route that keeps a saving, which there is, from a target.

    So it is where the round trips of the handshakes, and what they are known to have
    taken beyond those, are less than the target.
    """
    if breakdown is None or breakdown.expected is None:
        return False
    reachable = breakdown.expected + max(0.0, breakdown.beyond_handshakes or 0.0)
    return 0 <= breakdown.saving < target and reachable < target


# --- in words ------------------------------------------------------------------------


class Names(NamedTuple):
    """What the two sides are called."""

    control: str
    candidate: str
    stack: str = ""  # that of the run, if it had only one


def cause_warnings(run: Run, found: Explained, names: Names) -> Iterator[str]:
    """Say what explains a saving where opening connections does not explain it all."""
    if found.plateau is not None:
        yield _stalled(found.plateau, names)
    if found.breakdown is not None:
        yield from _Explaining(run, found.breakdown, names).warnings()
    if found.differing:
        yield _differently(found.differing, names)


def _stalled(found: Stall, names: Names) -> str:
    return (
        f"{plural(found.count, 'request')} of {names.candidate} took "
        f"{ms(found.excess_ms)} ms longer than the others in {found.phase}, which is "
        "how long a delayed acknowledgement takes; if it is one, the server should set "
        "TCP_NODELAY and send header and body in one write"
    )


def _differently(found: Iterable[Difference], names: Names) -> str:
    said = "; ".join(
        f"{each.what} {each.control} for {names.control}, "
        f"{each.candidate} for {names.candidate}"
        for each in found
    )
    return (
        f"{names.control} and {names.candidate} were answered differently: {said}; "
        "what two answers take is not what a connection saves"
    )


class _Explaining:
    """The sentences on one breakdown."""

    def __init__(self, run: Run, breakdown: Breakdown, names: Names) -> None:
        self._run = run
        self._found = breakdown
        self._names = names

    def warnings(self) -> Iterator[str]:
        limit, named = self._limit()
        rest, causes = self._rest()
        if limit:
            yield limit
        if rest and not (limit and causes == named):
            yield rest

    def _limit(self) -> tuple[str, tuple[str, ...]]:
        """Say by how much all of the saving's interval is off the route's limit."""
        found = self._found
        if found.expected is None or found.low is None or found.high is None:
            return "", ()
        small = _SMALL_SHARE * found.expected
        beyond = found.low > found.expected + max(_COMPUTING_MS, small)
        below = found.high < found.expected - max(_SMALL_MS, small)
        if not beyond and (found.has_phases or not below):
            return "", ()
        off = found.saving - found.expected
        parts = self._beyond_round_trips()
        causes = causes_of(parts, off)
        trips = f"{plural(found.round_trips, 'round trip')} of {ms(found.rtt)} ms"
        trips += ", and name resolution" if found.dns else ""
        return (
            f"the saving of {ms(found.saving)} ms is {ms(abs(off))} ms "
            f"{'more' if beyond else 'less'} than the physical limit of "
            f"{ms(found.expected)} ms ({trips}); those {ms(abs(off))} ms are "
            + self._made_of(causes, parts)
        ), causes

    def _rest(self) -> tuple[str, tuple[str, ...]]:
        """Say what the rest of the saving is, if opening does not explain it all."""
        found = self._found
        small = max(_SMALL_MS, _SMALL_SHARE * abs(found.saving))
        if found.rest is None or abs(found.rest) <= small:
            return "", ()
        parts = {name: v for name, v in _parts(found) if name not in COLUMNS.opening}
        causes = causes_of(parts, found.rest)
        return (
            f"opening connections explains {ms(found.opening)} ms of a saving of "
            f"{ms(found.saving)} ms; the difference is " + self._made_of(causes, parts)
        ), causes

    def _made_of(self, causes: tuple[str, ...], parts: Mapping[str, float]) -> str:
        if not self._found.has_phases:
            stack = self._names.stack or self._run.conditions.stack or "the stack"
            return (
                f"not separable, because {stack} shows only the whole call, any name "
                "resolution included"
            )
        if not causes:
            return "in no phase: none explains the larger part"
        taken = parts[causes[0]]
        slower = self._names.control if taken > 0 else self._names.candidate
        each = [f"{name} ({ms(parts[name], signed=True)} ms)" for name in causes]
        said = f"mostly {' and '.join(each)}, longer for {slower}"
        return said + self._as(causes[0], taken)

    def _as(self, cause: str, taken: float) -> str:
        """Say what it is like, where one side opens connections."""
        opening = self._found.opening or 0.0
        like = ""
        if taken * opening > 0:
            like = _OPENING.get(cause, "")
        elif opening:
            stalls = STALL_MS[0] <= abs(taken) <= STALL_MS[1] and cause in _STALLED
            like = _STALL if stalls else _KEEPING.get(cause, "")
        return f", as when {like}" if like else ""

    def _beyond_round_trips(self) -> dict[str, float]:
        """Return each part of the saving without what the route explains of it, in ms.

        A relay cannot tell the handshakes from each other.
        """
        found, rtt = self._found, self._found.rtt or 0.0
        tls = found.round_trips - found.tcp_round_trips
        known = {"connect": found.tcp_round_trips * rtt, "tls": tls * rtt}
        known["dns"] = found.dns or 0.0
        parts = {name: value - known.get(name, 0.0) for name, value in _parts(found)}
        if is_relayed(self._run):
            together = sum(parts.pop(name, 0.0) for name in COLUMNS.shaken)
            parts["+".join(COLUMNS.shaken)] = together
        return parts


def causes_of(parts: Mapping[str, float], amount: float) -> tuple[str, ...]:
    """Return the parts that explain an amount, all in ms, the largest first.

    None does unless less than half of the amount is left without it. Others are named
    beside it where more than a quarter is left, each of a tenth of the amount or more.
    """
    found, left = [], amount
    for name in sorted(parts, key=lambda each: parts[each] / amount, reverse=True):
        rest = left - parts[name]
        is_small = parts[name] / amount < _LEAST_PART or abs(rest) >= abs(left)
        if is_small or abs(left) <= abs(amount) / 4:
            break
        found.append(name)
        left = rest
    return tuple(found) if abs(left) < abs(amount) / 2 else ()


def _parts(breakdown: Breakdown) -> Iterator[tuple[str, float]]:
    for column in COLUMNS.parts:
        part = breakdown.part(column.title)
        if part is not None:
            yield column.title, part
