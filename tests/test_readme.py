"""What README.md says exists: commands, options, settings, exit codes, files."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from typing import Any

import pytest
import typer

from tests.support.paths import ROOT
from tests.support.printed import written
from tests.support.readme import BLOCKS, PROSE, README, SPANS, examples, typed_lines
from tests.support.studies import bench_of
from vestbench.cli import app
from vestbench.config import SETTINGS
from vestbench.errors import ExitCode
from vestbench.report.units import ms
from vestbench.studies.bench.summary import summarise_bench
from vestbench.studies.registry import load_run
from vestbench.studies.shown import show_brief
from vestbench.values import parse_duration
from vestbench.venues import find_venue

CI = ROOT / ".ci" / "run"
_LONG_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")


@cache
def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def options(command: str) -> set[str]:
    names = {"--help", "--version"}
    for parameter in commands()[command].params:
        names.update(parameter.opts, parameter.secondary_opts)
    return names


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table below `heading`, without its head."""
    _, found, rest = README.partition(f"\n{heading}\n")
    assert found, f"README has no {heading}"
    rows = re.search(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert rows is not None, f"{heading} has no table"
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in rows[1].splitlines()
    ]


def test_the_examples_are_found() -> None:
    assert len(examples()) >= 10
    assert {block.language for block in BLOCKS} >= {"sh", "console"}


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_command_is_mentioned(command: str) -> None:
    assert re.search(rf"\bvestbench {command}\b", README)


def test_every_command_that_is_mentioned_exists() -> None:
    named = {span.split()[1] for span in SPANS if span.startswith("vestbench ")}

    assert named - set(commands()) == set()


@pytest.mark.parametrize("example", examples())
def test_every_example_can_be_typed(example: str) -> None:
    command, *words = shlex.split(example)
    assert command in commands()
    parameters = commands()[command].params
    metavars = {parameter.name: parameter.metavar for parameter in parameters}

    # Raises for what is unknown, missing, or of the wrong type; runs nothing.
    values = commands()[command].make_context(command, words).params

    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if metavars[name] == "DURATION":
            parse_duration(value)
    if "venue" in given:
        find_venue(given["venue"])


def test_every_console_block_starts_with_a_command() -> None:
    for block in BLOCKS:
        if block.language == "console":
            assert block.text.startswith("$ vestbench "), block.text.splitlines()[0]
            for line in typed_lines(block):
                assert line.split()[1] in commands(), line


def test_every_option_that_is_mentioned_exists() -> None:
    known = {"--vestbench-results"}.union(*map(options, commands()))  # one is pytest's
    mentioned = {option for span in SPANS for option in _LONG_OPTION.findall(span)}

    assert mentioned
    assert mentioned - known == set()


def test_every_environment_variable_is_a_setting_and_the_other_way_round() -> None:
    mentioned = set(re.findall(r"\bVESTBENCH_[A-Z_]+\b", README))

    assert mentioned == {setting.variable for setting in SETTINGS}


def test_the_settings_are_as_the_table_has_them() -> None:
    shown = [row[1:] for row in table("### Settings")]

    assert shown == [
        [
            setting.default,
            setting.option,
            setting.variable,
            f"[{setting.section}] {setting.key}" if setting.section else setting.key,
        ]
        for setting in SETTINGS
    ]


def test_the_exit_codes_are_as_the_table_has_them() -> None:
    shown = [int(row[0]) for row in table("## Exit codes")]

    assert shown == [int(code) for code in ExitCode]


def test_every_file_that_is_linked_exists() -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", PROSE)
    files = [t.partition("#")[0] for t in targets if not re.match(r"\w+:|#", t)]

    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_path_that_is_mentioned_exists() -> None:
    paths = [s for s in SPANS if re.fullmatch(r"(tests|vestbench)/[\w./]*", s)]

    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "file", sorted(set(re.findall(r"results/[\w-]+ms\.toml", README)))
)
def test_what_is_quoted_of_a_stored_run_is_what_it_says(file: str) -> None:
    run = load_run(ROOT / file)
    said = written(show_brief(run), 100).splitlines()

    if run.conditions.signing == "on the path":
        sign = summarise_bench(bench_of(run)).subsequent.metric("sign")
        assert sign is not None
        assert f"it took {ms(sign.p50.point)} ms [{ms(sign.p50.low)}, " in README
        assert f"of each of {sign.n} subsequent requests" in README
    else:
        assert "\n".join(said) in README


def test_no_output_is_left_to_be_filled_in() -> None:
    assert re.findall(r"@@\w+@@", README) == []


def test_ci_runs_the_test_command_as_it_stands_here() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: the source distribution is without .ci")
    marked = re.findall(
        r"<!-- test-command -->\n```sh\n(.*?)```\n<!-- end -->", README, re.DOTALL
    )
    (extraction,) = re.findall(r"^command=\$\(.*\)$", CI.read_text(), re.MULTILINE)

    script = f'set -euo pipefail; {extraction}; printf "%s\\n" "$command"'
    done = subprocess.run(
        ["bash", "-c", script],  # noqa: S607 - as .ci/run is found
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [done.stdout] == marked
    assert 'eval "${command//python3 /$python }"' in CI.read_text()
    assert done.stdout.startswith("python3 -m venv .venv ")


def test_ci_runs_nothing_but_that() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout: the source distribution is without .github")
    workflows = sorted((ROOT / ".github" / "workflows").iterdir())
    run = {
        path.name: re.findall(r"^ +- run: (.*)$", path.read_text(), re.MULTILINE)
        for path in workflows
    }

    # Others are in the README too, for the reader's own machine.
    own = {
        name: [step for step in steps if f"`{step}`" not in README]
        for name, steps in run.items()
    }
    (latency,) = own.pop("latency.yml")
    assert own.pop("ci.yml") == [
        ".ci/run",
        "python -m pip install -q nox && python -m nox -s smoke",  # every system
    ]
    assert not own
    assert "nox -s latency" in latency
    assert "`nox -s latency`" in README


def test_the_latency_job_is_among_what_ci_runs() -> None:
    if not (ROOT / "noxfile.py").exists():
        pytest.skip("no noxfile")
    sessions = (ROOT / "noxfile.py").read_text()

    # A session without default=False is run by nox as it stands in the test command.
    assert "@nox.session\ndef latency(" in sessions
    assert re.search(r"success_codes=\[code\]", sessions)
