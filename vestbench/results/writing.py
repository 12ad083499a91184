"""A run written to its file as it goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from errno import EISDIR
from pathlib import Path
from threading import Event, RLock, Thread
from time import monotonic
from typing import Any

import tomli_w

from vestbench.errors import UsageError, reason_of
from vestbench.files import create_for, is_standard_output, make_folder
from vestbench.model.request import Failure, Outcome, Sample
from vestbench.model.run import Conclusion, Conditions, Plan
from vestbench.results.columns import block_of
from vestbench.results.naming import FORMAT, partial_of

_BLOCK = 256  # outcomes in a block at most
# Twice in the second within which everything is on disk, whatever ends the process.
_FLUSH_EVERY_S = 0.5


def _text(table: Mapping[str, Any], head: str = "") -> str:
    return head + tomli_w.dumps(table, indent=0) + "\n"


def _end(conclusion: Conclusion, summary: Mapping[str, Any]) -> str:
    return _text({"conclusion": conclusion.stored()}) + _text({"summary": summary})


class TakenError(UsageError):
    """A file is being written by another run, or was left by one that was killed."""


class RunWriter:
    """Writes a run as it goes to `partial`, which becomes `path` in the end.

    The path is reserved at once, so a bad one fails first. UsageError if the file
    cannot be created, or later cannot be written. To be closed by `close`.

    Args:
        path: Where the run is to be in the end.
        command: What it is a run of.
        label: What distinguishes it.
        plan: What is asked for.
        started: When, with its time zone.
        clock: Returns a time in s, of any origin.
        wait: Waits for an event, at most so many s, and says whether it came. A thread
            of the writer's own waits so between its looks at what is not on disk yet.
    """

    def __init__(
        self,
        path: Path,
        *,
        command: str,
        label: str,
        plan: Plan,
        started: datetime,
        clock: Callable[[], float] = monotonic,
        wait: Callable[[Event, float], bool] = Event.wait,
    ) -> None:
        if os.path.islink(path):  # which stays, such as /dev/stdout
            path = Path(os.path.realpath(path))
        self.path = path
        self.partial = partial_of(path)
        self._clock = clock
        self._flushed = clock()
        self._lock = RLock()  # of all below
        self._over = Event()
        # An interruption may fall between any two calls. So what was written counts
        # only once `_end` and `_waiting` say so, two assignments without a call; what
        # does not count yet is written again, in the same place.
        self._end = 0  # of what counts, in bytes
        self._taken = 0  # outcomes in there
        self._waiting: tuple[Outcome, ...] = ()
        try:
            make_folder(path.parent)
            if path.is_dir():
                raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
            if path.exists() and not path.is_file():  # in the end it would be replaced
                raise ValueError("it is no file")
            if is_standard_output(path):  # what a shell sends there would be lost
                raise ValueError("it is where standard output or error goes")
            self._file = create_for(path, self.partial)
        except (OSError, ValueError) as error:
            if isinstance(error, FileExistsError) and self.partial.exists():
                raise TakenError(
                    f"{self.partial} exists: another run writes it, or one was "
                    "killed; remove it or choose another --output"
                ) from error
            raise UsageError(
                f"cannot write results to {path}: {reason_of(error)}; "
                "choose another --output"
            ) from error
        head = _text({"format": FORMAT, "command": command, "label": label})
        head += _text({"started": started.astimezone(UTC)})
        try:
            self._write(head + _text({"plan": plan.stored()}))
        except UsageError:
            self.discard()
            raise
        Thread(target=self._look, args=(wait,), daemon=True).start()

    def _look(self, wait: Callable[[Event, float], bool]) -> None:
        """See that what came does not wait for what comes next."""
        while not wait(self._over, _FLUSH_EVERY_S):
            # What it meets, the next outcome meets, and there somebody is told.
            with suppress(UsageError), self._lock:
                if self._waiting and not self._file.closed and self._is_late():
                    self.flush()

    def _is_late(self) -> bool:
        return self._clock() - self._flushed >= _FLUSH_EVERY_S

    @property
    def taken(self) -> int:
        """How many outcomes it was given, an interrupted `add` not included."""
        with self._lock:
            return self._taken + len(self._waiting)

    def conditions(self, conditions: Conditions) -> None:
        """Write what is known before the first request."""
        self._write(_text({"conditions": conditions.stored()}))

    def add(self, outcome: Outcome) -> None:
        """Take one outcome; it is on disk within a second."""
        with self._lock:
            self._waiting = (*self._waiting, outcome)
            if self._is_late() or len(self._waiting) >= _BLOCK:
                self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        self._flushed = self._clock()
        self._write("")

    def finish(self, conclusion: Conclusion, summary: Mapping[str, Any]) -> Path:
        """Write the end, and give the file its name; may be repeated if interrupted."""
        self._over.set()
        if not self._file.closed:
            self._write(_end(conclusion, summary))
        try:
            self._file.close()
            if self.partial.exists():
                os.replace(self.partial, self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        return self.path

    def discard(self) -> None:
        """Remove the file: nothing was measured."""
        self._waiting = ()
        self.close()
        self.partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Write what is waiting, and close the file, under the name that it has.

        More than once does nothing.
        """
        self._over.set()
        with self._lock:
            if not self._file.closed:
                with suppress(UsageError):
                    self.flush()
            # What a full disk has refused, closing would try to write once more.
            with suppress(OSError):
                self._file.close()

    def _write(self, text: str) -> None:
        """Write the waiting outcomes and `text`.

        If that fails, the file is as before.
        """
        with self._lock:
            self._write_after(self._waiting, text)

    def _write_after(self, waiting: tuple[Outcome, ...], text: str) -> None:
        samples = [outcome for outcome in waiting if isinstance(outcome, Sample)]
        failures = [outcome for outcome in waiting if isinstance(outcome, Failure)]
        blocks = ""
        if samples:
            blocks = _text(block_of(Sample, samples), "[[samples]]\n")
        if failures:
            blocks += _text(block_of(Failure, failures), "[[failures]]\n")
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
            f"cannot write {self.partial}: {reason_of(error)}; "
            "it holds what was measured until then"
        )
