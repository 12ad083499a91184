"""Records of options: what Typer sees of them, and what a command gets."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.core import TyperOption
from typer.testing import CliRunner

from tests.support.command import vestbench
from vestbench.cli import options
from vestbench.cli.commands import COMMANDS, load
from vestbench.cli.option_records import given_in, option, takes_options
from vestbench.cli.options import DriftingOptions, ExchangeOptions, LinkOptions
from vestbench.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Fruit:
    apples: int = option("How many.", "N", names="--apples -a", default=3, min=0)
    green_pears: str | None = option("Which.", shown="all")


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreFruit(Fruit):
    plums: bool = option("Some.", names="--plums", default=False)


def eaten(*words: str) -> object:
    """Run a command that takes fruit between two options of its own."""
    app, got = typer.Typer(rich_markup_mode=None), []

    @app.command()
    @takes_options
    def eat(
        name: Annotated[str, typer.Argument()],
        *,
        fruit: MoreFruit,
        fast: bool = option("No chewing.", names="--fast", default=False),
    ) -> None:
        """Eat."""
        got.append((name, fruit, fast))

    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return got[0] if got else result.stdout


def test_a_command_gets_its_options_as_the_record() -> None:
    words = ("Ann", "-a", "5", "--plums", "--fast")

    assert eaten(*words) == ("Ann", MoreFruit(apples=5, plums=True), True)


def test_options_that_are_not_given_have_the_defaults_of_the_record() -> None:
    assert eaten("Ann") == ("Ann", MoreFruit(), False)


def test_help_shows_the_options_in_the_place_of_the_record() -> None:
    shown = eaten("--help")

    assert isinstance(shown, str)
    places = [shown.index(name) for name in ("--apples", "--green-pears", "--plums")]
    assert [*places, shown.index("--fast")] == sorted([*places, shown.index("--fast")])
    assert "How many." in shown
    assert "[default: 3" in shown
    assert "[default: all]" in shown
    assert "--fruit" not in shown


def test_a_value_out_of_range_is_refused_as_for_any_option() -> None:
    app = typer.Typer()

    @app.command()
    @takes_options
    def eat(*, fruit: Fruit) -> None:
        raise AssertionError(fruit)

    assert CliRunner().invoke(app, ["--apples", "-1"]).exit_code == 2


@pytest.mark.parametrize(
    "record",
    [value for value in vars(options).values() if str(value).endswith("Options'>")],
    ids=lambda record: str(record.__name__),
)
def test_every_record_is_made_of_options_only(record: type) -> None:
    def command(*, options: object) -> None:
        raise AssertionError(options)

    command.__annotations__["options"] = record

    for parameter in inspect.signature(takes_options(command)).parameters.values():
        (info,) = parameter.annotation.__metadata__
        assert isinstance(info, type(typer.Option("--x"))), parameter


def test_what_was_given_is_called_as_a_user_types_it() -> None:
    given = DriftingOptions(rtt="5ms", max_requests=0, pool_max_idle="1")

    assert given_in(given, LinkOptions) == ["--rtt"]
    assert given_in(given, ExchangeOptions) == ["--max-requests"]
    assert given_in(DriftingOptions(), LinkOptions) == []


def valued(command: str) -> list[TyperOption]:
    """Return the options of a command that take one value."""
    options = [each for each in load(command).params if isinstance(each, TyperOption)]
    return [each for each in options if not (each.multiple or each.is_flag)]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "keys"])
def test_an_option_that_is_given_twice_is_refused_with_both_values(
    command: str,
) -> None:
    for each in valued(command):
        result = vestbench(command, each.opts[0], "17", each.opts[-1], "4711")
        assert result.exit_code == ExitCode.USAGE, each.opts
        assert f"{each.opts[0]} 17 and {each.opts[0]} 4711" in result.stderr


def test_a_switch_may_be_repeated_but_not_contradicted() -> None:
    wrong = ("bench", "--venue", "nowhere")  # so that nothing is measured
    assert "given" not in vestbench(*wrong, "--quiet", "-q").stderr
    contradicted = vestbench(*wrong, "--pooled", "--unpooled")
    assert contradicted.exit_code == ExitCode.USAGE
    assert "--pooled and --unpooled" in contradicted.stderr


def test_an_option_that_takes_several_values_may_be_given_twice() -> None:
    result = vestbench("bench", *2 * ("--assert", "no assertion"))
    assert "given" not in result.stderr
