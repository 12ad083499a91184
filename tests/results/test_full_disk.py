"""A result on a disk that is full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from errno import EACCES, ENOSPC
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.records import bench_run, sample
from tests.support.stored import partial_of, writer_of
from vestbench.errors import UsageError
from vestbench.model.run import KILLED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.toml"


class FullDisk(BytesIO):
    """A file that takes `room` bytes and then no more."""

    room = 0

    def write(self, data: Any) -> int:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        return super().write(data)

    def close(self) -> None:
        if self.room < 0 and not self.closed:
            super().close()
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        super().close()


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
    disk = FullDisk()
    monkeypatch.setattr(Path, "open", lambda *_, **__: disk)
    yield disk
    disk.room = 10**6
    disk.close()


@pytest.mark.parametrize("step", ["start", "conditions", "add", "finish"])
def test_a_full_disk_is_said_in_a_line_that_names_the_file(
    path: Path, full_disk: FullDisk, step: str
) -> None:
    run = bench_run([sample()])

    def act() -> None:
        full_disk.room = 0 if step == "start" else 10**6
        writer = writer_of(run, path, clock=iter(range(99)).__next__)
        full_disk.room = 0 if step == "conditions" else 10**6
        writer.conditions(run.conditions)
        full_disk.room = 0 if step == "add" else 10**6
        writer.add(run.samples[0])
        full_disk.room = 0
        writer.finish(run.conclusion, {})

    with pytest.raises(UsageError) as refusal:
        act()

    assert f"{partial_of(path)}: no space left on device; " in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_full_disk_does_not_keep_a_run_from_ending(
    path: Path, full_disk: FullDisk
) -> None:
    full_disk.room = 10**6
    writer = writer_of(bench_run(), path)
    full_disk.room = -1

    writer.close()

    assert full_disk.closed


def test_a_file_that_cannot_be_renamed_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(EACCES, os.strerror(EACCES))

    writer = writer_of(bench_run(), path)
    monkeypatch.setattr(os, "replace", refuse)

    with pytest.raises(UsageError, match="permission denied; it holds what was"):
        writer.finish(KILLED, {})
