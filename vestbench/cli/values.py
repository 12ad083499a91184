"""What the text of an option means, or a refusal that names the option."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

from vestbench.config import parse_duration
from vestbench.errors import UsageError

T = TypeVar("T")


def duration(option: str, text: str | None, default_s: float = 0.0) -> float:
    """Return the seconds that the value of `option` means.

    Raises:
        UsageError: It is no duration with a unit.
    """
    if text is None:
        return default_s
    return parsed(option, text, parse_duration)


def parsed(option: str, text: str, parse: Callable[[str], T]) -> T:
    """Return `text` parsed, naming `option` where it cannot be."""
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def chosen(option: str, value: T, allowed: tuple[T, ...]) -> T:
    """Return `value` if it is one of `allowed`."""
    if value not in allowed:
        known = ", ".join(str(item) for item in allowed)
        raise UsageError(f"{option}: {value!r} is not one of {known}")
    return value


def seed_or_new(seed: int | None) -> int:
    """Return `seed`, or a new one of 32 bits."""
    if seed is None:
        return secrets.randbits(32)
    if not 0 <= seed < 2**63:
        raise UsageError(f"--seed: {seed} is not between 0 and 2^63 - 1")
    return seed
