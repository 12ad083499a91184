"""The exceptions a user can act on, and the exit codes of the `vestbench` command.

    VestbenchError        base class; `str()` is the whole message for the user
    ├── UsageError        an option, setting or file that cannot be used      exit 2
    ├── VenueError        the venue could not be reached, or refused          exit 4
    ├── InvalidRunError   a measurement or a stored result that is not valid  exit 5
    ├── LabError          the simulated venue or its link did not start       exit 4
    ├── ProcessDiedError  a process of ours ended by itself, or was killed    exit 70
    └── FilledOrderError  an order that must not be filled was                exit 6

A failed request is none of these: it is data (`model.request.Failure`). Anything else
that escapes is a bug: it shows its traceback and exits with 70.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Exit statuses of the `vestbench` command; part of its public interface."""

    OK = 0
    NOT_MET = 1  # the acceptance was not met
    USAGE = 2  # a wrong option, setting or file; nothing was measured
    INCONCLUSIVE = 3  # neither met nor missed with the evidence asked for
    UNREACHABLE = 4  # no request got through, or the venue refused
    INVALID = 5  # the pooled arm was not pooled, or a result is unreadable
    FILLED = 6  # an order was filled: the run stopped, look at the account
    BUG = 70  # a traceback says where, or which process of ours died (EX_SOFTWARE)
    INTERRUPTED = 130  # Ctrl-C; what was measured is on disk
    TERMINATED = 143  # SIGTERM or SIGHUP; what was measured is on disk


class VestbenchError(Exception):
    """What failed, on which object, why, and what to do: one line, lower case."""

    exit_code = ExitCode.NOT_MET


class UsageError(VestbenchError):
    """An option, a setting, or a file named by the user cannot be used."""

    exit_code = ExitCode.USAGE


class VenueError(VestbenchError):
    """The venue could not be reached, or answered and refused."""

    exit_code = ExitCode.UNREACHABLE


class InvalidRunError(VestbenchError):
    """What was measured, or what a file holds, cannot support a statement."""

    exit_code = ExitCode.INVALID


class LabError(VestbenchError):
    """The simulated venue or its emulated link could not be started, or asked."""

    exit_code = ExitCode.UNREACHABLE


class ProcessDiedError(LabError):
    """A process of ours, which sends, serves or delays, ended without being asked."""

    exit_code = ExitCode.BUG

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}; its own message, if any, is above, and the system's log says "
            "whether memory ran out"
        )


class FilledOrderError(VestbenchError):
    """An order that was meant never to be filled was, so money has moved."""

    exit_code = ExitCode.FILLED


class InvalidValueError(ValueError):
    """What a person wrote, in a file or an option, is not valid. A bug is never this.

    Args:
        why: What is expected instead.
        at: Where it stands, such as `arms[0].label`; empty for all of what was written.
    """

    def __init__(self, why: str, at: str = "") -> None:
        super().__init__(f"{at}: {why}" if at else why)
        self.why = why
        self.at = at

    def within(self, place: str) -> Self:
        """Return it as of something that stands at `place` itself."""
        dot = "." if self.at and place and not self.at.startswith("[") else ""
        return type(self)(self.why, f"{place}{dot}{self.at}")


def reason_of(error: Exception) -> str:
    """Return why the system, or else Python, refused something, in lower case."""
    of_system = getattr(error, "strerror", None)
    if of_system:
        return str(of_system).lower()
    text = str(error)  # which may name a file
    return f"{text[:1].lower()}{text[1:]}"
