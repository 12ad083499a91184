"""What can be concluded, and for which reason: the words that users see."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Self


class Verdict(StrEnum):
    """What a run says of what it was asked."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"


# A run is as good as the worst that is said of it.
_FROM_BEST = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.INVALID)


def worst(verdicts: Collection[Verdict]) -> Verdict:
    """Return the worst of `verdicts`; without any, nothing is wrong."""
    return max(verdicts, key=_FROM_BEST.index, default=Verdict.PASS)


class Sentenced(StrEnum):
    """Names, as in result files and documents, each with the sentence that says it.

    Attributes:
        sentence: It in words, without the figures of a run.
    """

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        """Make a member from its name and its sentence."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.sentence = sentence
        return member


class Reason(Sentenced):
    """Why a verdict is what it is, where its name does not say so."""

    NONE = "", ""
    # Failed:
    TOO_SHORT = "route-too-short", "the route is too short for such a saving"
    RELIABILITY = "reliability", "the candidate fails more often than the control"
    # Inconclusive:
    FEW = "too-few-sessions", "at least 12 sessions are needed"
    CLOSE = (
        "close",
        "the saving is too close to the target to tell: change the target, or accept "
        "this",
    )
    NOISY = "noisy", "what was measured does not settle it"
    UNRELIABLE = "unreliable", "too many requests failed"
    # Invalid:
    BROKEN_OFF = "broken-off", "an error, or the venue, ended the run"
    NOT_REUSED = "not-reused", "a connection was not kept or opened as it should be"
    UNANSWERED = "unanswered", "no request got a usable response"
    NO_COLD = "no-cold-request", "no request opened a connection"
    DEAD_ADDRESS = (
        "dead-address",
        "the saving holds time lost on an address that did not answer",
    )
    OTHER_SERVER = (
        "other-server",
        "the two requests of a saving met different servers",
    )


class Decision(StrEnum):
    """What the votes of some rounds say, before anything else is looked at."""

    PASS = "PASS"  # noqa: S105
    FAIL = "FAIL"
    CLOSE = "CLOSE"  # the interval lies within the margin around the target
    UNDECIDED = "UNDECIDED"


class Change(StrEnum):
    """What a comparison with stored runs shows."""

    REGRESSED = "REGRESSED"
    IMPROVED = "IMPROVED"
    NO_CHANGE_SHOWN = "NO CHANGE SHOWN"
