"""What a value of a file has to be, and what is wrong with it in plain words.

Messages of msgspec are reworded, because whoever made the file reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from msgspec import ValidationError, convert

from vestbench.errors import InvalidValueError

R = TypeVar("R")

_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "a table",
    datetime: "a date and time",
}


def expect(value: object, kind: type, place: str = "") -> None:
    """Raise InvalidValueError for a value of another kind, at its place."""
    if type(value) is not kind:
        found = _KINDS.get(type(value), "a date or a time")
        raise InvalidValueError(f"expected {_KINDS[kind]}, got {found}", place)


def present(table: Mapping[str, Any], key: str, place: str = "") -> Any:
    """Return a value of a table, or raise InvalidValueError if it is not there."""
    if key not in table:
        raise InvalidValueError("it is missing", key).within(place)
    return table[key]


# --- what msgspec says ---------------------------------------------------------------

_TYPES = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
    "datetime": "a date and time",
}
_PLACE = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_TYPE = re.compile(r"`(int|float|str|bool|array|object|null|datetime)( \| null)?`")
_FIELD = re.compile(
    r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$"
)


def validated(table: Any, record: type[R], name: str) -> R:
    """Return a table as a record; InvalidValueError has the path of what is wrong."""
    try:
        return convert(table, record)
    except ValidationError as error:
        found = _PLACE.search(str(error))
        path = found["path"] if found is not None else ""
        raise _explained(error).within(path).within(name) from error


def _explained(error: ValidationError) -> InvalidValueError:
    """Return what is wrong: what a record refused itself, or msgspec in plain words."""
    if isinstance(error.__cause__, InvalidValueError):
        return error.__cause__
    if error.__cause__ is not None:  # a bug in such a record
        raise error.__cause__
    message = _PLACE.sub("", str(error))
    field = _FIELD.match(message)
    if field is not None:
        missing = field["what"].startswith("missing")
        why = "it is missing" if missing else "it is unknown"
        return InvalidValueError(why, field["name"])
    plain = _TYPE.sub(lambda found: _TYPES[found[1]], message).replace("`", "")
    return InvalidValueError(f"{plain[:1].lower()}{plain[1:]}")
