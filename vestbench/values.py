"""What a text means that somebody wrote: in an option, an argument or a setting.

Each function takes the name of what the text was given for, as its writer knows it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import TypeVar

from vestbench.config import parse_duration
from vestbench.defaults import CONFIDENCES
from vestbench.errors import UsageError

T = TypeVar("T")


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
