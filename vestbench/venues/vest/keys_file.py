"""The file that holds keys: TOML, for its owner's eyes only, never overwritten.

    signing_key = "0x…"      primary_key = "0x…"      api_key = "…"
    account_group = 0        primary_addr = "0x…"     production = true

All are optional.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vestbench.errors import UsageError
from vestbench.files import open_regular
from vestbench.venues.secret import Secret
from vestbench.venues.vest.credentials import (
    ACCOUNT_GROUPS,
    FIELDS,
    Credentials,
    from_environment,
    parse,
)
from vestbench.venues.vest.rights import create_private, unfit
from vestbench.venues.vest.signing import PRODUCTION_CONTRACT

_NAMES = {field.in_file: name for name, field in FIELDS.items()}
_WANTED = {int: "a number", bool: "true or false", str: "a text in quotes"}
_LARGEST_BYTES = 64 * 1024
_LOOKS_LIKE_A_KEY = re.compile("(0x)?[0-9a-fA-F]{40,}")
_AT = re.compile(r"at (line \d+, column \d+|end of document)(?=\)$)")


def find_credentials(
    venue: str, *, environment: Mapping[str, str], keys_file: Path | None = None
) -> Credentials:
    """Return the keys for a venue: the file's first, then the environment's.

    Each value comes from the first place that has it, so that a file may hold a signing
    key alone.

    Raises:
        UsageError: A place cannot be used, or what was found does not belong together.
    """
    found = from_environment(environment)
    if keys_file is not None:
        found = load(keys_file).over(found)
    return found.for_venue(venue)


def load(path: Path) -> Credentials:
    """Return what the keys file at `path` holds.

    Raises:
        UsageError: It cannot be read, is not its owner's alone, or is not a keys file.
            The message never contains a value.
    """
    shown = _shown(path)
    content, problem = _read(path)
    if problem:
        raise UsageError(f"keys file {shown} {problem}")
    table, problem = _table(content)
    if problem:
        raise UsageError(f"{shown} is not a keys file: {problem}")
    texts = {_NAMES[name]: _text(value) for name, value in table.items()}
    sources = {field: f"{shown}: {name}" for name, field in _NAMES.items()}
    return parse(texts, sources)


def save(path: Path, credentials: Credentials) -> None:
    """Write a new keys file that only its owner can read.

    Raises:
        UsageError: The file exists already, or cannot be written.
    """
    shown = _shown(path)
    try:
        descriptor = create_private(path)
    except FileExistsError:
        raise UsageError(
            f"{shown} exists already and is not overwritten: name another file"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write {shown}: {_why(error)}") from error
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(_document(credentials))
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UsageError(f"cannot write {shown}: {_why(error)}") from error


def _shown(path: Path) -> str:
    """Return the path for messages, unless it is a key in place of one."""
    text = str(path)
    if _LOOKS_LIKE_A_KEY.fullmatch(path.name):
        raise UsageError(
            "a keys file was expected, not a key: it may now be in the shell's history"
        )
    return text if text.isprintable() else ascii(text)


def _read(path: Path) -> tuple[bytes, str]:
    """Return the content, or why it is not to be read."""
    try:
        with open_regular(path) as file:
            # The open file, not the path: nobody can exchange it in between.
            if problem := unfit(file.fileno()):
                return b"", problem
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        return b"", f"cannot be read: {_why(error)}"
    return content, ("is too large" if len(content) > _LARGEST_BYTES else "")


def _table(content: bytes) -> tuple[Mapping[str, Any], str]:
    """Return the table in `content`, or why there is none."""
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        return {}, "it is nested too deeply"
    except UnicodeDecodeError:
        return {}, "it is not UTF-8"
    except ValueError as error:
        # The message may quote the file; the place does not.
        at = _AT.search(str(error))
        return {}, "not valid TOML" + (f" {at[0]}" if at else "")
    known = ", ".join(_NAMES)
    if set(table) - set(_NAMES):
        # Its name is not shown: it may be a key that lost its quotes.
        return {}, f"it holds a name that is none of {known}"
    if not table:
        return {}, f"it holds none of {known}"
    for name, value in table.items():
        expected = FIELDS[_NAMES[name]].toml
        if type(value) is not expected:
            return {}, f"{name} must be {_WANTED[expected]}"
    if not 0 <= table.get("account_group", 0) < ACCOUNT_GROUPS:
        return {}, f"account_group must be 0 to {ACCOUNT_GROUPS - 1}"
    return table, ""


def _text(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(credentials: Credentials) -> str:
    lines = ["# Keys of a Vest account, written by vestbench. Show them to nobody."]
    for name, field in _NAMES.items():
        value = getattr(credentials, field)
        if value is None:
            continue
        if name == "production":
            value = str(value == PRODUCTION_CONTRACT).lower()
        elif isinstance(value, Secret):
            value = _quoted(value.reveal())
        elif isinstance(value, str):
            value = _quoted(value)
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # Printable ASCII (`credentials.parse`), so these two are all there is to escape.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
