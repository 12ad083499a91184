"""A run read from its file, which anybody may have made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vestbench.errors import InvalidRunError, InvalidValueError, UsageError, reason_of
from vestbench.files import read_bounded
from vestbench.model.request import Failure, Sample
from vestbench.model.run import Conclusion, Conditions, Plan, Run, check_time
from vestbench.results.checking import expect, present, validated
from vestbench.results.columns import outcomes_of, size_of
from vestbench.results.naming import FORMAT, PARTIAL
from vestbench.spool import Spool
from vestbench.toml_file import parse

_MAX_OUTCOMES = 2_000_000  # in a file
_MAX_BYTES = 256 * 2**20  # of such a file


@dataclass(frozen=True, slots=True)
class Decoder:
    """What has to be known of studies to read a run of one."""

    plan: Callable[[str], type[Plan]]  # of a command; InvalidRunError if there is none
    check: Callable[[Run], None]  # InvalidValueError if its parts do not fit together


def load(path: Path, decoder: Decoder) -> Run:
    """Read a run, finished or not, and check it: whoever gets it may trust it.

    Raises:
        UsageError: The file cannot be read, or there is no room on disk for a long run.
        InvalidRunError: It is not a result of vestbench, or of a newer version.
    """
    try:
        data = read_bounded(path, _MAX_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason_of(error)}") from error
    except ValueError as error:
        raise InvalidRunError(f"{path} is not a result file: {error}") from error
    if path.name.endswith(PARTIAL):
        # Every write ends with an empty line: what follows the last one was cut off.
        del data[data.rfind(b"\n\n") + 2 :]
    try:
        return _run(path, _pieces(data), len(data), decoder)
    except _EntangledError:
        pass  # parsing it as a whole tells what is wrong with it, if anything is
    try:
        document = parse(data)
    except InvalidValueError as error:
        raise InvalidRunError(f"{path} is not a result file: {error}") from error
    return _run(path, [document], len(data), decoder)


# --- cutting -------------------------------------------------------------------------


class _EntangledError(Exception):
    """A document cannot be cut into blocks, or is not TOML at all."""


# A line that begins a block, or ends the last one. Where it is no header, within a
# string or an array of several lines, the piece before it is cut off and is not TOML.
_HEADER = re.compile(rb"^\[(?:\[(samples|failures)\]|conclusion)\]$", re.MULTILINE)
_BLOCKS: dict[str, type[Sample] | type[Failure]] = {
    "samples": Sample,
    "failures": Failure,
}


def _pieces(data: bytearray) -> Iterator[dict[str, Any]]:
    """Parse the head of a document, each of its blocks, and its end, one by one.

    As a whole, a run of a million requests would be half a gigabyte of objects.
    """
    kind, begin = None, 0
    for header in _HEADER.finditer(data):
        yield _piece(data[begin : header.start()], kind)
        kind = header[1].decode() if header[1] else None
        begin = header.start()
    yield _piece(data[begin:], kind)


def _piece(text: bytearray, kind: str | None) -> dict[str, Any]:
    """Parse one block of `kind`, or without a kind a part that holds no block."""
    try:
        piece = parse(text)
    except InvalidValueError as error:
        raise _EntangledError from error
    blocks = [key for key in _BLOCKS if key in piece]
    alone = not blocks if kind is None else blocks == [kind] and len(piece[kind]) == 1
    if not alone:
        raise _EntangledError
    return piece


# --- assembling ----------------------------------------------------------------------


def _run(
    path: Path, pieces: Iterable[dict[str, Any]], size: int, decoder: Decoder
) -> Run:
    document: dict[str, Any] = {}
    outcomes = _Outcomes(size)
    try:
        for piece in pieces:
            blocks = {key: piece.pop(key) for key in _BLOCKS if key in piece}
            if document.keys() & piece.keys():
                raise _EntangledError
            document |= piece
            _check_kind(path, document)
            outcomes.take(blocks)
        run = _assembled(path, document, outcomes, decoder)
        decoder.check(run)
        return run
    except InvalidValueError as error:  # and no other: all others are bugs of ours
        raise InvalidRunError(f"{path} is damaged: {error}") from error


def _check_kind(path: Path, document: dict[str, Any]) -> None:
    if "kind" in document and "command" in document and "plan" not in document:
        raise InvalidRunError(f"{path} is no run, but a study: {document['kind']}")
    version = document.get("format")
    if type(version) is int and version > FORMAT:
        raise InvalidRunError(
            f"{path} has format {version}, this version reads up to {FORMAT}: "
            "upgrade vestbench"
        )


class _Outcomes:
    """The outcomes in the blocks of a file that is `size` bytes long."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.samples: Spool[Sample] = Spool()
        self.failures: Spool[Failure] = Spool()
        self._blocks: Counter[str] = Counter()  # how many there were of each kind
        self._claimed = 0  # how many outcomes they say they hold

    def take(self, blocks: dict[str, Any]) -> None:
        """Take the blocks of a piece; an error if they are damaged or too many."""
        found = list(self._placed(blocks))
        self._claimed += sum(size_of(table, place) for _, table, place in found)
        if self._claimed > _MAX_OUTCOMES:
            raise InvalidValueError(
                f"it says it holds more than {_MAX_OUTCOMES:,} outcomes"
            )
        # One value may stand for a whole block, and few bytes would claim very many;
        # what is written has at most 256 outcomes in a block, and more bytes than that.
        if self._claimed > self._size:
            raise InvalidValueError("it says it holds more outcomes than it has bytes")
        for key, table, place in found:
            taken = getattr(self, key)
            for outcome in outcomes_of(_BLOCKS[key], table, place):
                taken.append(outcome)

    def _placed(self, blocks: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
        """Yield each block with its kind, and with its place in the file."""
        for key, tables in blocks.items():
            expect(tables, list, key)
            for table in tables:
                yield key, table, f"{key}[{self._blocks[key]}]"
                self._blocks[key] += 1


_TOP: dict[str, type] = {
    "format": int,
    "command": str,
    "label": str,
    "started": datetime,
    "plan": dict,
    "conditions": dict,
    "conclusion": dict,
    "summary": dict,
}
_ALWAYS = ("format", "command", "label", "started", "plan")


def _assembled(
    path: Path, document: dict[str, Any], outcomes: _Outcomes, decoder: Decoder
) -> Run:
    _check_top(document)
    if path.name.endswith(PARTIAL) and "summary" not in document:
        document.pop("conclusion", None)  # not whole: the summary is written after it
    return Run(
        command=document["command"],
        label=document["label"],
        started=document["started"],
        plan=validated(document["plan"], _plan_of(path, document, decoder), "plan"),
        conditions=validated(document.get("conditions", {}), Conditions, "conditions"),
        samples=outcomes.samples.settled(),
        failures=outcomes.failures.settled(),
        conclusion=validated(
            document.get("conclusion", {"interrupted": True}), Conclusion, "conclusion"
        ),
    )


def _check_top(document: dict[str, Any]) -> None:
    for key, value in document.items():
        if key not in _TOP:
            raise InvalidValueError("it is unknown", key)
        expect(value, _TOP[key], key)
    for key in _ALWAYS:
        present(document, key)
    if document["format"] != FORMAT:
        raise InvalidValueError("it was never used", f"format {document['format']}")
    check_time(document["started"], "started")


def _plan_of(path: Path, document: dict[str, Any], decoder: Decoder) -> type[Plan]:
    try:
        return decoder.plan(document["command"])
    except InvalidRunError as error:
        raise InvalidRunError(f"{path}: {error}") from error
