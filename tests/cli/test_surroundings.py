"""Commands in ordinary surroundings that are easily forgotten."""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import shutil
import stat
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from errno import ENOENT
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.command import COMMAND, PATIENCE_S, QUICK, vestbench
from tests.support.paths import ROOT
from vestbench.characters import HANDLER, written_in
from vestbench.studies.registry import load_run

REFERENCE = str(ROOT / "results/reference-bench-30ms.toml")
FEW = ("-n", "4", "--sessions", "2", "--output", "run.toml")
COMMANDS = {
    "help": ("--help",),
    "version": ("--version",),
    "doctor": ("doctor",),
    "stacks": ("stacks",),
    "config": ("config",),
    "report": ("report", REFERENCE),
    "history": ("history", str(ROOT / "results")),
    "bench": ("bench", *QUICK, *FEW),
}
NO_ENTRY = 12_345  # a user that no machine has an entry for


def nothing() -> None:
    """Change nothing in the process that is starting."""


def closing(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def nobody(number: int = NO_ENTRY) -> None:
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)


def nobody_with_one_process() -> None:
    # Of this user alone: the kernel counts those of all tests that run now.
    number = NO_ENTRY + 1 + os.getpid()
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    nobody(number)


def leave_no_folder() -> None:
    gone = Path("gone")
    gone.mkdir()
    os.chdir(gone)
    os.rmdir(Path("..") / "gone")


def on_one_processor() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def without_files_of_any_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@dataclass(frozen=True, kw_only=True)
class Surrounding:
    """What is unusual about the process of a command."""

    env: Mapping[str, str | None] = field(default_factory=dict)  # None: not there
    before: Callable[[], None] = nothing
    refused: tuple[str, ...] = ()  # commands that end with 2, and say why in one line
    encoding: str = "utf-8"
    silent: bool = False  # nothing can be read of what it shows
    mute: bool = False  # nor of its messages


SURROUNDINGS = {
    "as usual": Surrounding(),
    "no HOME": Surrounding(env={"HOME": None}),
    "empty HOME": Surrounding(env={"HOME": ""}),
    "HOME that is not there": Surrounding(env={"HOME": "/nowhere/at/all"}),
    "HOME that is no folder": Surrounding(env={"HOME": "/dev/null"}),
    "closed stdin": Surrounding(before=closing(0)),
    "closed stdout": Surrounding(before=closing(1), silent=True),
    "closed stderr": Surrounding(before=closing(2), mute=True),
    "all closed": Surrounding(before=closing(0, 1, 2), silent=True, mute=True),
    "COLUMNS=0": Surrounding(env={"COLUMNS": "0"}),
    "COLUMNS of words": Surrounding(env={"COLUMNS": "wide"}),
    "COLUMNS=1": Surrounding(env={"COLUMNS": "1"}),
    "COLUMNS without end": Surrounding(env={"COLUMNS": "9" * 30}),
    "a dumb terminal": Surrounding(env={"TERM": "dumb"}),
    "no TERM": Surrounding(env={"TERM": None}),
    "NO_COLOR": Surrounding(env={"NO_COLOR": "1"}),
    "no folder of TMPDIR": Surrounding(env={"TMPDIR": "/nowhere/at/all"}),
    "ASCII": Surrounding(env={"PYTHONIOENCODING": "ascii"}, encoding="ascii"),
    "cp1252": Surrounding(env={"PYTHONIOENCODING": "cp1252"}, encoding="cp1252"),
    "cp437": Surrounding(env={"PYTHONIOENCODING": "cp437"}, encoding="cp437"),
    "latin-1": Surrounding(env={"PYTHONIOENCODING": "latin-1"}, encoding="latin-1"),
    "LC_ALL=C": Surrounding(env={"LC_ALL": "C", "LANG": None}),
    "no UTF-8 mode": Surrounding(
        env={"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        encoding="ascii",
    ),
    "deleted working directory": Surrounding(
        before=leave_no_folder, refused=("config", "history", "bench")
    ),
    "New York": Surrounding(env={"TZ": "America/New_York"}),
    "Kathmandu": Surrounding(env={"TZ": "Asia/Kathmandu"}),
    "Lagos": Surrounding(env={"TZ": "Africa/Lagos"}),
    "warnings are errors": Surrounding(env={"PYTHONWARNINGS": "error"}),
    "one processor": Surrounding(before=on_one_processor),
    "files of no size": Surrounding(
        before=without_files_of_any_size, refused=("bench",)
    ),
}


def ended(
    surrounding: Surrounding, *words: str, program: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, **surrounding.env}
    return subprocess.run(
        [*COMMAND, *words],
        executable=program,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        preexec_fn=surrounding.before,
        env={name: value for name, value in env.items() if value is not None},
    )


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_command_ends_as_it_should(name: str, command: str) -> None:
    surrounding = SURROUNDINGS[name]

    done = ended(surrounding, *COMMANDS[command])

    shown = done.stdout.decode(surrounding.encoding)
    errors = done.stderr.decode(surrounding.encoding)
    assert "Traceback" not in errors, errors
    assert "\\u" not in shown + errors
    if command in surrounding.refused:
        assert done.returncode == 2, errors
        assert errors.count("\n") == 1, errors
    else:
        assert done.returncode == 0, errors
        assert surrounding.silent or shown
        if command == "bench" and not surrounding.mute:
            assert "run.toml" in errors


@dataclass(frozen=True, kw_only=True)
class OfNobody(Surrounding):
    """What a user without an entry, and without a home, works in."""

    before: Callable[[], None] = nobody
    mode: int = 0o777  # of the working directory
    said: str = ""  # by the commands that are refused


OF_NOBODY = {
    "no entry": OfNobody(),
    "read-only working directory": OfNobody(
        mode=0o555, refused=("bench",), said="permission denied; choose another"
    ),
    "unreadable working directory": OfNobody(
        mode=0o000, refused=("bench",), said="permission denied; choose another"
    ),
    "one process": OfNobody(
        before=nobody_with_one_process,
        refused=("bench",),
        said="temporarily unavailable: allow more processes with ulimit -u",
    ),
}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", OF_NOBODY)
def test_a_user_without_an_entry_needs_no_home(
    name: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not stat.S_IMODE(ROOT.stat().st_mode) & stat.S_IXOTH:
        pytest.skip("this checkout is closed to other users")
    surrounding = OF_NOBODY[name]
    monkeypatch.delenv("HOME")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with TemporaryDirectory() as folder:
        os.chmod(folder, surrounding.mode)
        monkeypatch.chdir(folder)
        # Where Python is installed is closed to others on some machines.
        done = ended(surrounding, *COMMANDS[command], program="/proc/self/exe")
        monkeypatch.undo()
        os.chmod(folder, 0o700)

    errors = done.stderr.decode()
    assert "Traceback" not in errors
    if command in surrounding.refused:
        assert (done.returncode, errors.count("\n")) == (2, 1), errors
        assert surrounding.said in errors
    else:
        assert done.returncode == 0, errors


@pytest.mark.usefixtures("empty_folder")
def test_a_processor_that_is_busy_changes_no_count() -> None:
    pinned = SURROUNDINGS["one processor"]
    busy = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(busy, preexec_fn=pinned.before) as loop:
        try:
            done = ended(pinned, *COMMANDS["bench"])
        finally:
            loop.kill()

    assert done.returncode == 0, done.stderr
    stored = load_run(Path("run.toml"))
    assert [sample.reused for sample in stored.samples] == 2 * [False, True]
    assert not stored.failures


def test_without_a_folder_for_temporary_files_serve_asks_where_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none() -> str:
        raise FileNotFoundError(ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)

    result = vestbench("serve", "--port", "0")

    assert result.exit_code == 2
    assert "--ca-file" in result.stderr


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("name", ["ASCII", "cp1252", "latin-1"])
def test_bars_and_boxes_are_in_what_the_encoding_has(name: str) -> None:
    surrounding = SURROUNDINGS[name]

    shown = ended(surrounding, "report", REFERENCE).stdout.decode(surrounding.encoding)

    assert "######" in shown
    usual = ended(SURROUNDINGS["as usual"], "report", REFERENCE).stdout.decode()
    # Every table and picture has its lines, of the same widths but for signs of two.
    assert len(shown.splitlines()) == len(usual.splitlines())
    pairs = zip(shown.splitlines(), usual.splitlines(), strict=True)
    bars = [(plain, line) for plain, line in pairs if "█" in line]
    assert bars
    for plain, line in bars:
        assert plain == written_in(surrounding.encoding, line)


def test_what_no_encoding_was_told_of_is_shown_by_its_number() -> None:
    assert "日 ≥".encode("ascii", HANDLER) == b"\\u65e5 >="


@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("size", [(0, 0), (24, 80), (10, 41)])
def test_a_terminal_of_any_size_shows_the_whole_report(size: tuple[int, int]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
    pieces: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 65536):
                pieces.append(piece)
        except OSError:  # so Linux says that the other side is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [*COMMAND, "report", REFERENCE],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**env, "TERM": "xterm"},
        timeout=PATIENCE_S,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)

    shown = b"".join(pieces).decode()
    assert done.returncode == 0, done.stderr
    assert "62.7 ms" in shown
    assert "building the client" in " ".join(shown.split())  # the last part


def test_times_are_told_alike_everywhere(tmp_path: Path) -> None:
    shown = {
        ended(SURROUNDINGS[name], "report", REFERENCE).stdout
        for name in ("New York", "Kathmandu", "Lagos", "as usual")
    }

    assert len(shown) == 1
    assert b"2026-11-25 08:51:54 UTC" in shown.pop()


@pytest.mark.parametrize("name", ["with blanks", "Größe – 日本", "a'b\"c"])
def test_paths_may_have_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    (folder / "temporary").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    (folder / "vestbench.toml").write_text("[pool]\nmax_idle = 3\n")
    shutil.copy(REFERENCE, folder / "kept.toml")
    page = folder / "page.html"

    bench = ended(Surrounding(), "bench", *QUICK, *FEW, "--html", str(page))
    shown = ended(Surrounding(), "report", str(folder / "run.toml"))
    listed = ended(Surrounding(), "history", str(folder))

    for done in (bench, shown, listed):
        assert done.returncode == 0, done.stderr
    assert page.exists()
    assert sys.getfilesystemencoding() == "utf-8"
