"""Outcomes as the columns of a table of TOML, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vestbench.model.columns import COLUMNS, Column, same
from vestbench.model.request import Failure, Outcome, Sample, Slot

_MAX_BLOCK = 100_000  # outcomes in one that is read: a line must not ask for all memory


def block_of(
    record: type[Sample] | type[Failure], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Return outcomes of one kind as a table; what they have in common stands once."""
    table: dict[str, Any] = {"n": len(outcomes)}
    for column in COLUMNS.in_file(record):
        values = list(map(column.getter(record), outcomes))
        if column.optional and not any(value is not None for value in values):
            continue
        write, first = column.stored(record).write, values[0]
        if values.count(first) == len(values):
            table[column.name] = write(first)
        else:
            table[column.name] = [write(value) for value in values]
    return table


def size_of(table: Any) -> int:
    """Return how many outcomes a table says it holds, or raise ValueError."""
    n = table["n"]
    if type(n) is not int or not 0 < n <= _MAX_BLOCK:
        raise ValueError(f"a block says it holds {n!r} outcomes")
    return n


def outcomes_of(record: type[Sample] | type[Failure], table: Any) -> list[Any]:
    """Return the outcomes in a table; ValueError, TypeError, KeyError if damaged."""
    n = size_of(table)
    columns = COLUMNS.in_file(record)
    unknown = sorted(set(table) - {"n", *(column.name for column in columns)})
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}")
    slots: dict[str, list[Any]] = {}
    own: dict[str, list[Any]] = {}
    extra: dict[str, list[Any]] = {}
    for column in columns:
        of_slot = Slot in column.of
        group = slots if of_slot else extra if column.is_extra(record) else own
        group[column.field] = _values(column, record, table, n)
    if extra:
        own["extra"] = [
            _present(extra, values) for values in zip(*extra.values(), strict=True)
        ]
    places = zip(*slots.values(), strict=True)
    return [
        record(
            slot=Slot(**dict(zip(slots, place, strict=True))),
            **dict(zip(own, row, strict=True)),
        )
        for place, row in zip(places, zip(*own.values(), strict=True), strict=True)
    ]


def _values(column: Column, record: type, table: Any, n: int) -> list[Any]:
    """Return the `n` values of a column in a table."""
    if column.optional and column.name not in table:
        return [None] * n
    codec, raw = column.stored(record), table[column.name]
    # What all outcomes have in common is looked at once.
    cells = raw if isinstance(raw, list) else [raw]
    if cells is raw and len(cells) != n:
        raise ValueError(f"column {column.name!r} has {len(cells)} of {n} values")
    for cell in cells:
        if type(cell) is not codec.type:
            raise ValueError(f"column {column.name!r} holds {cell!r}")
    values = cells if codec.read is same else [codec.read(cell) for cell in cells]
    return values if cells is raw else values * n


def _present(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any] | None:
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if value is not None} or None
