"""What a saving should be made of, phase by phase, and whether the route allows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import isfinite

from vestbench.model.columns import COLUMNS
from vestbench.model.record import Record
from vestbench.report.waterfall import PhaseRows
from vestbench.stats.decision import MedianSummary
from vestbench.stats.metrics import Group
from vestbench.studies.parts.route import tls_round_trips

# What the rest of a saving is called, the part of it that is in no phase, and why.
REST = "the rest"
NO_PHASE = "in no phase"
REST_NOTES = (
    f"{REST}: what opening connections does not explain",
    f"{NO_PHASE}: medians of parts need not add up to the median of the sum",
)

# The share of a latency from which on it is seen in a picture.
_SEEN = 0.01


class Breakdown(Record, frozen=True, kw_only=True):
    """The saving beside what it should be made of. All values in ms.

    Of a stack that shows no phases only the saving and what is expected are known.
    """

    saving: float
    dns: float | None = None  # None where no request of either group has the phase
    connect: float | None = None
    tls: float | None = None
    send: float | None = None  # this and the next three: None where none is known
    wait: float | None = None
    receive: float | None = None
    client: float | None = None
    rtt: float | None  # the route's, by the kernel's account of each handshake
    tls_round_trips: int  # of the control's handshake
    round_trips: int  # that the candidate saves, TCP's included
    tcp_round_trips: int  # those of them that are TCP's
    low: float | None = None  # the ends of the saving's interval; None without one
    high: float | None = None
    expected: float | None  # these round trips, and name resolution
    sign: float | None = None  # None where no request was signed inside the clock
    others: Mapping[str, float] | None = None  # of the columns without a field here

    def part(self, name: str) -> float | None:
        """Return what one phase, or the client's own time, adds to the saving."""
        return (self.others or {}).get(name, getattr(self, name, None))

    @property
    def has_phases(self) -> bool:
        """True where the saving can be taken apart."""
        return self.wait is not None

    @property
    def opening(self) -> float | None:
        """What opening the connection took: name resolution, TCP and TLS."""
        if not self.has_phases:
            return None
        return sum(self.part(name) or 0.0 for name in COLUMNS.opening)

    @property
    def rest(self) -> float | None:
        """What opening the connection does not explain."""
        opening = self.opening
        return None if opening is None else self.saving - opening

    @property
    def in_no_phase(self) -> float | None:
        """What is in no phase: medians of parts need not add up to that of the sum."""
        if self.rest is None:
            return None
        return self.rest - sum(
            self.part(column.title) or 0.0
            for column in COLUMNS.parts
            if column.title not in COLUMNS.opening
        )

    @property
    def beyond_handshakes(self) -> float | None:
        """What TCP and TLS took beyond round trips; a relay charges all to TLS."""
        if self.rtt is None or self.tls is None:
            return None
        return (self.connect or 0.0) + self.tls - self.round_trips * self.rtt

    @property
    def beyond_round_trips(self) -> float | None:
        """What the round trips do not explain, where nothing finer is known."""
        if self.has_phases or self.expected is None:
            return None
        return self.saving - self.expected


def breakdown_of(
    control: Group,
    candidate: Group,
    saving: MedianSummary | None,
    rtt: float | None,
    tls_versions: Collection[str],
    *,
    round_trips: tuple[int, int] | None = None,
) -> Breakdown | None:
    """Return what the saving should be made of; None where there is no saving.

    `control` opens connections, and `candidate` is to save that; both are of requests
    that were what they are called. `round_trips` are those of TCP and of TLS that are
    saved: by default all of a full handshake.
    """
    if saving is None or not isfinite(saving.median_lo):
        return None
    trips = tls_round_trips(tls_versions)
    tcp, tls = (1, trips) if round_trips is None else round_trips
    ends = saving.interval
    known = control.typical("wait") is not None or candidate.typical("wait") is not None

    parts = _parts(control, candidate) if known else {}
    # Phases with a field of their own; those of other columns stand in `others`.
    own = [name for name in parts if name in Breakdown.__struct_fields__]
    fields = {name: parts.pop(name) for name in own}
    return Breakdown(
        saving=saving.median_lo,
        rtt=rtt,
        tls_round_trips=trips,
        round_trips=tcp + tls,
        tcp_round_trips=tcp,
        low=None if ends is None else ends.low,
        high=None if ends is None else ends.high,
        expected=None if rtt is None else (tcp + tls) * rtt + fields.get("dns", 0.0),
        others=parts or None,
        **fields,
    )


def _parts(control: Group, candidate: Group) -> dict[str, float]:
    found = {}
    for column in COLUMNS.parts:
        ours, theirs = control.typical(column.title), candidate.typical(column.title)
        always = column.phase is None or column.phase.always
        if always or ours is not None or theirs is not None:
            found[column.title] = (ours or 0.0) - (theirs or 0.0)
    return found


def phase_rows(groups: Iterable[Group], *, merged: bool) -> PhaseRows:
    """Return the median phases of each group that has phases.

    The client's own time is last: only its sum is known. If all of these are less than
    the median latency, what is missing follows them. `merged` makes one phase of the
    handshakes, which a relay cannot separate.
    """
    return [
        (group.name, _whole(list(_phases(group, merged=merged)), group))
        for group in groups
        if group.metric("client") is not None
    ]


def _whole(phases: list[tuple[str, float]], group: Group) -> list[tuple[str, float]]:
    latency = group.typical("latency") or 0.0
    rest = latency - sum(duration for _, duration in phases)
    seen = isfinite(latency) and rest > _SEEN * latency
    return [*phases, (NO_PHASE, rest)] if seen else phases


def _phases(group: Group, *, merged: bool) -> Iterator[tuple[str, float]]:
    shaken = COLUMNS.shaken if merged else ()
    for column in COLUMNS.parts:
        name, duration = column.title, group.typical(column.title)
        if column.phase is None or not duration:
            continue
        if name not in shaken:
            yield name, duration
        elif name == shaken[-1]:
            together = sum(group.typical(each) or 0.0 for each in shaken)
            yield "+".join(shaken), together
    yield "client", max(0.0, group.typical("client") or 0.0)
