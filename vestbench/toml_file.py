"""TOML from strangers, within bounds: no file takes all memory, or hours, to read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

# A key of so many parts, `a.a.a`, takes tomllib seconds, and ten times as many parts a
# hundred times as long. Every part begins a match once: the quantifiers are possessive.
_MAX_PARTS = 100
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(
    rf"(?<![\w.-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{_MAX_PARTS}}}", re.ASCII
)


def read_bounded(path: Path, most_bytes: int) -> bytearray:
    """Read a file that may be a pipe, or a device without an end.

    Raises:
        OSError: It cannot be read.
        ValueError: Its name is none, or it is larger than `most_bytes`.
    """
    data = bytearray()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            data += piece
            if len(data) > most_bytes:
                raise ValueError(f"it is larger than {most_bytes // 2**20} MiB")
    return data


def parse(data: bytes | bytearray) -> dict[str, Any]:
    """Return the document.

    Raises:
        ValueError: It is not TOML, not UTF-8, or nested beyond all reason.
    """
    text = data.decode()
    if _LONG_KEY.search(text):
        raise ValueError(f"a key has more than {_MAX_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
