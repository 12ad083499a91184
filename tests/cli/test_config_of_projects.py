"""Settings that come with a project: what they may be, and who may overrule that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.places import POOL, Places
from vestbench.config import SETTINGS, _may
from vestbench.errors import UsageError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


REFUSED = {
    "venue": ("vest", "sim", "where requests are sent is not a project's to choose"),
    "min_saving": ("49ms", "50ms", "a project must not lower the saving that passes"),
    "results": ("../out", "results", "the folder is outside the project"),
}


def set_by_project(places: Places, name: str, text: str) -> None:
    section, _, key = name.rpartition(".")
    head = f"[{section}]\n" if section else ""
    places.project_file.write_text(f"{head}{key} = {json.dumps(text)}\n")


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_project_must_not_set_is_not_followed(places: Places, name: str) -> None:
    text, usual, why = REFUSED[name]
    set_by_project(places, name, text)

    found = places.resolve()

    assert (found.values[name].text, found.values[name].source) == (usual, "default")
    (ignored,) = found.ignored
    assert (ignored.value.setting.name, ignored.value.text) == (name, text)
    assert ignored.why == why
    assert ignored.remedy.startswith(found.values[name].setting.option)
    assert not found.of_project


@pytest.mark.parametrize("name", REFUSED)
def test_the_user_may_set_what_a_project_must_not(places: Places, name: str) -> None:
    text = REFUSED[name][0]
    setting = next(each for each in SETTINGS if each.name == name)
    set_by_project(places, name, text)

    in_environment = places.resolve(environment={setting.variable: text})
    typed = places.resolve({name: text})
    places.project_file.unlink()
    places.user_file.write_text(f'{name} = "{text}"\n')
    in_own_file = places.resolve()

    for found in (in_own_file, in_environment, typed):
        assert found.values[name].text == text
        assert not found.ignored


def test_a_file_that_the_user_names_is_the_users_word(places: Places) -> None:
    named = places.folder / "vestbench.toml"
    named.write_text('venue = "vest"\nmin_saving = "1ms"\nresults = "/srv/x"\n')

    found = places.resolve(config=named)

    assert [found.values[name].text for name in REFUSED] == ["vest", "1ms", "/srv/x"]
    assert found.values["venue"].source == str(named)
    assert (list(found.ignored), found.of_project) == ([], {})


def test_a_named_file_stands_in_place_of_the_projects(places: Places) -> None:
    set_by_project(places, "pool.max_idle", "4")
    named = places.folder / "other.toml"
    named.write_text("[pool]\nidle_timeout = '9s'\n")

    found = places.resolve(config=named)

    assert found.values["pool.max_idle"].source == "default"
    assert found["pool.idle_timeout"] == 9.0


def test_a_named_file_that_is_missing_is_refused(places: Places) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none\.toml: no such file"):
        places.resolve(config=places.folder / "none.toml")


@pytest.mark.parametrize(
    "text",
    [
        *("vest-dev", "paradex", "https://example.com/?token=abc", "http://127.0.0.1/"),
        *("SIM", " sim", "nonsense", ""),
    ],
)
def test_a_project_chooses_no_venue_but_the_simulated_one(
    places: Places, text: str
) -> None:
    set_by_project(places, "venue", text)

    assert places.resolve()["venue"] == "sim"


@pytest.mark.parametrize("text", ["50ms", "80ms", "1s"])
def test_a_project_may_ask_for_more(places: Places, text: str) -> None:
    set_by_project(places, "min_saving", text)

    found = places.resolve()

    assert found.of_project == {"min_saving": text}
    assert not found.ignored


def test_more_than_the_default_is_not_enough_where_the_user_asks_for_more(
    places: Places,
) -> None:
    places.user_file.write_text('min_saving = "100ms"\n')
    set_by_project(places, "min_saving", "80ms")

    found = places.resolve()

    assert found["min_saving"] == 0.1
    assert [each.value.text for each in found.ignored] == ["80ms"]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        *[(".", True), ("out", True), ("a/../out", True), ("out/deep", True)],
        *[("..", False), ("../project2", False), ("/srv", False), ("linked", False)],
        *[("linked/deep", False), ("out/../../x", False), ("a\0b", False)],
    ],
)
def test_the_results_of_a_project_stay_in_it(
    places: Places, tmp_path: Path, text: str, inside: bool
) -> None:
    (places.folder / "linked").symlink_to(tmp_path)
    set_by_project(places, "results", text)

    found = places.resolve()

    assert found["results"] == (text if inside else "results")
    assert bool(found.ignored) is not inside


def test_a_full_path_within_the_project_is_inside(places: Places) -> None:
    set_by_project(places, "results", str(places.folder / "out"))

    assert places.resolve()["results"] == str(places.folder / "out")


@pytest.mark.parametrize("name", POOL)
def test_a_project_may_set_its_bots_pool_and_that_is_said(
    places: Places, name: str
) -> None:
    text = POOL[name][2]
    set_by_project(places, name, text)

    assert places.resolve().of_project == {name: text}
    assert not places.resolve({name: text}).of_project


def test_it_is_decided_for_each_setting_whether_a_project_may_set_it() -> None:
    free = {setting.name for setting in SETTINGS if setting.project is _may}

    assert free == set(POOL)
    assert {setting.name for setting in SETTINGS} == {*POOL, *REFUSED}
