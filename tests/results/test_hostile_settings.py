"""Settings, keys and names from strangers: used, or refused in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.command import vestbench
from tests.support.hostile import VALUES, check, spoilt
from tests.support.loopback_venue import PRIMARY, SIGNING
from tests.support.strangers import (
    ARMS,
    KEYS,
    PROPERTY,
    TOML,
    keys_from,
    nothing_is_measured,
    settings_from,
)
from vestbench.config import SETTINGS
from vestbench.errors import ExitCode


def test_settings_that_nobody_changed_are_used() -> None:
    settings_from(TOML)


@PROPERTY
@given(rng=st.randoms(use_true_random=False))
def test_settings_that_a_stranger_changed_are_used_or_refused_in_one_line(
    rng: Random,
) -> None:
    settings_from(spoilt(TOML, rng))


@PROPERTY
@given(
    variable=st.sampled_from([setting.variable for setting in SETTINGS]),
    text=st.text(st.characters(blacklist_characters="\0"), max_size=20)
    | st.sampled_from([value for value in VALUES if isinstance(value, str)]),
)
def test_any_text_in_the_environment_is_used_or_refused_in_one_line(
    variable: str, text: str
) -> None:
    with pytest.MonkeyPatch.context() as patch, nothing_is_measured([]):
        patch.setenv(
            variable, text.replace("\0", "").encode("utf-8", "replace").decode()
        )
        check(vestbench("config"), allowed=(ExitCode.OK, ExitCode.USAGE))
        refused = (ExitCode.USAGE, ExitCode.UNREACHABLE)
        check(vestbench("bench"), allowed=refused)


def test_keys_that_nobody_changed_are_used() -> None:
    assert keys_from(KEYS).exit_code == ExitCode.UNREACHABLE


@PROPERTY
@given(rng=st.randoms(use_true_random=False))
def test_keys_that_a_stranger_changed_are_used_or_refused_without_being_shown(
    rng: Random,
) -> None:
    shown = keys_from(spoilt(KEYS, rng)).output

    secrets = (SIGNING[2:], PRIMARY[2:], "api-key-4711")
    assert not [text for text in secrets if text[:12] in shown]


# --- names ---------------------------------------------------------------------------


NO_FILE = (".", "/", "x" * 5000, "/dev/null/x", "/dev/null")
TO_BE_MADE = (("keys", "new"), (*ARMS, "--output"), ("report", "RUN", "--csv"))
TO_BE_READ = (
    ("report",),
    ("gate",),
    ("compare", "RUN"),
    (*ARMS, "--resume"),
    ("history",),
    ("trend",),
    ("bench", "--venue", "vest-dev", "--endpoint", "cancel", "--keys"),
)


@pytest.mark.parametrize("name", NO_FILE, ids=lambda name: name[:12])
@pytest.mark.parametrize("words", [*TO_BE_MADE, *TO_BE_READ], ids=" ".join)
def test_a_name_that_no_file_has_or_can_have_is_refused_in_one_line(
    stored: Mapping[str, Path],
    words: tuple[str, ...],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run = str(stored["bench"])

    result = vestbench(*(run if word == "RUN" else word for word in words), name)

    if words[0] in ("history", "trend") and name in ("", ".", "/"):
        check(result, allowed=(ExitCode.OK,))  # folders, without results
    else:
        check(result, allowed=(ExitCode.USAGE, ExitCode.INVALID))
    assert not list(Path().iterdir())


EXISTING: Mapping[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("mine"),
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": lambda path: path.symlink_to("elsewhere"),
}


@pytest.mark.parametrize(
    ("words", "kind"),
    [(TO_BE_MADE[0], kind) for kind in EXISTING]
    + [(words, kind) for words in TO_BE_MADE[1:] for kind in ("folder", "pipe")],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_no_result_and_no_document_is_not_overwritten(
    stored: Mapping[str, Path],
    words: tuple[str, ...],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path, run = Path("taken"), str(stored["bench"])
    EXISTING[kind](path)

    result = vestbench(*(run if w == "RUN" else w for w in words), str(path))

    check(result, allowed=(ExitCode.USAGE,))
    assert list(Path().iterdir()) == [path]
    assert kind != "file" or path.read_text() == "mine"


def test_settings_without_an_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("vestbench.toml").symlink_to("/dev/zero")

    result = vestbench("config")

    check(result, allowed=(ExitCode.USAGE,))
    assert "larger than 1 MiB" in result.stderr
