"""Files as a stranger would make them, and what the command may say of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from random import Random
from typing import Any

import tomli_w
from typer.testing import Result

from vestbench.errors import ExitCode

# Replaced for one value of a document, or added to it.
VALUES: tuple[Any, ...] = (
    True,
    False,
    0,
    1,
    -1,
    2**31,
    10**18,
    10**30,
    0.0,
    -0.5,
    1e-300,
    9e300,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "nan",
    "\x1b[2J\u202e\u0000\n\r\x9b",
    "x" * 5000,
    "[bold]%s{0}",
    "../../../etc/passwd",
    [],
    [[]],
    [1, "a", None][:2],
    ["a", "a"],
    [{}],
    [float("nan")],
    {},
    {"": {}},
    {"a": {"b": {"c": []}}},
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59),
    date(2026, 1, 1),
    time(1, 2, 3),
)
PIECES = (
    b'"',
    b"'''",
    b"[",
    b"]]",
    b"{",
    b"=",
    b"\n",
    b"\0",
    b"\xff",
    b"9" * 400,
    b"#",
)
ONE_LINE = (ExitCode.USAGE, ExitCode.UNREACHABLE, ExitCode.INVALID)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to everything inside a document."""
    if isinstance(value, dict):
        items: Any = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        return
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def edited(document: dict[str, Any], rng: Random) -> dict[str, Any]:
    """Change one thing in a document, in place: replaced, removed or added."""
    path = rng.choice(list(places(document)))
    inside: Any = document
    for key in path[:-1]:
        inside = inside[key]
    match rng.randrange(4):
        case 0:
            del inside[path[-1]]
        case 1 if isinstance(inside, dict):
            inside[rng.choice(("what", "", "n", "samples"))] = rng.choice(VALUES)
        case _:
            inside[path[-1]] = rng.choice(VALUES)
    return document


def scratched(data: bytes, rng: Random) -> bytes:
    """Change some bytes, or cut the end off."""
    if rng.randrange(4) == 0:
        return data[: rng.randrange(len(data))]
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data))
        piece = rng.choice(PIECES)
        data = data[:place] + piece + data[place + rng.randint(0, 8) :]
    return data


def spoilt(data: bytes, rng: Random) -> bytes:
    """Return what a stranger might have made of a file."""
    if rng.randrange(3) == 0:
        return scratched(data, rng)
    document = tomllib.loads(data.decode())
    for _ in range(rng.choice((1, 1, 2, 4))):
        document = edited(document, rng)
        if not document:
            break
    return tomli_w.dumps(document).encode()


def check(
    result: Result, *, allowed: tuple[int, ...], tables: tuple[int, ...] = ()
) -> None:
    """Assert that a command ended in one line and with a documented status.

    With a status that is in `tables` too, it may have shown those in place of a line.
    """
    ended = result.exception is None or isinstance(result.exception, SystemExit)
    if not ended:
        raise AssertionError(repr(result.exception)) from result.exception
    assert result.exit_code in allowed, result.output
    if result.exit_code in ONE_LINE and not (
        result.exit_code in tables and result.stdout and not result.stderr
    ):
        assert result.stderr.startswith("error: "), result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
    shown = result.output.replace("\n", "")
    odd = {c for c in shown if not c.isprintable()}
    assert not odd, odd


def write(path: Path, data: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(data)
    return path
