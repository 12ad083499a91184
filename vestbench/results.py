"""A run as a TOML file, and back: format, file names, writing as it goes.

A file is written from its head to its end and never rewritten, so whatever stops a run,
what was measured until then is on disk in a file that loads:

    format, command, label, started     what this is
    [plan]                              what was asked for
    [conditions]                        what was known before the first request
    [[samples]], [[failures]]           a block of outcomes, one array per column;
                                        a column with one value in the whole block
                                        is that value alone; one that only some
                                        runs have is left out of the others
    [conclusion]                        what was known at the end; absent when the
                                        run was killed
    [summary]                           for human readers; recomputed on loading

While it grows it is called `NAME.toml.partial`. Times are milliseconds with six
decimals, exact to the nanosecond. TOML has no null: an absent time is `nan`, an absent
count -1, an absent status 0.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EISDIR
from pathlib import Path
from time import monotonic
from typing import Any

import tomli_w

from vestbench.errors import InvalidRunError, UsageError
from vestbench.models import (
    NS_PER_MS,
    Failure,
    FailureKind,
    Outcome,
    Role,
    Run,
    Sample,
    Slot,
)
from vestbench.toml_file import parse, read_bounded

# 1: first public format.
FORMAT = 1

_PARTIAL = ".partial"
_BLOCK = 256  # outcomes in a block at most, when written
_MAX_BLOCK = 100_000  # and when read: one line must not ask for all memory
_MAX_OUTCOMES = 2_000_000  # in a file that is read; few bytes can claim very many
_MAX_BYTES = 256 * 2**20  # of such a file
_FLUSH_EVERY_S = 1.0
_LONGEST_MS = 9e9  # over three months; up to here six decimals are exact in a float


# --- columns: how a field of a record is written, and read back ----------------------


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
class _Column:
    name: str  # in the file
    field: str  # of the record
    type: type  # in the file
    write: Callable[[Any], Any] = _same
    read: Callable[[Any], Any] = _same
    optional: bool = False  # left out of a block in which it is always absent


def _time(field: str, read: Callable[[float], Any] = _ns) -> _Column:
    return _Column(field.removesuffix("_ns") + "_ms", field, float, _ms, read)


_SLOT = (
    _Column("session", "session", int),
    _Column("index", "index", int),
    _Column("role", "role", str, str, Role),
    _Column("arm", "arm", str),
)

_SAMPLE = (
    _time("start_ns"),
    _time("latency_ns"),
    _time("dns_ns", _ns_or_none),
    _time("connect_ns", _ns_or_none),
    _time("tls_ns", _ns_or_none),
    _time("send_ns", _ns_or_none),
    _time("wait_ns", _ns_or_none),
    _time("receive_ns", _ns_or_none),
    _Column("status", "status", int),
    _Column("reused", "reused", bool),
    _Column("connection", "connection", int),
    _Column("use", "use", int),
    _Column("local_port", "local_port", int),
    _Column("resumed", "resumed", bool),
    _Column("http_version", "http_version", str),
    _Column("tls_version", "tls_version", str),
    _Column("cipher", "cipher", str),
    _Column("remote", "remote", str),
    _Column("rtt_ms", "rtt_us", float, _ms_of_us, _us),
    _Column("syn_rtt_ms", "syn_rtt_us", float, _ms_of_us, _us),
    _Column("retransmits", "retransmits", int, _count, _uncount),
    _Column("body_bytes", "body_bytes", int),
    _Column("kernel_send_ms", "kernel_send_ns", float, _ms, _offset_ns, optional=True),
    _Column(
        "kernel_receive_ms", "kernel_receive_ns", float, _ms, _offset_ns, optional=True
    ),
    _Column("sign_ms", "sign_ns", float, _ms, _ns_or_none, optional=True),
)

_FAILURE = (
    _time("start_ns"),
    _time("elapsed_ns"),
    _Column("kind", "kind", str, str, FailureKind),
    _Column("detail", "detail", str),
    _Column("status", "status", int, lambda v: v or 0, lambda v: v or None),
    _Column("reused", "reused", str, _tristate, _untristate),
    _Column("retry_after_s", "retry_after_s", float, _s, _none_if_nan),
)


def _block(columns: Sequence[_Column], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    table: dict[str, Any] = {"n": len(outcomes)}
    for source, group in ((lambda o: o.slot, _SLOT), (_same, columns)):
        for column in group:
            fields = [getattr(source(o), column.field) for o in outcomes]
            if column.optional and not any(v is not None for v in fields):
                continue
            values = [column.write(value) for value in fields]
            first = values[0]
            alike = all(v == first or (v != v and first != first) for v in values)
            table[column.name] = first if alike else values
    return table


def _size(table: Any) -> int:
    n = table["n"]
    if type(n) is not int or not 0 < n <= _MAX_BLOCK:
        raise ValueError(f"a block says it holds {n!r} outcomes")
    return n


def _unblock(
    columns: Sequence[_Column], record: type[Sample] | type[Failure], table: Any
) -> list[Any]:
    n = _size(table)
    known = {"n", *(column.name for column in (*_SLOT, *columns))}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"unknown column {unknown[0]!r}")

    def values(column: _Column) -> list[Any]:
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

    places = zip(*(values(column) for column in _SLOT), strict=True)
    rows = zip(*(values(column) for column in columns), strict=True)
    fields = [column.field for column in columns]
    names = [column.field for column in _SLOT]
    return [
        record(
            slot=Slot(**dict(zip(names, place, strict=True))),
            **dict(zip(fields, row, strict=True)),
        )
        for place, row in zip(places, rows, strict=True)
    ]


# --- writing -------------------------------------------------------------------------


def result_path(folder: Path, command: str, label: str, now: datetime) -> Path:
    """Return a name in `folder` that no file has: `<UTC>-<command>-<label>.toml`."""
    stem = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{command}-{label}"
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        path = folder / f"{stem}{suffix}.toml"
        if not path.exists() and not _partial(path).exists():
            return path
    raise UsageError(f"{folder} holds too many results of {stem}")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _text(table: Mapping[str, Any], head: str = "") -> str:
    return head + tomli_w.dumps(table, indent=0) + "\n"


def _partial(path: Path) -> Path:
    return path.with_name(path.name + _PARTIAL)


class TakenError(UsageError):
    """A file is being written by another run, or was left by one that was killed."""


class RunWriter:
    """Writes a run as it goes. The path is reserved at once, so a bad one fails first.

    Raises:
        UsageError: The file cannot be created, or later cannot be written.

    Attributes:
        path: Where the finished run goes.
        partial: Where it is until then.
    """

    def __init__(
        self,
        path: Path,
        *,
        command: str,
        label: str,
        plan: Mapping[str, Any],
        started: datetime,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.path = path
        self.partial = _partial(path)
        self._clock = clock
        self._flushed = clock()
        # An interruption may fall between any two calls. So what was written counts
        # only once `_end` and `_waiting` say so, two assignments without a call; what
        # does not count yet is written again, in the same place.
        self._end = 0  # of what counts, in bytes
        self._taken = 0  # outcomes in there
        self._waiting: tuple[Outcome, ...] = ()
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
            self._file = self.partial.open("xb")
        except (OSError, ValueError) as error:
            if isinstance(error, FileExistsError) and self.partial.exists():
                raise TakenError(
                    f"{self.partial} exists: another run writes it, or one was "
                    "killed; remove it or choose another --output"
                ) from error
            raise UsageError(
                f"cannot write results to {path}: {_reason(error)}; "
                "choose another --output"
            ) from error
        head = _text({"format": FORMAT, "command": command, "label": label})
        head += _text({"started": started.astimezone(UTC)})
        try:
            self._write(head + _text({"plan": plan}))
        except UsageError:
            self.discard()
            raise

    @property
    def taken(self) -> int:
        """How many outcomes it was given, an interrupted `add` not included."""
        return self._taken + len(self._waiting)

    def conditions(self, conditions: Mapping[str, Any]) -> None:
        """Write what is known before the first request."""
        self._write(_text({"conditions": conditions}))

    def add(self, outcome: Outcome) -> None:
        """Take one outcome; it is on disk within a second."""
        self._waiting = (*self._waiting, outcome)
        late = self._clock() - self._flushed >= _FLUSH_EVERY_S
        if late or len(self._waiting) >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        self._flushed = self._clock()
        self._write("")

    def finish(self, conclusion: Mapping[str, Any], summary: Mapping[str, Any]) -> Path:
        """Write the end, and give the file its name; again, after an interruption."""
        if not self._file.closed:
            self._write(_text({"conclusion": conclusion}) + _text({"summary": summary}))
        try:
            self._file.close()
            if self.partial.exists():
                os.replace(self.partial, self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path

    def discard(self) -> None:
        """Remove the file: nothing was measured."""
        self.close()
        self.partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, leaving what is in it under its unfinished name."""
        # What a full disk has refused, closing would try to write once more.
        with suppress(OSError):
            self._file.close()

    def _write(self, text: str) -> None:
        """Write what is waiting, then `text`, all of it or nothing that counts."""
        waiting = self._waiting
        samples = [outcome for outcome in waiting if isinstance(outcome, Sample)]
        failures = [outcome for outcome in waiting if isinstance(outcome, Failure)]
        blocks = ""
        if samples:
            blocks = _text(_block(_SAMPLE, samples), "[[samples]]\n")
        if failures:
            blocks += _text(_block(_FAILURE, failures), "[[failures]]\n")
        # A lone surrogate, as in a file name that is not UTF-8, has no encoding.
        data = (blocks + text).encode(errors="replace")
        end, taken = self._end + len(data), self._taken + len(waiting)
        try:
            self._file.seek(self._end)
            self._file.write(data)
            self._file.truncate()
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        self._end, self._taken, self._waiting = end, taken, ()

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(
            f"cannot write {self.partial}: {_reason(error)}; "
            "it holds what was measured until then"
        )


# --- reading -------------------------------------------------------------------------


def load(path: Path) -> Run:
    """Read a run, finished or not.

    Raises:
        UsageError: There is no such file, or it may not be read.
        InvalidRunError: It is not a result of vestbench, or of a newer version.
    """
    try:
        data = read_bounded(path, _MAX_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {_reason(error)}") from error
    except ValueError as error:
        raise InvalidRunError(f"{path} is not a result file: {error}") from error
    unfinished = path.name.endswith(_PARTIAL)
    if unfinished:
        # Every write ends with an empty line: what follows the last one was cut off.
        data = data[: data.rfind(b"\n\n") + 2]
    try:
        document = parse(data)
    except ValueError as error:
        raise InvalidRunError(f"{path} is not a result file: {error}") from error
    if unfinished and "summary" not in document:
        document.pop("conclusion", None)  # not whole: the summary is written after it
    if "kind" in document and "command" in document and "plan" not in document:
        raise InvalidRunError(f"{path} is no run, but a study: {document['kind']}")
    version = document.get("format")
    if type(version) is int and version > FORMAT:
        raise InvalidRunError(
            f"{path} has format {version}, this version reads up to {FORMAT}: "
            "upgrade vestbench"
        )
    try:
        return _run(document)
    except KeyError as error:
        raise InvalidRunError(f"{path} is damaged: {error} is missing") from error
    except (ValueError, TypeError) as error:
        raise InvalidRunError(f"{path} is damaged: {error}") from error


_TOP = {
    "format": int,
    "command": str,
    "label": str,
    "started": datetime,
    "plan": dict,
    "conditions": dict,
    "samples": list,
    "failures": list,
    "conclusion": dict,
    "summary": dict,
}


def _run(document: Mapping[str, Any]) -> Run:
    for key, value in document.items():
        if key not in _TOP:
            raise ValueError(f"unknown key {key!r}")
        if not isinstance(value, _TOP[key]):
            raise TypeError(f"{key} is not a {_TOP[key].__name__}")
    if type(document["format"]) is not int or document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r} was never used")
    if document["started"].tzinfo is None:
        raise ValueError("started has no time zone")
    blocks = [*document.get("samples", []), *document.get("failures", [])]
    if sum(_size(table) for table in blocks) > _MAX_OUTCOMES:
        raise ValueError(f"it says it holds more than {_MAX_OUTCOMES:,} outcomes")
    samples: list[Sample] = []
    for table in document.get("samples", []):
        samples += _unblock(_SAMPLE, Sample, table)
    failures: list[Failure] = []
    for table in document.get("failures", []):
        failures += _unblock(_FAILURE, Failure, table)
    return Run(
        command=document["command"],
        label=document["label"],
        started=document["started"],
        plan=document["plan"],
        conditions=document.get("conditions", {}),
        samples=tuple(samples),
        failures=tuple(failures),
        conclusion=document.get("conclusion", {"interrupted": True}),
    )
