"""A sequence of records of which only the first are in memory, the rest on disk.

A run of a million requests must not be a million objects. The file has no name and is
gone with the process; what a run leaves behind is its result file.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryFile
from typing import IO, Generic, TypeVar, overload
from weakref import finalize

from vestbench.errors import UsageError, reason_of

T = TypeVar("T")

HELD = 10_000  # records in memory: some 8 MB of samples
_BLOCK = 1024  # records that are written, and read back, together


class Spool(Sequence[T], Generic[T]):
    """Takes records one by one and gives them back in order, as often as asked.

    Args:
        records: The first ones.
        held: How many to keep in memory.
    """

    def __init__(self, records: Iterable[T] = (), *, held: int = HELD) -> None:
        self._most = held
        self._held: list[T] = []
        self._open: list[T] = []  # a block that is not full yet
        self._file: IO[bytes] | None = None
        self._places: list[int] = []  # where in the file each block begins
        for record in records:
            self.append(record)

    def append(self, record: T) -> None:
        """Take a record.

        Raises:
            UsageError: There is no room for it on disk.
        """
        if len(self._held) < self._most:
            self._held.append(record)
            return
        self._open.append(record)
        if len(self._open) == _BLOCK:
            place = self._write(self._open)
            # No call is in between, so that no interruption is either.
            self._places, self._open = [*self._places, place], []

    def _write(self, block: list[T]) -> int:
        try:
            if self._file is None:
                self._file = TemporaryFile(prefix="vestbench-")  # noqa: SIM115
                finalize(self, self._file.close)  # as long-lived as this
            place = self._file.seek(0, 2)
            pickle.dump(block, self._file, pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except OSError as error:
            raise UsageError(
                f"cannot keep requests in a temporary file: {reason_of(error)}; set "
                "TMPDIR to a folder with room"
            ) from error
        return place

    def _read(self, number: int) -> list[T]:
        assert self._file is not None  # noqa: S101 - a block was written to it
        self._file.seek(self._places[number])
        block: list[T] = pickle.load(self._file)  # noqa: S301 - we wrote it
        return block

    def __len__(self) -> int:
        return len(self._held) + _BLOCK * len(self._places) + len(self._open)

    def __iter__(self) -> Iterator[T]:
        yield from self._held
        for number in range(len(self._places)):
            yield from self._read(number)
        yield from self._open

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(place)
        if number < len(self._held):
            return self._held[number]
        block, rest = divmod(number - len(self._held), _BLOCK)
        if block < len(self._places):
            return self._read(block)[rest]
        return self._open[rest]

    def settled(self) -> Sequence[T]:
        """Return the records as a plain tuple if all are in memory, else this."""
        return self if self._places or self._open else tuple(self._held)
