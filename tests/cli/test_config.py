"""Settings: durations, the order of the sources, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.places import POOL, Places
from vestbench.config import SETTINGS, user_file
from vestbench.errors import ExitCode, UsageError
from vestbench.model.client import PoolSettings
from vestbench.values import parse_duration

PROPERTY = settings(deadline=None, derandomize=True)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


# --- durations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("50ms", 0.05),
        ("60s", 60.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("250us", 0.00025),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("0s", 0.0),
        ("50 ms", 0.05),
        ("  50ms\n", 0.05),
        ("24h", 86400.0),
    ],
)
def test_durations_are_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["50", "0", "1.5", ".5"])
def test_a_bare_number_is_refused_with_both_readings(text: str) -> None:
    with pytest.raises(ValueError, match="has no unit") as refusal:
        parse_duration(text)

    assert f"write {text}ms or {text}s, whichever is meant" in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "-5ms",
        "-5",
        "5 minutes",
        "5S",
        "1e3",
        "1e3ms",
        "nan",
        "inf",
        "1_0",
        "٣s",
        "5  ms",
        "5.ms",
        "1,5s",
        "5ms5s",
        "ms",
    ],
)
def test_other_texts_are_refused_with_examples_that_work(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration") as refusal:
        parse_duration(text)

    for example in ("50ms", "60s", "2m"):
        assert example in str(refusal.value)
        parse_duration(example)


@pytest.mark.parametrize("text", ["24.1h", "1441m", "86401s", "9" * 400 + "s"])
def test_nothing_is_longer_than_a_day(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a day"):
        parse_duration(text)


@PROPERTY
@given(st.integers(0, 86_400_000))
def test_whole_milliseconds_are_read_exactly(count: int) -> None:
    assert parse_duration(f"{count}ms") == count / 1000


# --- which source wins ---------------------------------------------------------------


def test_without_any_source_the_defaults_are_those_of_the_bot(places: Places) -> None:
    found = places.resolve()

    assert found.pool == PoolSettings()
    assert found["venue"] == "sim"
    assert found["min_saving"] == 0.05
    assert found["results"] == "results"
    assert {value.source for value in found.values.values()} == {"default"}


def test_each_source_wins_over_those_below_it(places: Places) -> None:
    def found(
        option: str | None = None, environment: dict[str, str] | None = None
    ) -> tuple[Any, str]:
        got = places.resolve({"pool.max_idle": option}, environment)
        return got["pool.max_idle"], got.values["pool.max_idle"].source

    variables = {"VESTBENCH_POOL_MAX_IDLE": "5"}
    seen = [found()]
    places.user_file.write_text("[pool]\nmax_idle = 3\n")
    seen.append(found())
    places.project_file.write_text("[pool]\nmax_idle = 4\n")
    seen.append(found())
    seen.append(found(environment=variables))
    seen.append(found("6", variables))

    assert seen == [
        (2, "default"),
        (3, str(places.user_file)),
        (4, str(places.project_file)),
        (5, "VESTBENCH_POOL_MAX_IDLE"),
        (6, "--pool-max-idle"),
    ]


def test_each_setting_finds_its_own_source(places: Places) -> None:
    places.user_file.write_text('results = "mine"\n[pool]\nidle_timeout = "90s"\n')
    places.project_file.write_text('venue = "sim"\n')

    found = places.resolve(
        {"min_saving": "30ms"}, {"VESTBENCH_POOL_TCP_KEEPALIVE": "0s"}
    )

    sources = {name: value.source for name, value in found.values.items()}
    assert sources == {
        "pool.max_idle": "default",
        "pool.idle_timeout": str(places.user_file),
        "pool.tcp_keepalive": "VESTBENCH_POOL_TCP_KEEPALIVE",
        "pool.connect_timeout": "default",
        "pool.request_timeout": "default",
        "venue": str(places.project_file),
        "min_saving": "--min-saving",
        "results": str(places.user_file),
    }


@pytest.mark.parametrize("name", POOL)
def test_a_pool_setting_can_be_set_in_every_place(places: Places, name: str) -> None:
    variable, option, text, value = POOL[name]
    key = name.removeprefix("pool.")

    by_option = places.resolve({name: text})
    by_variable = places.resolve(environment={variable: text})
    places.project_file.write_text(f'[pool]\n{key} = "{text}"\n')
    by_file = places.resolve()

    assert [got[name] for got in (by_option, by_variable, by_file)] == [value] * 3
    assert by_option.values[name].source == option
    assert by_variable.values[name].source == variable
    assert by_file.values[name].source == str(places.project_file)


def test_the_five_pool_settings_make_the_clients_pool(places: Places) -> None:
    found = places.resolve({name: text for name, (_, _, text, _) in POOL.items()})

    assert found.pool == PoolSettings(
        max_idle=7,
        idle_timeout_s=120.0,
        tcp_keepalive_s=0.0,
        connect_timeout_s=3.0,
        request_timeout_s=1.5,
    )


def test_the_defaults_are_written_as_they_would_be_typed() -> None:
    assert {s.name: s.default for s in SETTINGS} == {
        "pool.max_idle": "2",
        "pool.idle_timeout": "60s",
        "pool.tcp_keepalive": "30s",
        "pool.connect_timeout": "10s",
        "pool.request_timeout": "10s",
        "venue": "sim",
        "min_saving": "50ms",
        "results": "results",
    }


# --- wrong values --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("pool.max_idle", "two", "not a whole number"),
        ("pool.max_idle", "-1", "not between 0 and 10000"),
        ("pool.max_idle", "10001", "not between 0 and 10000"),
        ("pool.max_idle", "", "not a whole number"),
        ("pool.idle_timeout", "60", "write 60ms or 60s"),
        ("pool.tcp_keepalive", "soon", "not a duration"),
        ("pool.connect_timeout", "0s", "not more than nothing"),
        ("pool.request_timeout", "0ms", "not more than nothing"),
        ("min_saving", "50", "write 50ms or 50s"),
    ],
)
def test_a_wrong_value_is_refused_with_its_source_and_its_setting(
    places: Places, name: str, text: str, why: str
) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)

    with pytest.raises(UsageError, match=why) as by_option:
        places.resolve({name: text})
    with pytest.raises(UsageError, match=why) as by_variable:
        places.resolve(environment={setting.variable: text})

    assert str(by_option.value).startswith(f"{setting.option}: {name}: ")
    assert str(by_variable.value).startswith(f"{setting.variable}: {name}: ")
    assert by_option.value.exit_code is ExitCode.USAGE


def test_a_number_without_a_unit_in_a_file_is_refused(places: Places) -> None:
    places.project_file.write_text("[pool]\nidle_timeout = 60\n")

    with pytest.raises(UsageError, match="write 60ms or 60s") as refusal:
        places.resolve()

    assert str(refusal.value).startswith(f"{places.project_file}: pool.idle_timeout: ")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[pool]\nmax_idel = 2", "pool.max_idel"),
        ("venu = 'sim'", "venu"),
        ("[pools]\nmax_idle = 2", "pools"),
        ("max_idle = 2", "max_idle"),
        ("[venue]\nname = 'sim'", "venue"),
        ("pool = 2", "pool"),
        ("['']\nvenue = 'vest'", ""),
    ],
    ids=["in-pool", "top", "section", "unsectioned", "table", "no-table", "empty"],
)
@pytest.mark.parametrize("user", [False, True], ids=["project", "user"])
def test_an_unknown_key_is_refused_and_named(
    places: Places, text: str, name: str, user: bool
) -> None:
    path = places.user_file if user else places.project_file
    path.write_text(text)

    with pytest.raises(UsageError) as refusal:
        places.resolve()

    assert str(refusal.value) == f"{path}: unknown setting {name}"


@pytest.mark.parametrize(
    "value",
    ["true", "[2]", "2026-01-01", "{x = 2}"],
    ids=["bool", "list", "date", "table"],
)
def test_a_value_of_a_wrong_type_is_refused(places: Places, value: str) -> None:
    places.project_file.write_text(f"[pool]\nmax_idle = {value}\n")

    with pytest.raises(UsageError, match="max_idle must be a text") as refusal:
        places.resolve()

    assert str(places.project_file) in str(refusal.value)


@pytest.mark.parametrize(
    "data",
    [b"venue = ", b"\xff\xfe\x00", b"a = " + b"9" * 5000, b"a = " + b"[" * 50_000],
    ids=["not-toml", "not-utf-8", "huge-number", "deep"],
)
def test_a_file_that_is_no_toml_is_refused(places: Places, data: bytes) -> None:
    places.project_file.write_bytes(data)

    with pytest.raises(UsageError, match="is not a settings file") as refusal:
        places.resolve()

    assert str(places.project_file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unreadable_file_is_refused(places: Places) -> None:
    places.project_file.mkdir()

    with pytest.raises(UsageError) as refusal:
        places.resolve()

    assert str(refusal.value) == f"cannot read {places.project_file}: is a directory"


def test_a_value_that_something_better_overrides_may_be_wrong(places: Places) -> None:
    places.project_file.write_text('[pool]\nidle_timeout = "soon"\n')

    found = places.resolve({"pool.idle_timeout": "5s"})

    assert found["pool.idle_timeout"] == 5.0


# --- where the user's file is --------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({}, "/home/a/.config/vestbench/config.toml"),
        ({"XDG_CONFIG_HOME": "/etc/xdg"}, "/etc/xdg/vestbench/config.toml"),
        ({"XDG_CONFIG_HOME": ""}, "/home/a/.config/vestbench/config.toml"),
        ({"XDG_CONFIG_HOME": "relative"}, "/home/a/.config/vestbench/config.toml"),
    ],
    ids=["unset", "set", "empty", "relative"],
)
def test_the_users_file_is_where_xdg_says(
    environment: dict[str, str], path: str
) -> None:
    assert user_file(environment, Path("/home/a")) == Path(path)


def test_the_users_file_is_read_from_the_xdg_folder(
    places: Places, tmp_path: Path
) -> None:
    file = tmp_path / "xdg" / "vestbench" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('venue = "paradex"\n')

    found = places.resolve(environment={"XDG_CONFIG_HOME": str(tmp_path / "xdg")})

    assert found["venue"] == "paradex"
    assert found.values["venue"].source == str(file)
