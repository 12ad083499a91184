"""The path of a result, which is reserved before anything is measured."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from errno import EACCES
from pathlib import Path
from typing import Any

import pytest

from tests.support.records import STARTED, bench_run, sample, store
from tests.support.stored import files, partial_of, writer_of
from vestbench.errors import UsageError
from vestbench.results.naming import result_path
from vestbench.studies.registry import load_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


def test_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "run.toml"

    store(bench_run([sample()]), path)

    assert load_run(path).samples


def test_a_folder_is_no_result(path: Path) -> None:
    path.mkdir()

    with pytest.raises(UsageError) as refusal:
        writer_of(bench_run(), path)

    assert str(refusal.value) == (
        f"cannot write results to {path}: is a directory; choose another --output"
    )
    assert files(path.parent) == ["run.toml"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    blocker = tmp_path / "results"
    blocker.write_text("mine")
    path = blocker / "run.toml"

    with pytest.raises(UsageError, match="cannot write results to") as refusal:
        writer_of(bench_run(), path)

    assert str(path) in str(refusal.value)
    assert ".partial" not in str(refusal.value)
    assert blocker.read_text() == "mine"


def test_a_folder_that_may_not_be_written_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By hand, because root, who runs tests in a container, may write everywhere.
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(EACCES, os.strerror(EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError) as refusal:
        writer_of(bench_run(), path)

    assert str(refusal.value) == (
        f"cannot write results to {path}: permission denied; choose another --output"
    )
    assert files(path.parent) == []


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".toml", "a\0b.toml"], ids=["long", "nul"]
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot write results to"):
        writer_of(bench_run(), tmp_path / name)

    assert files(tmp_path) == []


def test_a_run_that_is_being_written_is_not_overwritten(path: Path) -> None:
    partial_of(path).write_text("another run\n")

    with pytest.raises(UsageError) as refusal:
        writer_of(bench_run(), path)

    assert str(refusal.value) == (
        f"{partial_of(path)} exists: another run writes it, or one was killed; "
        "remove it or choose another --output"
    )
    assert partial_of(path).read_text() == "another run\n"


def test_a_name_is_the_moment_the_command_and_the_label(tmp_path: Path) -> None:
    east = datetime(2026, 3, 1, 19, 15, 30, tzinfo=timezone(timedelta(hours=9)))

    assert result_path(tmp_path, "bench", "pooled", east) == (
        tmp_path / "20260301T101530Z-bench-pooled.toml"
    )


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    def name() -> str:
        return result_path(tmp_path, "bench", "pooled", STARTED).name

    first = name()
    (tmp_path / first).touch()
    second = name()
    partial_of(tmp_path / second).touch()
    third = name()

    assert [first, second, third] == [
        "20260301T101500Z-bench-pooled.toml",
        "20260301T101500Z-bench-pooled-2.toml",
        "20260301T101500Z-bench-pooled-3.toml",
    ]


def test_names_sort_by_time(tmp_path: Path) -> None:
    moments = [
        datetime(2026, 1, day, hour, tzinfo=UTC) for day in (2, 10) for hour in (3, 20)
    ]
    names = [result_path(tmp_path, "bench", "pooled", at).name for at in moments]

    assert names == sorted(names)
