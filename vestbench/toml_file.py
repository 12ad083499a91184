"""TOML from strangers, within bounds: no file takes all memory, or hours, to read."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from vestbench.errors import InvalidValueError

# A key of so many parts, `a.a.a`, takes tomllib seconds, and ten times as many parts a
# hundred times as long. Every part begins a match once: the quantifiers are possessive.
_MAX_PARTS = 100
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(
    rf"(?<![\w.-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{_MAX_PARTS}}}", re.ASCII
)


def parse(data: bytes | bytearray) -> dict[str, Any]:
    """Return the document.

    Raises:
        InvalidValueError: It is not TOML, not UTF-8, or nested beyond all reason.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8 at byte {error.start + 1}"
        raise InvalidValueError(why) from error
    if _LONG_KEY.search(text):
        raise InvalidValueError(f"a key has more than {_MAX_PARTS} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidValueError(str(error)) from error
    except RecursionError as error:
        raise InvalidValueError("it is nested too deeply") from error
    except ValueError as error:  # what Python refuses of an integer
        raise InvalidValueError("a number in it has too many digits") from error
