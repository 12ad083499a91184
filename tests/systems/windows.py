"""What only Windows has: launchers, consoles, and Ctrl-C as a console types it.

Run by `nox -s windows`, which makes a real Windows Python under wine.
"""

from __future__ import annotations

import os
import pty
import re
import select
import ssl
from pathlib import Path

import httpx
import pytest

from tests.systems.conftest import Typed
from tests.systems.rig import Windows
from tests.systems.system import PATIENCE_S
from vestbench.studies.registry import load_run

WINDOWS = Windows(Path(os.environ["VESTBENCH_WINDOWS"]))


@pytest.mark.parametrize("start", ["launcher", "command"])
def test_it_works_in_a_virtual_environment(
    start: str, typed: Typed, tmp_path: Path
) -> None:
    ways = {
        "launcher": ["wine", str(WINDOWS.launcher), "-m", "vestbench"],
        "command": ["wine", str(WINDOWS.command)],
    }

    words = ("bench", "-n", "24", "--rtt", "10ms", "--output", "run.toml")
    typed(*words, start=ways[start])

    assert len(load_run(tmp_path / "run.toml").samples) == 24


def test_another_stack_measures(typed: Typed) -> None:
    said = typed("bench", "--rtt", "0ms", "-n", "20", "--stack", "httpx2").stdout

    assert "10 of 10 subsequent requests reused their connection" in said


class Console:
    """A command on a console of Windows, which needs wine 10."""

    def __init__(self, *words: str, folder: Path) -> None:
        self._shown = b""
        self._number, self._terminal = pty.fork()
        if self._number == 0:
            os.chdir(folder)
            argv = [*WINDOWS.start, "-m", "vestbench", *words]
            os.execvpe(argv[0], argv, WINDOWS.environment)  # noqa: S606

    @property
    def shown(self) -> str:
        """What it has shown, without what moves the cursor."""
        text = self._shown.decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)

    def reads(self) -> bool:
        """Take what it shows next; False once it is closed."""
        ready, _, _ = select.select([self._terminal], [], [], PATIENCE_S)
        assert ready, f"nothing comes any more after {self.shown}"
        try:
            self._shown += os.read(self._terminal, 1 << 16)
        except OSError:  # what Linux says where the other end is closed
            return False
        return True

    def type_ctrl_c(self) -> None:
        """Do what a user does to end it."""
        os.write(self._terminal, b"\x03")

    def end(self) -> int:
        """Return its exit code when it has ended."""
        while self.reads():
            pass
        _, status = os.waitpid(self._number, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)


def test_serve_answers_other_programs_until_ctrl_c(tmp_path: Path) -> None:
    words = ("--ca-file", "ca.pem", "--rtt", "0ms")
    console = Console("serve", *words, folder=tmp_path)
    while not (url := re.search(r"base URL +(\S+/v2)", console.shown)):
        assert console.reads(), console.shown

    trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with httpx.Client(verify=trusted) as client:
        answer = client.get(f"{url[1]}/ticker/latest?symbols=BTC-PERP")
    console.type_ctrl_c()
    code = console.end()

    assert answer.status_code == 200
    assert code == 0, console.shown
    assert "curl.exe --ssl-no-revoke --cacert ca.pem" in console.shown
    assert "1 connection, 1 request" in console.shown


def test_ctrl_c_ends_a_run_and_keeps_what_was_measured(tmp_path: Path) -> None:
    words = ("--rtt", "0ms", "-n", "2000", "--output", "run.toml")
    console = Console("bench", *words, folder=tmp_path)
    while not any("[[samples]]" in f.read_text("utf-8") for f in tmp_path.iterdir()):
        assert console.reads(), console.shown  # its progress
    console.type_ctrl_c()
    code = console.end()

    assert code == 130, console.shown
    assert "Traceback" not in console.shown
    (kept,) = tmp_path.iterdir()
    assert load_run(kept).samples


def test_a_console_gets_utf_8(tmp_path: Path) -> None:
    console = Console("bench", "--rtt", "0ms", "-n", "24", folder=tmp_path)
    code = console.end()

    assert code == 0, console.shown
    assert "█" in console.shown
    assert "≥" in console.shown
