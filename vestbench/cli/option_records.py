"""Options as fields of records: how one is declared, and how a command takes them.

Each command goes through `takes_options` when it is loaded. It may have parameters of
such records: each is replaced by the options in it, and the command gets the record.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, field, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any, get_type_hints

import typer

from vestbench.errors import UsageError

Command = Callable[..., None]
_INFO, _MANY = "typer", "options"  # in the metadata of a field


def option(
    about: str,
    metavar: str | None = None,
    *,
    names: str = "",
    default: Any = None,
    shown: str | None = None,
    **rest: Any,
) -> Any:
    """Declare a field of a record, or a parameter of a command, as an option.

    Args:
        about: What it does, in a sentence.
        metavar: What stands for its value in the help; None for a switch.
        names: What is typed, with blanks between; empty is the name of the field, even
            of a switch, which then has no `--no-…`.
        default: What holds if it is not given.
        shown: The default in words; empty shows none, None shows `default` itself.
        rest: For Typer, such as `min`.
    """
    if shown:
        about += f" [default: {shown}]"
    info = {"metavar": metavar, "help": about, "show_default": shown is None, **rest}
    return field(default=default, metadata={_INFO: (names, info)})


def options_by_name(declared: Callable[[], Mapping[str, Any]]) -> Any:
    """Declare a field of a record as a mapping of options that a registry knows.

    Args:
        declared: Returns them, each by its name and as `option` declares it. They are
            texts, None where one is not given.
    """
    return field(default_factory=dict, metadata={_MANY: declared})


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
            values[name] = record(**_values_of(record, values))
        command(**values)

    parameters = [
        taken
        for parameter in own.values()
        for taken in (
            _options_of(parameter.annotation)
            if parameter.name in records
            else [_taken(parameter.name, parameter.annotation, parameter.default)]
        )
    ]
    shown: Any = expanded
    shown.__signature__ = inspect.Signature(parameters)
    shown.__annotations__ = {each.name: each.annotation for each in parameters}
    return expanded


def _options_of(record: Any) -> Iterator[Parameter]:
    hints = get_type_hints(record, include_extras=True)
    for each in fields(record):
        if _MANY in each.metadata:
            for name, declared in each.metadata[_MANY]().items():
                yield _taken(name, str | None, declared)
        else:
            yield _taken(each.name, hints[each.name], each)


def _values_of(record: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Take the values of a record's fields out of those of a command."""
    return {
        each.name: (
            {name: values.pop(name) for name in each.metadata[_MANY]()}
            if _MANY in each.metadata
            else values.pop(each.name)
        )
        for each in fields(record)
    }


def _taken(name: str, hint: Any, default: Any) -> Parameter:
    """Return a parameter as Typer wants it; `default` may be declared as an option."""
    if isinstance(default, Field):
        if _INFO in default.metadata:
            names, info = default.metadata[_INFO]
            typed = names.split() or [option_of(name)]
            hint = Annotated[hint, typer.Option(*typed, **info)]
        default = default.default
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def given_in(record: Any, kind: Any) -> list[str]:
    """Return which options of a kind were given, as a user types them.

    Args:
        record: As it was given, with options of several kinds; None is not given.
        kind: The record whose options are meant; those that `record` does not have
            were not given.
    """
    found: dict[str, Any] = {}
    for each in fields(kind):
        value: Any = getattr(record, each.name, None)
        found |= value if _MANY in each.metadata else {each.name: value}
    return [option_of(name) for name, value in found.items() if value is not None]


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


def field_of(option: str) -> str:
    """Return the field of an option that a user types."""
    return option.removeprefix("--").replace("-", "_")
