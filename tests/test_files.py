"""What replaces a file is for the same people, and nobody else, from its first byte."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.support.command import QUICK, run
from tests.support.exported import stored, vestbench
from vestbench.cli.option_records import option_of
from vestbench.files import create_for
from vestbench.model.formats import FORMATS

pytestmark = [
    pytest.mark.usefixtures("empty_folder"),
    pytest.mark.skipif(os.name == "nt", reason="it has no modes"),
]


def mode_of(path: Path | str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def existing(name: str, mode: int) -> Path:
    path = Path(name)
    path.write_text("before")
    path.chmod(mode)
    return path


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400, 0o666])
@pytest.mark.parametrize("name", FORMATS)
def test_a_document_keeps_the_mode_of_the_file_that_it_replaces(
    name: str, mode: int
) -> None:
    path = existing("document", mode)

    result = vestbench("report", stored(), option_of(name), "document")

    assert result.exit_code == 0, result.output
    assert path.read_text() != "before"
    assert mode_of(path) == mode


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_a_result_keeps_the_mode_of_the_file_that_it_replaces(mode: int) -> None:
    path = existing("run.toml", mode)

    done = run("bench", "-n", "2", "--sessions", "1", *QUICK, "-o", "run.toml")

    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith("format = ")
    assert mode_of(path) == mode


def test_what_is_being_written_is_as_private_as_what_it_will_replace() -> None:
    path = existing("run.toml", 0o600)

    with umask(0), create_for(path, Path("partial")) as file:
        assert mode_of("partial") == 0o600
        assert file.write(b"secret") == 6


def test_a_new_file_is_for_whom_the_umask_lets_in() -> None:
    with umask(0o027), create_for(Path("run.toml"), Path("partial")):
        assert mode_of("partial") == 0o640


def test_a_file_that_cannot_have_the_group_gives_no_rights_to_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = existing("run.toml", 0o664)

    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.fchown", refused)
    with create_for(path, Path("partial")):
        assert mode_of("partial") == 0o604


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_document_keeps_owner_and_group_where_it_may() -> None:
    path = existing("document", 0o640)
    os.chown(path, 65534, 65533)

    assert vestbench("report", stored(), "--html", "document").exit_code == 0

    found = os.stat(path)
    assert (found.st_uid, found.st_gid, mode_of(path)) == (65534, 65533, 0o640)


def test_another_file_of_that_name_is_not_overwritten() -> None:
    path, partial = existing("run.toml", 0o600), existing("partial", 0o600)

    with pytest.raises(FileExistsError):
        create_for(path, partial)

    assert partial.read_text() == "before"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "words",
    [
        ("report", "run.toml", "--html"),
        ("report", "run.toml", "--json-file"),
        ("bench", *QUICK, "-n", "2", "-o"),
    ],
    ids=" ".join,
)
def test_no_file_is_replaced_that_an_output_of_the_command_goes_to(
    words: tuple[str, ...], stream: str
) -> None:
    stored()
    with open("shell.txt", "wb") as file:
        number = file.fileno()
        for name in (f"/dev/{stream}", "shell.txt"):
            done = subprocess.run(
                [sys.executable, "-m", "vestbench", *words, name],
                stdout=number if stream == "stdout" else PIPE,
                stderr=number if stream == "stderr" else PIPE,
                timeout=60,
            )
            assert done.returncode == 2
        assert os.path.samestat(os.fstat(number), os.stat("shell.txt"))
    said = done.stderr if stream == "stdout" else Path("shell.txt").read_bytes()
    assert b"is where standard output or error goes" in said


@pytest.mark.parametrize("option", sorted(map(option_of, FORMATS)))
def test_what_is_no_folder_is_named_for_every_document(option: str) -> None:
    result = vestbench("report", stored(), option, "/dev/null/x")

    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {option}: cannot write /dev/null/x: /dev/null is no folder; choose "
        "another file\n"
    )
