"""What is known of each request, as columns: one record for each, in one registry.

A column that is registered here stands in result files, in CSV, on pages and, if it is
a duration or a phase, in the figures that are made of those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from sys import intern
from typing import Any, TypeAlias

from vestbench.model.request import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
)

_LONGEST_MS = 9e9  # over three months; up to here six decimals are exact in a float


# --- values in files and in tables ---------------------------------------------------


def same(value: Any) -> Any:
    """Return what is given: a value that stands in files as it is in a record."""
    return value


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How a value stands in a result file and in a table.

    TOML has no null: what is absent is `nan`, -1, 0 or "unknown" there.
    """

    type: type  # in the file
    write: Callable[[Any], Any] = same
    read: Callable[[Any], Any] = same
    text: Callable[[Any], str] = _plain  # in a table, where an absent value is empty
    suffix: str = ""  # of the field, where "_ms" is the column's


def _ms(ns: int | None) -> float:
    return math.nan if ns is None else round(ns / NS_PER_MS, 6)


def _ns(ms: float) -> int:
    if not 0 <= ms <= _LONGEST_MS:
        raise ValueError(f"{ms} ms is not a duration")
    return round(ms * NS_PER_MS)


def _ns_or_none(ms: float) -> int | None:
    return None if math.isnan(ms) else _ns(ms)


def _offset_ns(ms: float) -> int | None:
    """Read what may be negative as well as absent."""
    return -_ns(-ms) if ms < 0 else _ns_or_none(ms)


def _us(ms: float) -> int | None:
    return None if math.isnan(ms) else round(_ns(ms) / 1000)


def _tristate(value: str) -> bool | None:
    known = {"unknown": None, "true": True, "false": False}
    if value not in known:
        raise ValueError(f"{value!r} is neither true, false nor unknown")
    return known[value]


def _time(read: Callable[[float], Any]) -> Codec:
    """Return how integer nanoseconds stand: in ms, exact to the nanosecond."""
    return Codec(
        type=float,
        write=_ms,
        read=read,
        text=lambda ns: f"{ns / NS_PER_MS:.6f}",
        suffix="_ns",
    )


INTEGER, FLAG, TEXT = Codec(type=int), Codec(type=bool), Codec(type=str)
TIME, TIME_OR_NONE, OFFSET_OR_NONE = _time(_ns), _time(_ns_or_none), _time(_offset_ns)
MICROS_OR_NONE = Codec(
    type=float,
    write=lambda us: math.nan if us is None else us / 1000,
    read=_us,
    text=lambda us: f"{us / 1000:.3f}",
    suffix="_us",
)
SECONDS_OR_NONE = Codec(
    type=float,
    write=lambda seconds: math.nan if seconds is None else float(seconds),
    read=lambda seconds: None if math.isnan(seconds) else seconds,
)
COUNT_OR_NONE = Codec(
    type=int,
    write=lambda count: -1 if count is None else count,
    read=lambda count: None if count < 0 else count,
)
STATUS_OR_NONE = Codec(
    type=int, write=lambda status: status or 0, read=lambda status: status or None
)
FLAG_OR_NONE = Codec(
    type=str,
    write=lambda flag: "unknown" if flag is None else str(flag).lower(),
    read=_tristate,
)
ROLE = Codec(type=str, write=str, read=Role)
FAILURE_KIND = Codec(type=str, write=str, read=FailureKind)


# --- columns -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a phase of a request is like.

    Attributes:
        network: It belongs to the network, not to the program that sends.
        opens: It is part of opening a connection, and absent where one is reused.
        shakes: It is part of a handshake; a relay cannot tell these from each other.
        always: Every request has it, or nothing is known of any phase.
        words: What it is called where there is room for words.
    """

    network: bool = True
    opens: bool = False
    shakes: bool = False
    always: bool = False
    words: str = ""


Getter: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Its value is in the field of the records that is called like it, with `_ns` or `_us`
    for `_ms`; where they have no such field, it is in their `extra` by that name.

    Attributes:
        name: With its unit, if it has one: `dns_ms`.
        about: What it says.
        codec: How a value stands in a file and in a table.
        page: Place in the table of a page: low ones come first, and those with the same
            place in the order of the registry. None is left out there.
        of: The types of the records that have it; none where it is derived.
        failures: How the value of a failure stands in a file, if that is different.
        derived: How to get the value where no file holds it.
        optional: Left out of a block of a file in which it is always absent.
        metric: A duration of whose values groups show the distribution.
        phase: What it is like, if it is a phase; every phase is a metric.
    """

    name: str
    about: str
    codec: Codec
    page: int | None = None
    of: tuple[type, ...] = (Sample,)
    failures: Codec | None = None
    derived: Getter | None = None
    optional: bool = False
    metric: bool = False
    phase: Phase | None = None

    @property
    def title(self) -> str:
        """The name without the unit, as tables of durations show it."""
        return self.name.removesuffix("_ms")

    @property
    def field(self) -> str:
        """The name of the field that holds the value."""
        suffix = self.codec.suffix
        # As a name of an argument it is looked up faster if it is the very same string.
        return intern(self.title + suffix if suffix else self.name)

    @property
    def is_number(self) -> bool:
        """Whether tables show it on the right."""
        return self.codec.type in (int, float)

    def is_extra(self, record: type) -> bool:
        """Say whether records of this type have no field for it."""
        holder = Slot if Slot in self.of else record
        return not hasattr(holder, self.field)

    def getter(self, record: type) -> Getter:
        """Return how to get the value, or None, of a record of this type."""
        if self.derived is not None:
            return self.derived
        field = self.field
        if self.is_extra(record):
            return lambda outcome: (outcome.extra or {}).get(field)
        return attrgetter(f"slot.{field}" if Slot in self.of else field)

    def stored(self, record: type) -> Codec:
        """Return how the value of a record of this type stands in a file."""
        return self.failures or self.codec if record is Failure else self.codec

    def shown(self, outcome: Outcome) -> str:
        """Return the value in a table; empty where there is none."""
        value = self.getter(type(outcome))(outcome)
        return "" if value is None else self.codec.text(value)


def _file_order(column: Column) -> tuple[bool, bool, bool]:
    """Order columns in a file: times first, and last what may be left out."""
    last = column.optional
    return last, last and column.phase is not None, column.codec.suffix != "_ns"


class Columns:
    """The registry: all columns, in the order of a table that shows all.

    Attributes:
        metrics: The durations whose distributions groups show.
        parts: The phases in the order in which they happen, and the client's own time,
            which is what is left of the latency.
        opening: The titles and words of the phases that an open connection saves.
        shaken: The titles of the phases of handshakes.
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        self._change(tuple(columns))

    def _change(self, columns: tuple[Column, ...]) -> None:
        self.all = columns
        self.metrics = tuple(c for c in columns if c.metric or c.phase is not None)
        self.parts = tuple(c for c in columns if c.phase or (c.metric and c.derived))
        phases = [(column, column.phase) for column in columns if column.phase]
        self.opening = {c.title: p.words or c.title for c, p in phases if p.opens}
        self.shaken = tuple(column.title for column, phase in phases if phase.shakes)
        self._phases = tuple((c.getter(Sample), phase) for c, phase in phases)

    def register(self, column: Column, *, before: str = "") -> None:
        """Take one more column, in front of the one called `before` or behind all."""
        names = [each.name for each in self.all]
        place = names.index(before) if before else len(names)
        self._change((*self.all[:place], column, *self.all[place:]))

    def remove(self, column: Column) -> None:
        """Forget a column."""
        self._change(tuple(each for each in self.all if each is not column))

    def in_file(self, record: type) -> list[Column]:
        """Return the columns of samples or of failures in a file, the slot's first."""
        slot = [column for column in self.all if Slot in column.of]
        own = [column for column in self.all if record in column.of]
        return slot + sorted(own, key=_file_order)

    def on_page(self) -> list[Column]:
        """Return the columns of a page's table."""
        shown = [column for column in self.all if column.page is not None]
        return sorted(shown, key=attrgetter("page"))

    def spent(self, sample: Sample) -> tuple[int, int] | None:
        """Return the sum of the phases of the network, and that of the others, in ns.

        None where the phases are not known.
        """
        network = others = 0
        for value_of, phase in self._phases:
            ns = value_of(sample)
            if ns is None:
                if phase.always:
                    return None
            elif phase.network:
                network += ns
            else:
                others += ns
        return network, others


def network_ns(sample: Sample) -> int | None:
    """Return the sum of the phases of the network, in ns; None where not known."""
    spent = COLUMNS.spent(sample)
    return None if spent is None else spent[0]


def client_ns(outcome: Outcome) -> int | None:
    """Return the latency minus all phases: what the HTTP library itself costs, in ns.

    None for a failure, and where the phases are not known.
    """
    if isinstance(outcome, Failure):
        return None
    spent = COLUMNS.spent(outcome)
    return None if spent is None else outcome.latency_ns - sum(spent)


def _outcome(outcome: Outcome) -> str:
    return "failed" if isinstance(outcome, Failure) else "answered"


_SLOT, _FAILURE, _BOTH = (Slot,), (Failure,), (Sample, Failure)
_RESOLVED = Phase(opens=True, words="name resolution")
_CONNECTED = Phase(opens=True, shakes=True, words="TCP connect")
_SECURED = Phase(opens=True, shakes=True, words="TLS handshake")
_EXCHANGED = Phase(always=True)
_NOT_HAPPENED = "phase; empty where it did not happen"


COLUMNS = Columns(
    (
        Column(
            "session", "serial of the session or round, from 0", INTEGER, 0, of=_SLOT
        ),
        Column("index", "place in the session or round, from 0", INTEGER, 0, of=_SLOT),
        Column("role", "what the plan intended", ROLE, 1, of=_SLOT),
        Column("arm", "arm of a comparison, or sort of start", TEXT, 0, of=_SLOT),
        Column("outcome", "`answered` or `failed`", TEXT, 2, of=(), derived=_outcome),
        Column("kind", "why it failed", FAILURE_KIND, 3, of=_FAILURE),
        Column("detail", "what the failure said", TEXT, of=_FAILURE),
        Column(
            "status",
            "HTTP status, where there was one",
            INTEGER,
            2,
            of=_BOTH,
            failures=STATUS_OR_NONE,
        ),
        Column("start_ms", "since the start of the run", TIME, 2, of=_BOTH),
        Column(
            "latency_ms",
            "from the call to the body drained; empty for a failure",
            TIME,
            2,
            metric=True,
        ),
        Column(
            "elapsed_ms",
            "what a failure took; empty for a sample",
            TIME,
            2,
            of=_FAILURE,
        ),
        Column(
            "sign_ms",
            "phase; empty where it was signed before, or not at all",
            TIME_OR_NONE,
            optional=True,
            phase=Phase(network=False),
        ),
        Column("dns_ms", _NOT_HAPPENED, TIME_OR_NONE, 2, phase=_RESOLVED),
        Column("connect_ms", _NOT_HAPPENED, TIME_OR_NONE, 2, phase=_CONNECTED),
        Column("tls_ms", _NOT_HAPPENED, TIME_OR_NONE, 2, phase=_SECURED),
        Column("send_ms", "phase", TIME_OR_NONE, 2, phase=_EXCHANGED),
        Column("wait_ms", "phase", TIME_OR_NONE, 2, phase=_EXCHANGED),
        Column("receive_ms", "phase", TIME_OR_NONE, 2, phase=_EXCHANGED),
        Column(
            "client_ms",
            "the latency minus the phases",
            TIME_OR_NONE,
            2,
            of=(),
            derived=client_ns,
            metric=True,
        ),
        Column(
            "reused",
            "proved: `true` or `false`",
            FLAG,
            2,
            of=_BOTH,
            failures=FLAG_OR_NONE,
        ),
        Column("connection", "serial of the connection", INTEGER, 2),
        Column("use", "which request on its connection, from 1", INTEGER),
        Column("local_port", "of the connection", INTEGER),
        Column("resumed", "whether the connection resumed a TLS session", FLAG),
        Column("http_version", "as negotiated", TEXT),
        Column("tls_version", "as negotiated", TEXT),
        Column("cipher", "as negotiated", TEXT),
        Column("remote", "address and port of the peer", TEXT),
        Column("rtt_ms", "the kernel's round trip after the request", MICROS_OR_NONE),
        Column(
            "syn_rtt_ms", "the kernel's round trip of the handshake", MICROS_OR_NONE
        ),
        Column("retransmits", "segments sent again during the request", COUNT_OR_NONE),
        Column("body_bytes", "length of the response's body", INTEGER),
        Column(
            "kernel_send_ms",
            "from the first write to the departure; empty if not asked",
            OFFSET_OR_NONE,
            optional=True,
        ),
        Column(
            "kernel_receive_ms",
            "from the arrival to the read; empty if not asked",
            OFFSET_OR_NONE,
            optional=True,
        ),
        Column("retry_after_s", "what a 429 asked for", SECONDS_OR_NONE, of=_FAILURE),
    )
)
