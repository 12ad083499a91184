"""The commands by name, each imported when it is run: `--help` names them all at once.

Importing what every command imports takes longer than Typer itself.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

# What `vestbench --help` says of each command: the first line of its own help. The
# function of a command is in the module of its name, or in that of `_MODULES`.
COMMANDS = {
    "bench": "Time cold against subsequent requests, by phase, with proof of reuse.",
    "compare": "Decide how much one way of connecting saves against another.",
    "warmup": (
        "Do what the bot does at start, and prove what its first request gains by it."
    ),
    "connect": "Start as the bot does, step by step, and show what its warm-up buys.",
    "exec": "Run a program, in any language, against the simulated exchange.",
    "serve": (
        "Run the simulated exchange until Ctrl-C, for any client; on loopback by "
        "default."
    ),
    "report": (
        "Show a stored run again, exactly as it was shown, or make documents of it."
    ),
    "gate": (
        "Judge stored runs: by what is asserted, or by what they were asked themselves."
    ),
    "history": "List stored runs: when, what of, and how much was saved.",
    "trend": "Show how the saving went over stored runs, and where it changed.",
    "config": "Show the settings in force, and where each value came from.",
    "doctor": "Find out what this machine can do, and why it cannot do the rest.",
    "stacks": "Say which HTTP libraries are installed, and what each can do.",
    "keys": "Make keys for an account.",
}
_MODULES = {"trend": "history"}

# Rich help would import rich for every --help, and a traceback with locals could show a
# key.
PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}


class _Command(TyperCommand):
    """Refuses an option with two values: which of them is meant cannot be told.

    Its help names what is registered.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help, with the lists that its texts name."""
        from vestbench.cli.words import filled

        for param in self.params:
            param.help = filled(getattr(param, "help", None) or "")  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the command; a first time to see every value given."""
        options = [each for each in self.params if isinstance(each, TyperOption)]
        single = [each for each in options if not each.multiple]
        for option in single:
            option.multiple = True
        try:
            given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        finally:
            for option in single:
                option.multiple = False
        for option in single:
            values = given.get(option.name or "") or ()
            # A switch may be repeated, but not contradicted.
            if len(set(values) if option.is_flag else values) > 1:
                said = " and ".join(_words(option, value) for value in values)
                raise typer.BadParameter(f"given more than once: {said}", ctx, option)
        return super().parse_args(ctx, args)


def _words(option: TyperOption, value: Any) -> str:
    """Return an option with a value that was given to it, as a user types it."""
    if option.is_flag:
        return (option.opts if value else option.secondary_opts)[0]
    return f"{option.opts[0]} {value}"


def load(name: str) -> Any:
    """Import a command and return it as Typer runs it."""
    function = name.replace("-", "_")
    module = import_module(f"vestbench.cli.{_MODULES.get(name, function)}")
    found = getattr(module, function)
    if not isinstance(found, typer.Typer):  # a group brings its own
        from vestbench.cli.exports import documented
        from vestbench.cli.option_records import takes_options

        app = typer.Typer(**PLAIN)
        app.command(name, cls=_Command)(takes_options(documented(name, found)))
        found = app
    return typer.main.get_command(found)


class LateCommands(UserDict[str, Any]):
    """The commands of a group, of which those in `COMMANDS` are loaded when asked for.

    Args:
        others: Commands that are there already.
    """

    def __init__(self, others: Mapping[str, Any]) -> None:
        super().__init__({**dict.fromkeys(COMMANDS), **others})

    def __getitem__(self, name: str) -> Any:
        if self.data[name] is None:
            self.data[name] = load(name)
        return self.data[name]

    def sentence(self, name: str) -> str:
        """Return what a command does, without loading it."""
        return COMMANDS.get(name) or str(self[name].get_short_help_str(limit=80))
