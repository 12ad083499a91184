"""What the settings file of a project does to a command, and what is said of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.command import QUICK, run, vestbench
from tests.support.servers import ScriptedServer
from vestbench.results.naming import result_path
from vestbench.studies.registry import load_run

pytestmark = pytest.mark.usefixtures("empty_folder")

SMALL = ("-n", "4", "--sessions", "2", "-o", "run.toml")
MEASURING = (
    ("bench", "-n", "4", "--sessions", "2"),
    ("compare", "--max-rounds", "12"),
    ("warmup", "--rounds", "1"),
    ("connect", "--rounds", "1"),
)


def project(text: str) -> None:
    Path("vestbench.toml").write_text(text)


@pytest.mark.parametrize("words", MEASURING, ids=" ".join)
def test_a_project_sends_no_request_to_anybody(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEST_API_KEY", "api-key-4711")
    with ScriptedServer() as server:
        project(f'venue = "{server.url}"\n')

        result = vestbench(*words, *QUICK, "-o", "run.toml")

        assert server.connections == 0
    assert load_run(Path("run.toml")).conditions.venue == "sim"
    assert (
        "./vestbench.toml: venue is not followed: where requests are sent is not a "
        "project's to choose; if you want it: --venue, or --config vestbench.toml"
    ) in result.stderr
    assert server.url not in result.output


def test_what_the_user_types_or_vouches_for_is_followed() -> None:
    with ScriptedServer() as server:
        project(f'venue = "{server.url}"\n')

        typed = vestbench("bench", *SMALL, "--venue", server.url)
        vouched = vestbench("bench", *SMALL, "--config", "vestbench.toml")

        assert server.requests >= 8
    assert typed.exit_code == vouched.exit_code == 0
    assert "is not followed" not in typed.stderr + vouched.stderr


def test_a_project_makes_no_gate_easier() -> None:
    project('min_saving = "1us"\n')

    result = vestbench("bench", "-n", "24", *QUICK, "--gate", "-o", "run.toml")

    assert result.exit_code == 1, result.output
    assert "min_saving is not followed" in result.stderr


def test_a_project_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    project(f'results = "{outside}"\n')

    result = vestbench("bench", "-n", "2", "--sessions", "1", *QUICK)

    assert result.exit_code == 0, result.output
    assert not outside.exists()
    assert len(list(Path("results").iterdir())) == 1


def test_what_a_project_has_set_is_among_the_conditions_live_and_stored() -> None:
    project('results = "out"\n[pool]\nmax_idle = 3\n')
    said = "./vestbench.toml has set pool.max_idle 3, results out"

    live = vestbench("bench", *SMALL, *QUICK)
    Path("vestbench.toml").unlink()
    stored = vestbench("report", "run.toml")
    page = vestbench("report", "run.toml", "--html", "-")
    document = json.loads(vestbench("report", "run.toml", "--json").stdout)

    assert live.exit_code == 0
    for shown in (live.stdout, stored.stdout, page.stdout):
        assert said in shown
    assert document["conditions"]["of_project"] == {
        "pool.max_idle": "3",
        "results": "out",
    }


def test_without_a_project_nothing_is_said_of_one() -> None:
    result = vestbench("bench", *SMALL, *QUICK)

    assert "vestbench.toml" not in result.output
    assert "of_project" not in Path("run.toml").read_text()


def test_config_says_what_is_not_followed_and_why() -> None:
    project('venue = "https://example.com/x?token=abc"\nresults = "out"\n')

    table = vestbench("config").stdout
    found = json.loads(vestbench("config", "--json").stdout)

    assert "where requests are sent is not a project's to choose" in table
    assert "--venue, or --config vestbench.toml" in table
    assert found["venue"]["value"] == "sim"
    assert found["venue"]["source"] == "default"
    assert found["venue"]["ignored"] == {
        "value": "https://example.com/x?…",
        "why": "where requests are sent is not a project's to choose",
    }
    assert found["results"] == {
        "value": "out",
        "source": str(Path("vestbench.toml").absolute()),
    }
    assert "abc" not in table + json.dumps(found)


def test_config_does_not_repeat_a_password_of_a_project() -> None:
    project('venue = "https://me:geheim@example.com/"\n')

    for words in (("config",), ("config", "--json"), ("bench", *SMALL, *QUICK)):
        assert "geheim" not in vestbench(*words).output


def test_config_with_a_file_that_is_vouched_for_follows_it() -> None:
    project('venue = "vest"\n')

    words = ("config", "--config", "vestbench.toml", "--json")
    found = json.loads(vestbench(*words).stdout)

    assert found["venue"] == {"value": "vest", "source": "vestbench.toml"}


@pytest.mark.parametrize("command", ["history", "trend"])
def test_a_project_does_not_have_other_folders_looked_at(command: str) -> None:
    project('results = "/"\n')
    Path("results").mkdir()

    done = run(command)

    assert "results is not followed: the folder is outside the project" in done.stderr


def outside_of(folder: Path) -> Path:
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    return outside


@pytest.mark.parametrize("words", MEASURING, ids=" ".join)
def test_a_link_of_a_project_takes_no_result_out_of_it(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    outside = outside_of(tmp_path)
    Path("results").symlink_to(outside)

    refused = vestbench(*words, *QUICK)
    project('results = "results"\n')
    again = vestbench(*words, *QUICK)

    for result in (refused, again):
        assert result.exit_code == 2
        assert (
            f"results is a link that leads out of the project, to {outside}; if you "
            "want that, name the folder: --results"
        ) in result.stderr
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("command", ["history", "trend"])
def test_a_link_of_a_project_has_no_other_folder_looked_at(
    command: str, tmp_path: Path
) -> None:
    Path("results").symlink_to(outside_of(tmp_path))

    assert "leads out of the project" in vestbench(command).stderr
    assert vestbench(command, "results").exit_code == 0


def test_a_link_within_the_project_and_a_folder_that_is_named_are_followed(
    tmp_path: Path,
) -> None:
    outside = outside_of(tmp_path)
    Path("out").symlink_to(outside)
    Path("inside").mkdir()
    Path("results").symlink_to("inside")

    within = vestbench("bench", *SMALL[:-2], *QUICK)
    named = vestbench("bench", *SMALL[:-2], *QUICK, "--results", "out")

    assert within.exit_code == named.exit_code == 0
    assert len(list(Path("inside").iterdir())) == len(list(outside.iterdir())) == 1


def test_where_a_link_leads_out_to_is_said_even_if_little_is_to_be_said(
    tmp_path: Path,
) -> None:
    outside = outside_of(tmp_path)
    for name in ("run.toml", "run.html"):
        Path(name).symlink_to(outside / name)

    result = vestbench("bench", *SMALL, *QUICK, "--html", "run.html", "--quiet")

    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"result: {outside / 'run.toml'}",
        f"html: {outside / 'run.html'}",
    ]


def test_a_link_that_leads_nowhere_is_no_name_for_a_result(tmp_path: Path) -> None:
    link = tmp_path / "20261128T150000Z-bench-pooled.toml"
    link.symlink_to("nowhere.toml")

    at = datetime(2026, 11, 28, 15, tzinfo=UTC)

    assert result_path(tmp_path, "bench", "pooled", at).name == f"{link.stem}-2.toml"
