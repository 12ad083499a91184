"""What is known of each request, as columns: one record for each, in one registry.

A column that is registered here stands in result files, in CSV, on pages and, if it is
a duration or a phase, in the figures that are made of those.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from sys import intern
from typing import Any, TypeAlias

from vestbench.errors import InvalidValueError
from vestbench.model.lost import Lost
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
    """Return the value as it is: files and records have it alike."""
    return value


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Codec:
    """How a value stands in a result file and in a table."""

    type: type  # in the file
    write: Callable[[Any], Any] = same
    read: Callable[[Any], Any] = same
    text: Callable[[Any], str] = _plain  # in a table, where an absent value is empty
    suffix: str = ""  # of the field, where "_ms" is the column's


def or_none(codec: Codec, absent: object) -> Codec:
    """Return a codec that writes `absent` for None, which TOML does not have."""

    def write(value: Any) -> Any:
        return absent if value is None else codec.write(value)

    def read(cell: Any) -> Any:
        return None if cell == absent or cell != cell else codec.read(cell)  # or nan

    return replace(codec, write=write, read=read)


def _ns(ms: float) -> int:
    if not 0 <= ms <= _LONGEST_MS:
        raise InvalidValueError(f"expected a duration, got {ms}")
    return round(ms * NS_PER_MS)


def _flag(word: str) -> bool:
    if word not in ("true", "false"):
        raise InvalidValueError(f"expected true, false or unknown, got {word!r}")
    return word == "true"


def _one_of(words: type[StrEnum]) -> Codec:
    known = {str(word): word for word in words}

    def read(cell: str) -> StrEnum:
        if cell not in known:
            raise InvalidValueError(f"expected one of {', '.join(known)}, got {cell!r}")
        return known[cell]

    return Codec(str, str, read)


INTEGER, FLAG, TEXT = Codec(int), Codec(bool), Codec(str)
ROLE, FAILURE_KIND = _one_of(Role), _one_of(FailureKind)
# Integer nanoseconds: in ms with six decimals, so they are exact.
TIME = Codec(
    float,
    lambda ns: round(ns / NS_PER_MS, 6),
    _ns,
    lambda ns: f"{ns / NS_PER_MS:.6f}",
    "_ns",
)
MICROS = Codec(
    float,
    lambda us: us / 1000,
    lambda ms: round(_ns(ms) / 1000),
    lambda us: f"{us / 1000:.3f}",
    "_us",
)
OFFSET = replace(TIME, read=lambda ms: _ns(ms) if ms >= 0 else -_ns(-ms))
TIME_OR_NONE, OFFSET_OR_NONE = or_none(TIME, math.nan), or_none(OFFSET, math.nan)
MICROS_OR_NONE = or_none(MICROS, math.nan)
SECONDS_OR_NONE = or_none(Codec(float, float), math.nan)
COUNT_OR_NONE, STATUS_OR_NONE = or_none(INTEGER, -1), or_none(INTEGER, 0)
TEXT_OR_NONE = or_none(TEXT, "")
LOST_OR_NONE = or_none(_one_of(Lost), "")
FLAG_OR_NONE = or_none(Codec(str, _plain, _flag), "unknown")


# --- columns -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a phase of a request is like."""

    network: bool = True  # of the network, not of the program that sends
    opens: bool = False  # a part of opening a connection, absent where one is reused
    shakes: bool = False  # of a handshake; a relay cannot tell these from each other
    always: bool = False  # every request has it, or nothing is known of any phase
    words: str = ""  # what it is called where there is room


Getter: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Its value is in the field of the records that is called like it, with `_ns` or `_us`
    for `_ms`; where they have no such field, it is in their `extra` by that name.
    """

    name: str  # with its unit, if it has one, such as dns_ms
    about: str
    codec: Codec
    # Place in the table of a page: low ones first, those with the same place in the
    # order of the registry. None is left out there.
    page: int | None = None
    of: tuple[type, ...] = (Sample,)  # records that have it; none where it is derived
    failures: Codec | None = None  # of the value of a failure, if that is different
    derived: Getter | None = None  # gets the value where no file holds it
    optional: bool = False  # left out of a block of a file in which it is always absent
    metric: bool = False  # a duration; groups show the distribution of its values
    phase: Phase | None = None  # what it is like, if it is one; a phase is a metric

    @property
    def title(self) -> str:
        """The name without the unit, as tables of durations show it."""
        return self.name.removesuffix("_ms")

    @property
    def field(self) -> str:
        """The name of the field that holds the value."""
        suffix = self.codec.suffix
        # Interned: the name of an argument is first looked for by identity.
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
    """The registry: all columns, in the order of a table that shows all."""

    def __init__(self, *columns: Column) -> None:
        self.change(columns)

    def change(self, columns: Sequence[Column]) -> None:
        """Replace all columns."""
        self.all = tuple(columns)
        # The durations whose distributions groups show.
        self.metrics = tuple(c for c in columns if c.metric or c.phase is not None)
        # The phases in their order, and what is left of the latency: the client's time.
        self.parts = tuple(c for c in columns if c.phase or (c.metric and c.derived))
        phases = [(column, column.phase) for column in columns if column.phase]
        # Titles and words of what an open connection saves; titles of handshakes.
        self.opening = {c.title: p.words or c.title for c, p in phases if p.opens}
        self.shaken = tuple(column.title for column, phase in phases if phase.shakes)
        self._phases = tuple((c.getter(Sample), phase) for c, phase in phases)

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
        """Return the sums of network phases and of others in ns; None if not known."""
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
    """Return the latency minus all phases, in ns: the HTTP library's own time.

    None for a failure, and where the phases are not known.
    """
    if isinstance(outcome, Failure):
        return None
    spent = COLUMNS.spent(outcome)
    return None if spent is None else outcome.latency_ns - sum(spent)


def _outcome(outcome: Outcome) -> str:
    return "failed" if isinstance(outcome, Failure) else "answered"


_SLOT, _FAILURE, _BOTH = (Slot,), (Failure,), (Sample, Failure)
_DNS = Phase(opens=True, words="name resolution")
_SILENT = Phase(opens=True, words="addresses that did not answer")
_TCP = Phase(opens=True, shakes=True, words="TCP connect")
_TLS = Phase(opens=True, shakes=True, words="TLS handshake")
_EXCHANGE = Phase(always=True)
_REST = "the latency minus the phases"
_PHASE = "phase; empty where it did not happen"
_SIGNED = "phase; empty where it was signed before, or not at all"
_DRAINED = "from the call to the body drained; empty for a failure"
_TYPE = "of the response, without its parameters; empty where it had none"
_LOST = "phase: waiting for addresses that did not answer; empty without one"
_AWAY = "how long the measuring process did not run in it; empty where it did"
_ASLEEP = "how long the machine slept in it; empty where it did not"
_LEFT = "from the first write to the departure; empty if not asked"
_MADE = "connections that the request opened; empty where not known"
_TRIED = "addresses tried for these connections; empty where not known"
_WHO = "addresses that did not answer; empty without one"
_LOST_WHY = "why the connection before could not be used; empty if there was none"
_LOST_IDLE = "how long that had been idle when its end was found"
_LOST_AFTER = "requests that it had carried"
_LOST_SAID = "what an answer had said of its end; empty without such a header"
_INTERIM = "statuses of interim answers, such as 103; empty without one"
_EVENT = "from its first byte to the event that it led to; empty without one"
_CAME = "from the arrival to the read; empty if not asked"

COLUMNS = Columns(
    Column("session", "serial of the session or round, from 0", INTEGER, 0, _SLOT),
    Column("index", "place in the session or round, from 0", INTEGER, 0, _SLOT),
    Column("role", "what the plan intended", ROLE, 1, _SLOT),
    Column("arm", "arm of a comparison, or sort of start", TEXT, 0, _SLOT),
    Column("outcome", "`answered` or `failed`", TEXT, 2, (), derived=_outcome),
    Column("kind", "why it failed", FAILURE_KIND, 3, _FAILURE),
    Column("detail", "what the failure said", TEXT, None, _FAILURE),
    Column(
        "status", "HTTP status, where there was one", INTEGER, 2, _BOTH, STATUS_OR_NONE
    ),
    Column("start_ms", "since the start of the run", TIME, 2, _BOTH),
    Column("latency_ms", _DRAINED, TIME, 2, metric=True),
    Column("elapsed_ms", "what a failure took; empty for a sample", TIME, 2, _FAILURE),
    Column("interrupted_ms", _AWAY, TIME_OR_NONE, None, _BOTH, optional=True),
    Column("suspended_ms", _ASLEEP, TIME_OR_NONE, None, _BOTH, optional=True),
    Column("sign_ms", _SIGNED, TIME_OR_NONE, optional=True, phase=Phase(network=False)),
    Column("dns_ms", _PHASE, TIME_OR_NONE, 2, phase=_DNS),
    Column("unanswered_ms", _LOST, TIME_OR_NONE, optional=True, phase=_SILENT),
    Column("connect_ms", _PHASE, TIME_OR_NONE, 2, phase=_TCP),
    Column("tls_ms", _PHASE, TIME_OR_NONE, 2, phase=_TLS),
    Column("send_ms", "phase", TIME_OR_NONE, 2, phase=_EXCHANGE),
    Column("wait_ms", "phase", TIME_OR_NONE, 2, phase=_EXCHANGE),
    Column("receive_ms", "phase", TIME_OR_NONE, 2, phase=_EXCHANGE),
    Column("client_ms", _REST, TIME, 2, (), derived=client_ns, metric=True),
    Column("reused", "proved: `true` or `false`", FLAG, 2, _BOTH, FLAG_OR_NONE),
    Column("connection", "serial of the connection", INTEGER, 2),
    Column("use", "which request on its connection, from 1", INTEGER),
    Column("local_port", "of the connection", INTEGER),
    Column("resumed", "whether the connection resumed a TLS session", FLAG),
    Column("http_version", "as negotiated", TEXT),
    Column("tls_version", "as negotiated", TEXT),
    Column("cipher", "as negotiated", TEXT),
    Column("remote", "address and port of the peer", TEXT),
    Column("rtt_ms", "the kernel's round trip after the request", MICROS_OR_NONE),
    Column("syn_rtt_ms", "the kernel's round trip of the handshake", MICROS_OR_NONE),
    Column("retransmits", "segments sent again during the request", COUNT_OR_NONE),
    Column("body_bytes", "length of the response's body", INTEGER),
    Column("content_type", _TYPE, TEXT_OR_NONE, optional=True),
    Column("kernel_send_ms", _LEFT, OFFSET_OR_NONE, optional=True),
    Column("kernel_receive_ms", _CAME, OFFSET_OR_NONE, optional=True),
    Column("opened", _MADE, COUNT_OR_NONE, None, _BOTH, optional=True),
    Column("lost", _LOST_WHY, LOST_OR_NONE, None, _BOTH, optional=True),
    Column("lost_idle_ms", _LOST_IDLE, TIME_OR_NONE, None, _BOTH, optional=True),
    Column("lost_after", _LOST_AFTER, COUNT_OR_NONE, None, _BOTH, optional=True),
    Column("lost_said", _LOST_SAID, TEXT_OR_NONE, None, _BOTH, optional=True),
    Column("interim", _INTERIM, TEXT_OR_NONE, optional=True),
    Column("event_ms", _EVENT, TIME_OR_NONE, optional=True),
    Column("addresses", _TRIED, COUNT_OR_NONE, optional=True),
    Column("unanswered_by", _WHO, TEXT_OR_NONE, None, _BOTH, optional=True),
    Column("retry_after_s", "what it asks to wait", SECONDS_OR_NONE, None, _FAILURE),
)
