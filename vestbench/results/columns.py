"""Outcomes as the columns of a table of TOML, and back.

Times are milliseconds with six decimals, exact to the nanosecond. TOML has no null: an
absent time is `nan`, an absent count -1, an absent status 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from vestbench.model.request import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Sample,
    Slot,
)

_MAX_BLOCK = 100_000  # outcomes in one that is read: a line must not ask for all memory
_LONGEST_MS = 9e9  # over three months; up to here six decimals are exact in a float


def _ms(ns: int | None) -> float:
    return math.nan if ns is None else round(ns / NS_PER_MS, 6)


def _ns(ms: float) -> int:
    if not 0 <= ms <= _LONGEST_MS:
        raise ValueError(f"{ms} ms is not a duration")
    return round(ms * NS_PER_MS)


def _offset_ns(ms: float) -> int | None:
    """Read what may be negative as well as absent."""
    if math.isnan(ms):
        return None
    return _ns(ms) if ms >= 0 else -_ns(-ms)


def _ns_or_none(ms: float) -> int | None:
    return None if math.isnan(ms) else _ns(ms)


def _ms_of_us(us: int | None) -> float:
    return math.nan if us is None else us / 1000


def _us(ms: float) -> int | None:
    return None if math.isnan(ms) else round(_ns(ms) / 1000)


def _s(seconds: float | None) -> float:
    return math.nan if seconds is None else float(seconds)


def _none_if_nan(seconds: float) -> float | None:
    return None if math.isnan(seconds) else seconds


def _count(value: int | None) -> int:
    return -1 if value is None else value


def _uncount(value: int) -> int | None:
    return None if value < 0 else value


def _tristate(value: bool | None) -> str:
    return "unknown" if value is None else str(value).lower()


def _untristate(value: str) -> bool | None:
    known = {"unknown": None, "true": True, "false": False}
    if value not in known:
        raise ValueError(f"{value!r} is neither true, false nor unknown")
    return known[value]


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Column:
    """How a field of a record is written, and read back."""

    name: str  # in the file
    field: str  # of the record
    type: type  # in the file
    write: Callable[[Any], Any] = _same
    read: Callable[[Any], Any] = _same
    optional: bool = False  # left out of a block in which it is always absent


def _time(field: str, read: Callable[[float], Any] = _ns) -> Column:
    return Column(field.removesuffix("_ns") + "_ms", field, float, _ms, read)


SLOT = (
    Column("session", "session", int),
    Column("index", "index", int),
    Column("role", "role", str, str, Role),
    Column("arm", "arm", str),
)

SAMPLE = (
    _time("start_ns"),
    _time("latency_ns"),
    _time("dns_ns", _ns_or_none),
    _time("connect_ns", _ns_or_none),
    _time("tls_ns", _ns_or_none),
    _time("send_ns", _ns_or_none),
    _time("wait_ns", _ns_or_none),
    _time("receive_ns", _ns_or_none),
    Column("status", "status", int),
    Column("reused", "reused", bool),
    Column("connection", "connection", int),
    Column("use", "use", int),
    Column("local_port", "local_port", int),
    Column("resumed", "resumed", bool),
    Column("http_version", "http_version", str),
    Column("tls_version", "tls_version", str),
    Column("cipher", "cipher", str),
    Column("remote", "remote", str),
    Column("rtt_ms", "rtt_us", float, _ms_of_us, _us),
    Column("syn_rtt_ms", "syn_rtt_us", float, _ms_of_us, _us),
    Column("retransmits", "retransmits", int, _count, _uncount),
    Column("body_bytes", "body_bytes", int),
    Column("kernel_send_ms", "kernel_send_ns", float, _ms, _offset_ns, optional=True),
    Column(
        "kernel_receive_ms", "kernel_receive_ns", float, _ms, _offset_ns, optional=True
    ),
    Column("sign_ms", "sign_ns", float, _ms, _ns_or_none, optional=True),
)

FAILURE = (
    _time("start_ns"),
    _time("elapsed_ns"),
    Column("kind", "kind", str, str, FailureKind),
    Column("detail", "detail", str),
    Column("status", "status", int, lambda v: v or 0, lambda v: v or None),
    Column("reused", "reused", str, _tristate, _untristate),
    Column("retry_after_s", "retry_after_s", float, _s, _none_if_nan),
)


def block_of(columns: Sequence[Column], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return outcomes of one kind as a table; what they have in common stands once."""
    table: dict[str, Any] = {"n": len(outcomes)}
    for source, group in (("slot.", SLOT), ("", columns)):
        for column in group:
            fields = list(map(attrgetter(source + column.field), outcomes))
            if column.optional and not any(v is not None for v in fields):
                continue
            same = column.write is _same
            values = fields if same else [column.write(value) for value in fields]
            first = values[0]
            alike = all(v == first or (v != v and first != first) for v in values)
            table[column.name] = first if alike else values
    return table


def size_of(table: Any) -> int:
    """Return how many outcomes a table says it holds.

    Raises:
        ValueError, TypeError, KeyError: No number that it may be.
    """
    n = table["n"]
    if type(n) is not int or not 0 < n <= _MAX_BLOCK:
        raise ValueError(f"a block says it holds {n!r} outcomes")
    return n


def outcomes_of(
    columns: Sequence[Column], record: type[Sample] | type[Failure], table: Any
) -> list[Any]:
    """Return the outcomes that a table holds.

    Raises:
        ValueError, TypeError, KeyError: It is damaged, or has columns of its own.
    """
    n = size_of(table)
    known = {"n", *(column.name for column in (*SLOT, *columns))}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}")

    def values(column: Column) -> list[Any]:
        if column.optional and column.name not in table:
            return [None] * n
        raw = table[column.name]
        cells = raw if isinstance(raw, list) else [raw] * n
        if len(cells) != n:
            raise ValueError(f"column {column.name!r} has {len(cells)} of {n} values")
        for cell in cells:
            if type(cell) is not column.type:
                raise ValueError(f"column {column.name!r} holds {cell!r}")
        return [column.read(cell) for cell in cells]

    places = zip(*(values(column) for column in SLOT), strict=True)
    rows = zip(*(values(column) for column in columns), strict=True)
    fields = [column.field for column in columns]
    names = [column.field for column in SLOT]
    return [
        record(
            slot=Slot(**dict(zip(names, place, strict=True))),
            **dict(zip(fields, row, strict=True)),
        )
        for place, row in zip(places, rows, strict=True)
    ]
