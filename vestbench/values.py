"""Values from texts that people write: options, arguments and settings.

Most functions take the name of the option, argument or setting, as the person who
wrote the text knows it: a refusal begins with that name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import TypeVar

from vestbench.defaults import CONFIDENCES
from vestbench.errors import UsageError

T = TypeVar("T")

# Decimal, because 9 * 1e-3 is not the same float as 0.009.
_UNITS_S = {
    "us": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_BARE_NUMBER = re.compile(_NUMBER, re.ASCII)
_DURATION = re.compile(_NUMBER + " ?(us|ms|s|m|h)", re.ASCII)
_PERCENT = re.compile(_NUMBER + " ?%", re.ASCII)
_LONGEST_S = 24 * 3600.0


def parse_duration(text: str) -> float:
    """Return the seconds that a text such as `50ms`, `1.5s` or `2m` means.

    Raises:
        ValueError: It has no unit, is no duration, or is longer than a day. The message
            says what to write instead.
    """
    text = text.strip()
    match = _DURATION.fullmatch(text)
    if match is None:
        if _BARE_NUMBER.fullmatch(text):
            raise ValueError(
                f"{text!r} has no unit: write {text}ms or {text}s, whichever is meant"
            )
        raise ValueError(
            f"{text!r} is not a duration: write for example 50ms, 60s or 2m"
        )
    seconds = float(Decimal(match[1]) * _UNITS_S[match[2]])
    if seconds > _LONGEST_S:
        raise ValueError(f"{text!r} is longer than a day")
    return seconds


def parse_percent(text: str) -> float:
    """Return the number in a text such as `30%`.

    Raises:
        ValueError: It is none, or not between 0 and 100.
    """
    match = _PERCENT.fullmatch(text)
    if match is None or not 0 < float(match[1]) < 100:
        raise ValueError(f"{text!r} is no percentage: write for example 30%")
    return float(match[1])


def parsed(name: str, text: str, parse: Callable[[str], T]) -> T:
    """Return what `parse` makes of a text.

    Raises:
        UsageError: It can make nothing of it; the message begins with `name`.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def duration(name: str, text: str | None, default_s: float = 0.0) -> float:
    """Return the seconds that a text such as `50ms` means; None is the default.

    Raises:
        UsageError: It is no duration with a unit.
    """
    return default_s if text is None else parsed(name, text, parse_duration)


def chosen(name: str, value: T, allowed: Collection[T]) -> T:
    """Return a value that is one of those allowed.

    Raises:
        UsageError: It is not.
    """
    if value not in allowed:
        raise UsageError(
            f"{name}: {value!r} is not one of {', '.join(map(str, allowed))}"
        )
    return value


def confidence_of(name: str, percent: int) -> float:
    """Return a confidence as a share; only some have a table.

    Raises:
        UsageError: There is none for it.
    """
    return chosen(name, percent, CONFIDENCES) / 100


def seed_or_new(name: str, seed: int | None) -> int:
    """Return a seed, or a new one of 32 bits.

    Raises:
        UsageError: It is out of bounds.
    """
    if seed is None:
        return secrets.randbits(32)
    if not 0 <= seed < 2**63:
        raise UsageError(f"{name}: {seed} is not between 0 and 2^63 - 1")
    return seed
