"""Nothing is imported before it is needed: what the user waits for is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from tests.support.command import vestbench
from tests.support.paths import RESULTS
from vestbench.cli import app
from vestbench.cli.commands import COMMANDS, LateCommands
from vestbench.cli.option_records import option
from vestbench.cli.output_options import AssertOptions

REPORTING = ("rich", "numpy", "vestbench.stats", "vestbench.report")
SIGNING = ("eth_account", "eth_abi", "eth_utils", "eth_keys")


def imported(script: str, names: tuple[str, ...]) -> list[str]:
    """Return which of `names` a program has imported at its end."""
    lines = (
        "import atexit, sys",
        f"atexit.register(lambda: print(*[n for n in {names} if n in sys.modules]))",
        script,
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_command(option: str) -> None:
    script = f"import vestbench.cli; sys.argv[1:] = ['{option}']; vestbench.cli.main()"
    modules = (
        "vestbench.cli.bench",
        "vestbench.cli.options",
        "vestbench.model.request",
    )

    found = imported(script, (*modules, "pydantic", "tomllib", *REPORTING))

    assert found == []


def test_a_run_is_shown_without_what_the_other_commands_need() -> None:
    shown = RESULTS / "reference-bench-30ms.toml"
    script = (
        "import vestbench.cli; "
        f"sys.argv[1:] = ['report', {str(shown)!r}]; vestbench.cli.main()"
    )
    others = [
        f"vestbench.studies.{study}.{part}"
        for study in ("compare", "starts")
        for part in ("study", "summary", "sheet", "experiment", "job")
    ]

    found = imported(script, (*others, "vestbench.studies.bench.sheet"))

    assert found == ["vestbench.studies.bench.sheet"]


@pytest.mark.parametrize("command", ["bench", "compare", "warmup", "connect"])
def test_a_run_is_shown_without_what_measures(command: str) -> None:
    shown = str(RESULTS / f"reference-{command}-30ms.toml")
    script = (
        "import vestbench.cli; "
        f"sys.argv[1:] = ['report', {shown!r}]; vestbench.cli.main()"
    )
    measures = [
        f"vestbench.{each}" for each in ("cli.options", "running", "venues", "stacks")
    ]

    found = imported(script, (*measures, "vestbench.results.reading"))

    assert found == ["vestbench.results.reading"]


@pytest.mark.parametrize(
    "words",
    [
        ["report", "reference-bench-30ms.toml"],
        ["report", "reference-compare-30ms.toml"],
        ["gate", "reference-compare-30ms.toml"],
        ["history", "."],
    ],
)
def test_no_stored_run_needs_numpy(words: list[str], tmp_path: Path) -> None:
    """Importing it takes longer than to show a run."""
    page = tmp_path / "page.html"  # a page has pictures with all bars
    pages = ["--html", str(page)] if words[0] == "report" else []
    script = (
        "import vestbench.cli; "
        f"sys.argv[1:] = [{words[0]!r}, {str(RESULTS / words[1])!r}, *{pages}]; "
        "vestbench.cli.main()"
    )

    assert imported(script, ("numpy", "vestbench.studies.registry")) == [
        "vestbench.studies.registry"
    ]
    assert page.exists() == bool(pages)


@pytest.mark.parametrize(
    "words",
    [
        *([name, "--help"] for name in COMMANDS),
        ["bench", "--rtt", "0ms", "-n", "20", "--quiet", "--output", "run.toml"],
        ["warmup", "--rtt", "0ms", "--rounds", "1", "--quiet"],
        ["report", str(RESULTS / "reference-bench-30ms.toml")],
        ["gate", str(RESULTS / "reference-compare-30ms.toml")],
        ["history", str(RESULTS)],
        ["config"],
        ["stacks"],
    ],
    ids=" ".join,
)
def test_no_command_loads_pydantic(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer to import than all else; only signing needs it."""
    monkeypatch.chdir(tmp_path)
    script = f"import vestbench.cli; sys.argv[1:] = {words}; vestbench.cli.main()"

    assert imported(script, ("pydantic", "vestbench.cli")) == ["vestbench.cli"]


def test_documents_need_nothing_that_draws_on_a_terminal(tmp_path: Path) -> None:
    kinds = ("--markdown", "--csv", "--json-file", "--junit", "--prometheus")
    kept = {kind: str(tmp_path / kind[2:]) for kind in kinds}
    words = ["report", str(RESULTS / "reference-bench-30ms.toml"), "--html", "-"]
    words += [word for pair in kept.items() for word in pair]
    script = f"import vestbench.cli; sys.argv[1:] = {words}; vestbench.cli.main()"

    found = imported(script, ("rich", "vestbench.studies.exports"))

    assert found == ["vestbench.studies.exports"]
    assert all(map(os.path.exists, kept.values()))


def test_bench_imports_no_statistics_before_its_first_request() -> None:
    script = "\n".join(
        (
            "import vestbench.cli",
            "from vestbench.workers.remote import RemoteStack",
            "def stop(*_, **__):",
            "    print('the measuring process would start')",
            "    raise SystemExit",
            "RemoteStack.__init__ = stop",
            "url = 'https://127.0.0.1:9/'",
            "sys.argv[1:] = ['bench', '--venue', url, '--output', '/dev/null/none']",
            "sys.argv[-1] = __import__('tempfile').mkdtemp() + '/run.toml'",
            "vestbench.cli.main()",
        )
    )

    found = imported(script, (*REPORTING, *SIGNING, "httpx", "vestbench.simulator.lab"))

    assert found == []


@pytest.mark.parametrize(
    "module", ["vestbench.simulator.exchange", "vestbench.workers.worker"]
)
def test_no_process_imports_what_signs_as_it_starts(module: str) -> None:
    assert imported(f"import {module}", SIGNING) == []


def test_help_says_of_each_command_what_the_command_says_of_itself() -> None:
    commands = LateCommands({})

    said = {name: (commands[name].help or "").partition("\n")[0] for name in commands}

    assert said == COMMANDS


def test_help_names_every_command_in_order() -> None:
    said = vestbench("--help").output

    places = [said.index(f"\n  {name} ") for name in COMMANDS]
    assert places == sorted(places)


def test_a_command_is_loaded_when_it_is_asked_for_and_only_once() -> None:
    commands = LateCommands({})

    assert set(commands) == set(COMMANDS)
    assert commands["doctor"] is commands["doctor"]
    assert commands["doctor"].name == "doctor"
    with pytest.raises(KeyError):
        commands["no such command"]


def test_a_command_that_is_there_already_stays_what_it_is() -> None:
    there: Any = typer.main.get_command(typer.Typer(name="own", callback=print))

    commands = LateCommands({"own": there})

    assert list(commands) == [*COMMANDS, "own"]
    assert commands["own"] is there
    assert len(commands) == len(COMMANDS) + 1


def head_count(
    people: int = option("Who is there.", "N", default=3), *, asserting: AssertOptions
) -> None:
    """Count people."""
    asserting.check(decides=False)
    typer.echo(f"{people} people")


def test_a_new_command_is_a_module_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("vestbench.cli.head_count")
    module.head_count = head_count
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "head-count", "Count people.")

    assert "head-count  Count people." in vestbench("--help").output
    assert "--people N " in vestbench("head-count", "--help").output
    assert vestbench("head-count", "--people", "5").output == "5 people\n"
    refused = vestbench("head-count", "--on-inconclusive", "fail")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "error: --on-inconclusive: nothing is asserted of this run\n"
    )


def test_a_misspelt_command_is_answered_with_the_right_one() -> None:
    result = vestbench("benhc")

    assert result.exit_code == 2
    assert "'bench'" in result.stderr


def test_the_group_knows_its_commands() -> None:
    group: Any = typer.main.get_command(app)

    assert list(group.commands) == list(COMMANDS)
