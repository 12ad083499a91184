"""What a user of Windows types, typed to a real Windows Python under wine.

Run by `nox -s windows`, which makes that Python; the other tests need no wine.
"""

from __future__ import annotations

import os
import pty
import re
import select
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.windows.rig import PATIENCE_S, SIGNS, Rig
from vestbench.studies.registry import load_run

RIG = Rig(Path(os.environ["VESTBENCH_WINDOWS"]))
WORKS = ["wine", str(RIG.python), "-m", "vestbench"]
QUICK = ("--rtt", "0ms", "--processing", "0ms")

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """Types a command in a folder of its own, and wants its exit code."""

    def type_it(
        *words: str, code: int = 0, start: list[str] = WORKS
    ) -> subprocess.CompletedProcess[str]:
        done = RIG.run([*start, *words], tmp_path)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return type_it


class Console:
    """A command on a console of Windows, which needs wine 10."""

    def __init__(self, *words: str, folder: Path) -> None:
        self._shown = b""
        self._number, self._terminal = pty.fork()
        if self._number == 0:
            os.chdir(folder)
            os.execvpe(WORKS[0], [*WORKS, *words], RIG.environment)  # noqa: S606

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


# --- measuring ---


def test_doctor_names_what_works_and_what_does_not(typed: Typed) -> None:
    said = typed("doctor").stdout

    rows = dict(re.findall(r"\|(packet|tun|relay) *\| (yes|no) ", said))
    assert rows == {"packet": "no", "tun": "no", "relay": "yes"}


def test_bench_proves_reuse_on_loopback(typed: Typed, tmp_path: Path) -> None:
    said = typed("bench", *QUICK, "-n", "40", "--output", "run.toml").stdout

    assert "20 of 20 subsequent requests reused their connection" in said
    run = load_run(tmp_path / "run.toml")
    assert len(run.samples) == 40
    assert not run.failures
    assert run.conditions.versions["python"].startswith("3.13")


def test_bench_as_typed_goes_over_the_relay(typed: Typed, tmp_path: Path) -> None:
    said = typed("bench", "--requests", "100", "--output", "run.toml").stdout

    assert "80 of 80 subsequent requests reused their connection" in said
    run = load_run(tmp_path / "run.toml")
    assert run.conditions.link is not None
    assert run.conditions.link.engine == "relay"
    assert "saving ≥ 50 ms: PASS" in said.replace("\u2265", "≥").replace(">=", "≥")


@pytest.mark.parametrize("start", ["launcher", "command"])
def test_it_works_in_a_virtual_environment(
    start: str, typed: Typed, tmp_path: Path
) -> None:
    ways = {
        "launcher": ["wine", str(RIG.launcher), "-m", "vestbench"],
        "command": ["wine", str(RIG.command)],
    }

    words = ("bench", "-n", "24", "--rtt", "10ms", "--output", "run.toml")
    typed(*words, start=ways[start])

    run = load_run(tmp_path / "run.toml")
    assert len(run.samples) == 24


def test_compare_decides(typed: Typed, tmp_path: Path) -> None:
    words = ("--min-saving", "10ms", "--output", "run.toml")
    said = typed("compare", "pooled", "unpooled", *words).stdout

    assert "PASS" in said
    assert load_run(tmp_path / "run.toml").command == "compare"


@pytest.mark.parametrize("command", ["warmup", "connect"])
def test_the_start_of_a_bot_is_measured(
    command: str, typed: Typed, tmp_path: Path
) -> None:
    typed(command, "--rounds", "3", "--output", "run.toml")

    assert load_run(tmp_path / "run.toml").command == command


def test_another_stack_measures(typed: Typed) -> None:
    said = typed("bench", *QUICK, "-n", "20", "--stack", "httpx2").stdout

    assert "10 of 10 subsequent requests reused their connection" in said


def test_a_packet_link_is_refused_with_what_works_there(typed: Typed) -> None:
    said = typed("bench", "-n", "20", "--link", "packet", code=2).stderr

    assert said.count("\n") == 1
    assert "relay" in said


# --- what is stored ---


def test_a_stored_run_is_shown_judged_and_listed(typed: Typed) -> None:
    shown = typed("bench", *QUICK, "-n", "24", "--output", "results/one.toml").stdout
    again = typed("report", "results/one.toml").stdout
    typed("gate", "results/one.toml", "--assert", "failures == 0")
    typed("gate", "results/one.toml", "--assert", "failures > 0", code=1)
    listed = typed("history", "results").stdout

    assert again == shown
    assert "one.toml" in listed


def test_documents_are_written(typed: Typed, tmp_path: Path) -> None:
    names = {
        "--html": "run.html",
        "--markdown": "run.md",
        "--json-file": "run.json",
        "--junit": "run.xml",
        "--prometheus": "run.prom",
        "--csv": "run.csv",
    }
    typed("bench", *QUICK, "-n", "24", *(w for pair in names.items() for w in pair))

    for name in names.values():
        text = (tmp_path / name).read_bytes()
        assert text
        assert b"\r\r" not in text
        text.decode("utf-8")


def test_csv_on_standard_output_has_the_newlines_of_its_format(typed: Typed) -> None:
    said = typed("bench", *QUICK, "-n", "24", "--csv", "-").stdout

    assert said.count("\r\n") == said.count("\n") == 25
    assert "\r\r" not in said


def test_redirected_output_is_in_what_the_code_page_has(typed: Typed) -> None:
    done = typed("bench", *QUICK, "-n", "24")

    assert "\\u" not in done.stdout + done.stderr
    assert "?" not in done.stdout


# --- keys and settings ---


def test_a_key_is_made_once(typed: Typed, tmp_path: Path) -> None:
    typed("keys", "new", "bot.toml")
    before = (tmp_path / "bot.toml").read_bytes()
    typed("keys", "new", "bot.toml", code=2)

    assert (tmp_path / "bot.toml").read_bytes() == before


def test_orders_are_signed(typed: Typed, tmp_path: Path) -> None:
    if RIG.says(SIGNS) != "works":
        pytest.skip(f"this wine is too old for what signs: {RIG.says(SIGNS)}")
    words = ("--endpoint", "order", "--allow-orders", "--max-orders", "40")
    typed("bench", *QUICK, "-n", "20", *words, "--output", "run.toml")

    run = load_run(tmp_path / "run.toml")
    assert len(run.samples) == 20
    assert not run.failures


def test_settings_are_read(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "vestbench.toml").write_text('rtt = "0ms"\n', encoding="utf-8")

    assert "vestbench.toml" in typed("config").stdout


# --- other programs ---


def test_serve_answers_other_programs_until_ctrl_c(tmp_path: Path) -> None:
    words = ("--ca-file", "ca.pem", "--rtt", "0ms", "--json")
    console = Console("serve", *words, folder=tmp_path)
    while not (url := re.search(r'"base_url": *"([^"]+)"', console.shown)):
        assert console.reads(), console.shown

    trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    with httpx.Client(verify=trusted) as client:
        answer = client.get(f"{url[1]}/ticker/latest?symbols=BTC-PERP")
    console.type_ctrl_c()
    code = console.end()

    assert answer.status_code == 200
    assert code == 0, console.shown
    assert "1 request" in console.shown


def test_ctrl_c_ends_a_run_and_keeps_what_was_measured(tmp_path: Path) -> None:
    words = ("--rtt", "0ms", "-n", "20000", "--output", "run.toml")
    console = Console("bench", *words, folder=tmp_path)
    while "[[samples]]" not in _text(tmp_path / "run.toml"):
        assert console.reads(), console.shown  # its progress
    console.type_ctrl_c()
    code = console.end()

    assert code == 130, console.shown
    assert "Traceback" not in console.shown
    assert load_run(tmp_path / "run.toml").samples


def test_a_console_gets_utf_8(tmp_path: Path) -> None:
    console = Console("bench", *QUICK, "-n", "24", folder=tmp_path)
    code = console.end()

    assert code == 0, console.shown
    assert "█" in console.shown
    assert "≥" in console.shown


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def test_the_pytest_plugin_works(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "def test_it(vestbench):\n"
        "    quick = dict(rtt='0ms', requests=24, assertions=['failures == 0'])\n"
        "    assert vestbench.bench(**quick).passed\n",
        encoding="utf-8",
    )
    words: Any = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")

    done = RIG.run(["wine", str(RIG.python), *words], tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
