"""Arguments as they are written, into what the core takes.

Durations and percentages are texts, as in options and settings.
"""

from __future__ import annotations

from vestbench.config import parse_duration, parse_percent
from vestbench.errors import UsageError
from vestbench.studies.compare.job import Target

_CONFIDENCES = (90, 95, 99)


def target(text: str) -> Target:
    """Return the saving that `min_saving` asks for.

    Raises:
        UsageError: It is none.
    """
    if text == "auto":
        return Target()
    try:
        if "%" in text:
            return Target(percent=parse_percent(text))
        return Target(saving_s=parse_duration(text))
    except ValueError as error:
        raise UsageError(f"min_saving: {error}") from error


def duration(name: str, text: str) -> float:
    """Return the seconds that the argument `name` means.

    Raises:
        UsageError: It is no duration with a unit.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def confidence_of(percent: int) -> float:
    """Return a confidence as a share; only some have a table.

    Raises:
        UsageError: There is none for it.
    """
    if percent not in _CONFIDENCES:
        raise UsageError(f"confidence: {percent} is not one of 90, 95, 99")
    return percent / 100


def chosen(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return the argument `name` if it is one of `allowed`.

    Raises:
        UsageError: It is not.
    """
    if value not in allowed:
        raise UsageError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
    return value
