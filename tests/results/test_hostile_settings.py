"""Settings, keys and names from strangers: used, or refused in one line."""

from __future__ import annotations

import json
import os
import shutil
import socket
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


def test_settings_that_are_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("vestbench.toml").open("wb") as file:
        file.truncate(2**20 + 1)

    result = vestbench("config")

    check(result, allowed=(ExitCode.USAGE,))
    assert "larger than 1 MiB" in result.stderr


# --- what is no regular file ---------------------------------------------------------


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


def _linked(path: Path) -> None:
    os.mkfifo("pipe")
    path.symlink_to("pipe")


NO_REGULAR_FILE: Mapping[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,  # to open one would wait for a writer
    "socket": _socket,
    "endless device": lambda path: path.symlink_to("/dev/zero"),
    "link to a pipe": _linked,
}


@pytest.mark.parametrize("kind", NO_REGULAR_FILE)
@pytest.mark.parametrize(
    "words", [w for w in TO_BE_READ if w[0] not in ("history", "trend")], ids=" ".join
)
def test_only_a_regular_file_is_read(
    stored: Mapping[str, Path],
    words: tuple[str, ...],
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    NO_REGULAR_FILE[kind](Path("run.toml"))
    run = str(stored["bench"])

    result = vestbench(*(run if w == "RUN" else w for w in words), "run.toml")

    check(result, allowed=(ExitCode.USAGE,))
    assert "run.toml" in result.stderr
    assert "it is not a regular file" in result.stderr


@pytest.mark.parametrize("kind", NO_REGULAR_FILE)
@pytest.mark.parametrize("command", ["history", "trend"])
def test_in_a_folder_of_results_only_regular_files_are_read(
    stored: Mapping[str, Path],
    command: str,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(stored["bench"], "good.toml")
    NO_REGULAR_FILE[kind](Path("bad.toml"))

    shown = json.loads(vestbench(command, ".", "--json").stdout)

    why = "cannot read bad.toml: it is not a regular file"
    assert shown["unreadable"] == {"bad.toml": why}
    assert len(shown.get("runs") or shown["series"]) == 1


@pytest.mark.parametrize("kind", NO_REGULAR_FILE)
@pytest.mark.parametrize("words", [("config",), ("bench",), ("history",)])
def test_only_a_regular_file_has_settings(
    words: tuple[str, ...], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    NO_REGULAR_FILE[kind](Path("vestbench.toml"))

    result = vestbench(*words)

    check(result, allowed=(ExitCode.USAGE,))
    assert "vestbench.toml: it is not a regular file" in result.stderr


def test_a_pipe_is_no_summary_of_a_job(
    stored: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "pipe"))
    os.mkfifo(tmp_path / "pipe")

    result = vestbench("report", str(stored["bench"]), "--github")

    assert result.exit_code == ExitCode.USAGE
    assert "cannot write GitHub's job summary" in result.stderr
