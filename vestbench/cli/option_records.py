"""Records whose fields are options: how a command takes one, and what a user typed.

A command that is decorated with `takes_options` may have parameters of such records:
each is replaced by the options in it, and the command gets the record.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, get_type_hints

from vestbench.errors import UsageError

Command = Callable[..., None]


def takes_options(command: Command) -> Command:
    """Let `command` take each option of its records by itself.

    Typer reads the signature of a function; the one returned has, in place of each
    parameter that is annotated with a record, the fields of the record.
    """
    own = inspect.signature(command, eval_str=True).parameters
    records: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in own.items()
        if is_dataclass(parameter.annotation)
    }

    @wraps(command)
    def expanded(**values: Any) -> None:
        for name, record in records.items():
            given = {field.name: values.pop(field.name) for field in fields(record)}
            values[name] = record(**given)
        command(**values)

    parameters: list[Parameter] = []
    for name, parameter in own.items():
        if name in records:
            parameters += _options_of(records[name])
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
    shown: Any = expanded
    shown.__signature__ = inspect.Signature(parameters)
    shown.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def _options_of(record: Any) -> list[Parameter]:
    hints = get_type_hints(record, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(record)
    ]


def given_in(record: Any, kind: Any) -> list[str]:
    """Return which options of a kind were given, as a user types them.

    Args:
        record: As it was given, with options of several kinds; None is not given.
        kind: The record whose options are meant.
    """
    names = [field.name for field in fields(kind)]
    return [option_of(name) for name in names if getattr(record, name) is not None]


def refuse(given: Collection[str], why: str) -> None:
    """Refuse options that were given, if any were.

    Raises:
        UsageError: One was.
    """
    if given:
        raise UsageError(f"{', '.join(given)}: {why}")


def option_of(name: str) -> str:
    """Return the option of a field, or of an argument, as a user types it."""
    return "--" + name.replace("_", "-")
