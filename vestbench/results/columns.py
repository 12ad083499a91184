"""Outcomes as the columns of a table of TOML, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vestbench.errors import InvalidValueError
from vestbench.model.columns import COLUMNS, Codec, Column, same
from vestbench.model.request import Failure, Outcome, Sample, Slot
from vestbench.results.checking import expect, present

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


def size_of(table: Any, place: str) -> int:
    """Return how many outcomes a table says it holds, or raise InvalidValueError."""
    expect(table, dict, place)
    n = present(table, "n", place)
    expect(n, int, f"{place}.n")
    if not 0 < n <= _MAX_BLOCK:
        raise InvalidValueError(f"expected 1 to {_MAX_BLOCK:,} outcomes", f"{place}.n")
    return int(n)


def outcomes_of(
    record: type[Sample] | type[Failure], table: Any, place: str
) -> list[Any]:
    """Return the outcomes in a table, which stands at `place` of a file.

    Raises:
        InvalidValueError: It is damaged.
    """
    n = size_of(table, place)
    columns = COLUMNS.in_file(record)
    unknown = sorted(set(table) - {"n", *(column.name for column in columns)})
    if unknown:
        raise InvalidValueError("it is unknown", unknown[0]).within(place)
    slots: dict[str, list[Any]] = {}
    own: dict[str, list[Any]] = {}
    extra: dict[str, list[Any]] = {}
    for column in columns:
        of_slot = Slot in column.of
        group = slots if of_slot else extra if column.is_extra(record) else own
        group[column.field] = _values(column, record, table, n, place)
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


def _values(column: Column, record: type, table: Any, n: int, place: str) -> list[Any]:
    """Return the `n` values of a column in a table."""
    if column.optional and column.name not in table:
        return [None] * n
    codec, raw = column.stored(record), present(table, column.name, place)
    place = f"{place}.{column.name}"
    if not isinstance(raw, list):  # what all outcomes have in common is read once
        return _read(codec, [raw], lambda _: place) * n
    if len(raw) != n:
        raise InvalidValueError(f"expected {n} values, got {len(raw)}", place)
    return _read(codec, raw, lambda index: f"{place}[{index}]")


def _read(codec: Codec, cells: list[Any], place_of: Callable[[int], str]) -> list[Any]:
    """Return what cells of a file mean; `place_of` names the one that is wrong."""
    if codec.read is same and {*map(type, cells)} == {codec.type}:
        return cells
    values: list[Any] = []
    try:
        for cell in cells:
            expect(cell, codec.type)
            values.append(codec.read(cell))
    except InvalidValueError as error:
        raise error.within(place_of(len(values))) from error
    return values


def _present(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any] | None:
    pairs = zip(names, values, strict=True)
    return {name: value for name, value in pairs if value is not None} or None
