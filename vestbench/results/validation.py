"""A table of a result file as a record, or a message that says where it is wrong.

msgspec says what it expected of which type at which place; its words become plainer
here, because they are read by those who made the file, too.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

from msgspec import ValidationError, convert

R = TypeVar("R")

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
    r"^Object (?P<what>missing required|contains unknown) field `(.*)`$"
)


def validated(table: Any, record: type[R], name: str) -> R:
    """Return a table as a record; ValueError begins with the path of what is wrong."""
    try:
        return convert(table, record)
    except ValidationError as error:
        raise ValueError(_explained(str(error), name)) from error


def _explained(message: str, name: str) -> str:
    """Return `plan.sessions: expected an integer, got text` for what msgspec says."""
    place = _PLACE.search(message)
    if place is not None:
        message = message[: place.start()]
        path = place["path"]
        name += path if path.startswith("[") or not path else f".{path}"
    field = _FIELD.match(message)
    if field is not None:
        missing = field["what"].startswith("missing")
        return f"{name}.{field[2]} is {'missing' if missing else 'unknown'}"
    plain = _TYPE.sub(lambda found: _TYPES[found[1]], message).replace("`", "")
    return f"{name}: {plain[:1].lower()}{plain[1:]}"
