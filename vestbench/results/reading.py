"""A run read from its file, which anybody may have made.

Messages of msgspec are reworded, because whoever made the file reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from msgspec import ValidationError, convert

from vestbench.errors import InvalidRunError, UsageError, reason_of
from vestbench.files import read_bounded
from vestbench.model.request import Failure, Sample
from vestbench.model.run import Conclusion, Conditions, Plan, Run
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
    check: Callable[[Run], None]  # ValueError if its parts do not fit together


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
    except ValueError as error:
        raise InvalidRunError(f"{path} is not a result file: {error}") from error
    return _run(path, [document], len(data), decoder)


# --- cutting -------------------------------------------------------------------------


class _EntangledError(Exception):
    """A document cannot be cut into blocks, or is not TOML at all."""


# A line that begins a block, or ends the last one. Where it is no header, within a
# string or an array of several lines, the piece before it is cut off and is not TOML.
_HEADER = re.compile(rb"^\[(?:\[(samples|failures)\]|conclusion)\]$", re.MULTILINE)
_BLOCKS = ("samples", "failures")


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
    except ValueError as error:
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
    except KeyError as error:
        raise InvalidRunError(f"{path} is damaged: {error} is missing") from error
    except (ValueError, TypeError) as error:
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
        self._claimed = 0  # how many outcomes the blocks say they hold

    def take(self, blocks: dict[str, Any]) -> None:
        """Take the blocks of a piece; an error if they are damaged or too many."""
        for key, tables in blocks.items():
            if not isinstance(tables, list):
                raise TypeError(f"{key} is not a list")
            self._claimed += sum(size_of(table) for table in tables)
        if self._claimed > _MAX_OUTCOMES:
            raise ValueError(f"it says it holds more than {_MAX_OUTCOMES:,} outcomes")
        # One value may stand for a whole block, and few bytes would claim very many;
        # what is written has at most 256 outcomes in a block, and more bytes than that.
        if self._claimed > self._size:
            raise ValueError("it says it holds more outcomes than it has bytes")
        for table in blocks.get("samples", []):
            for sample in outcomes_of(Sample, table):
                self.samples.append(sample)
        for table in blocks.get("failures", []):
            for failure in outcomes_of(Failure, table):
                self.failures.append(failure)


_TOP = {
    "format": int,
    "command": str,
    "label": str,
    "started": datetime,
    "plan": dict,
    "conditions": dict,
    "conclusion": dict,
    "summary": dict,
}


def _assembled(
    path: Path, document: dict[str, Any], outcomes: _Outcomes, decoder: Decoder
) -> Run:
    for key, value in document.items():
        if key not in _TOP:
            raise ValueError(f"unknown key {key!r}")
        if not isinstance(value, _TOP[key]):
            raise TypeError(f"{key} is not a {_TOP[key].__name__}")
    if type(document["format"]) is not int or document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r} was never used")
    if document["started"].tzinfo is None:
        raise ValueError("started has no time zone")
    if path.name.endswith(PARTIAL) and "summary" not in document:
        document.pop("conclusion", None)  # not whole: the summary is written after it
    return Run(
        command=document["command"],
        label=document["label"],
        started=document["started"],
        plan=validated(document["plan"], decoder.plan(document["command"]), "plan"),
        conditions=validated(document.get("conditions", {}), Conditions, "conditions"),
        samples=outcomes.samples.settled(),
        failures=outcomes.failures.settled(),
        conclusion=validated(
            document.get("conclusion", {"interrupted": True}), Conclusion, "conclusion"
        ),
    )


R = TypeVar("R")

_TYPES = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
    "datetime": "a date and time",
}
_PLACE = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_TYPE = re.compile(r"`(int|float|str|bool|array|object|null|datetime)( \| null)?`")
_FIELD = re.compile(
    r"^Object (?P<what>missing required|contains unknown) field `(.*)`$"
)


def validated(table: Any, record: type[R], name: str) -> R:
    """Return a table as a record; ValueError begins with the path of what is wrong."""
    try:
        return convert(table, record)
    except ValidationError as error:
        raise ValueError(_explained(str(error), name)) from error


def _explained(message: str, name: str) -> str:
    """Return `plan.sessions: expected an integer, got text` for what msgspec says."""
    place = _PLACE.search(message)
    if place is not None:
        message = message[: place.start()]
        path = place["path"]
        name += path if path.startswith("[") or not path else f".{path}"
    field = _FIELD.match(message)
    if field is not None:
        missing = field["what"].startswith("missing")
        return f"{name}.{field[2]} is {'missing' if missing else 'unknown'}"
    plain = _TYPE.sub(lambda found: _TYPES[found[1]], message).replace("`", "")
    return f"{name}: {plain[:1].lower()}{plain[1:]}"
