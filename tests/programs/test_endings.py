"""How programs end, or are ended, and that nothing of them stays behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shlex
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_S
from tests.support.inside import command, environment, executed, inside, started
from vestbench.errors import ProcessDiedError, UsageError
from vestbench.programs.limits import Limits, Until, parse_until

pytestmark = pytest.mark.link

BUSY = "while true; do curl -s https://x.example/ > /dev/null; done"
STUBBORN = "trap '' TERM INT HUP; "


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("exit 0", 0, "sh ended with status 0."),
        ("exit 3", 3, "sh ended with status 3."),
        ("exit 127", 127, "sh ended with status 127."),
        ("kill -SEGV $$", 139, "sh was killed by SIGSEGV."),
    ],
)
def test_the_exit_code_is_the_programs_own(script: str, status: int, said: str) -> None:
    done = executed("--rtt", "0ms", "--", "sh", "-c", script)

    assert done.returncode == status
    *_, last = lines = done.stderr.splitlines()
    assert said in lines
    whose = "that of sh" if status else "vestbench's, nothing is asserted"
    assert last == f"exit code {status}: {whose}"


def test_a_program_that_is_not_there_is_one_line() -> None:
    done = executed("--rtt", "0ms", "--", "no-such-program")

    assert done.returncode == 2
    assert done.stderr == (
        "error: cannot start no-such-program: no such file or directory\n"
    )


def test_streams_carry_any_bytes_and_are_the_programs_own() -> None:
    every = bytes(range(256)) * 64

    done = subprocess.run(
        command("--rtt", "0ms", "--", "cat"),
        input=every,
        capture_output=True,
        env=environment(),
        cwd="/",
        timeout=PATIENCE_S,
    )

    assert done.stdout == every


def test_folder_environment_and_user_are_those_outside(tmp_path: Path) -> None:
    script = "pwd; id -u; id -g; echo $MARK"

    ran = inside("sh", "-c", script, cwd=tmp_path, env=environment(MARK="here"))

    assert ran.out.split() == [
        str(tmp_path),
        *map(str, (os.getuid(), os.getgid())),
        "here",
    ]


def test_a_program_is_ended_after_a_time_and_that_counts_as_0() -> None:
    done = executed("--rtt", "0ms", "--for", "200ms", "--", "sleep", "1000")

    assert done.returncode == 0
    said = "sleep was ended by us, because its time was over; that counts as 0."
    assert said in done.stderr.splitlines()


def test_a_program_that_ignores_sigterm_is_killed_with_its_children() -> None:
    limits = Limits(until=Until(what="requests", least=3), grace_s=0.2)

    ran = inside("sh", "-c", f"{STUBBORN} ({BUSY}) & {BUSY}", limits=limits)

    assert (ran.run.status, ran.run.ended_by) == (-signal.SIGKILL, "enough")
    assert len(ran.run.seen.requests) >= 3


def test_children_are_told_to_end_too() -> None:
    child = (
        "trap 'echo told; exit' TERM; curl -s http://x.example/; "
        "while true; do sleep 0.05; done"
    )
    limits = Limits(until=Until(what="requests", least=1), grace_s=30.0)

    ran = inside("sh", "-c", f'sh -c "{child}" & wait', limits=limits)

    assert "told" in ran.out


def test_what_a_program_leaves_behind_is_counted_and_ended() -> None:
    script = "(setsid sleep 12345 &); sleep 12345 & exit 0"

    ran = inside("sh", "-c", script)

    assert (ran.run.status, ran.run.left) == (0, 2)
    assert processes("12345") == []


def processes(word: str) -> list[str]:
    """Return the processes of this machine in whose command a word is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words:
                found.append(entry.name)
    return found


def gone(word: str) -> bool:
    end = time.monotonic() + PATIENCE_S
    while processes(word):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_nothing_is_left_when_we_are_killed() -> None:
    script = "setsid sleep 54321 & (sleep 54321 &) ; echo on; sleep 54321"
    before = mounts()

    with started("--rtt", "5ms", "--", "sh", "-c", STUBBORN + script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        assert gone("54321")

    assert mounts() == before


def mounts() -> str:
    return Path("/proc/self/mounts").read_text()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_to_us_reaches_the_program_once(
    number: signal.Signals, code: int
) -> None:
    script = (
        "import signal, time\n"
        "came = []\n"
        f"signal.signal({int(number)}, lambda *_: came.append(1))\n"
        "print('on', flush=True)\n"
        "while not came: time.sleep(0.01)\n"
        "time.sleep(0.3)  # for a second one\n"
        "print(len(came))"
    )

    with started("--rtt", "0ms", "--", "/usr/bin/python3", "-c", script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)

    assert out == "1\n", err
    assert process.returncode == code
    assert "python3 ended with status 0." in err.splitlines()


def test_a_second_signal_kills() -> None:
    script = "trap 'echo again' INT; echo on; while true; do sleep 0.05; done"

    with started("--rtt", "0ms", "--", "sh", "-c", script) as process:
        assert process.stdout is not None
        for said in ("on\n", "again\n"):
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 128 + signal.SIGKILL


class Typed:
    """A terminal, and all that was written to it."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._found = ""

    def type(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def wait_for(self, word: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while word not in self._found:
            left = end - time.monotonic()
            assert left > 0, self._found
            if select.select([self._terminal], [], [], left)[0]:
                self._found += os.read(self._terminal, 4096).decode()


@contextmanager
def in_a_terminal(*words: str, argv: Sequence[str] = ()) -> Iterator[Typed]:
    """Run the command, or another one, as the leader of a terminal's session."""
    terminal, its = pty.openpty()
    with subprocess.Popen(
        argv or command(*words),
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment(),
        cwd="/",
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        try:
            yield Typed(terminal)
        finally:
            process.kill()
            os.close(its)  # only now, else what was written last is lost
            os.close(terminal)


def test_a_program_has_the_terminal_and_what_is_typed_there() -> None:
    script = (
        "import os, sys, time\n"
        "try:\n"
        "    print(sys.stdin.isatty(), os.tcgetpgrp(0) == os.getpgrp(), flush=True)\n"
        "    print('got', input(), flush=True)\n"
        "    time.sleep(1000)\n"
        "except KeyboardInterrupt: print('interrupted', flush=True); sys.exit(7)\n"
    )
    words = ("--rtt", "0ms", "--", "/usr/bin/python3", "-c", script)

    with in_a_terminal(*words) as typed:
        typed.wait_for("True True")
        typed.type(b"hello\n")
        typed.wait_for("got hello")
        typed.type(b"\x03")
        typed.wait_for("interrupted")
        typed.wait_for("python3 ended with status 7.")


def test_a_program_that_is_stopped_where_nobody_can_go_on_with_it_goes_on() -> None:
    script = "import time; print('on', flush=True); time.sleep(0.5); print('end')"
    words = ("--rtt", "0ms", "--", "/usr/bin/python3", "-c", script)

    with in_a_terminal(*words) as typed:
        typed.wait_for("on")
        typed.type(b"\x1a")
        typed.wait_for("ended with status 0.")


def test_a_job_that_is_stopped_and_let_go_on_has_the_terminal_again() -> None:
    script = (
        "import os, signal\n"
        "signal.signal(signal.SIGCONT, lambda *_: print('goes on', flush=True))\n"
        "while True:\n"
        "    print('read', input(), os.tcgetpgrp(0) == os.getpgrp(), flush=True)"
    )
    words = command("--rtt", "0ms", "--", "/usr/bin/python3", "-u", "-c", script)

    with in_a_terminal(argv=("bash", "--norc", "-i")) as typed:
        typed.type(f"PS1=; {shlex.join(words)}\n".encode())
        typed.type(b"one\n")
        typed.wait_for("read one True")
        typed.type(b"\x1a")
        typed.wait_for("Stopped")
        typed.type(b"fg > /dev/null\n")
        typed.wait_for("goes on")
        typed.type(b"two\n")
        typed.wait_for("read two True")
        typed.type(b"\x04")
        typed.wait_for("ended with status 1.")
        typed.type(b"echo shell $((1 + 1))\n")
        typed.wait_for("shell 2")


def test_a_program_that_stops_itself_where_there_is_no_terminal_stops_nobody() -> None:
    script = "(sleep 0.3; kill -CONT $$) & kill -STOP $$; echo on"

    ran = inside("sh", "-c", script)

    assert (ran.run.status, ran.out) == (0, "on\n")


def test_a_link_that_is_lost_ends_the_program() -> None:
    def cut() -> None:
        while not processes("76543"):
            time.sleep(0.01)
        for link in named("vestbench-link"):
            os.kill(link, signal.SIGKILL)

    thread = threading.Thread(target=cut)
    thread.start()

    with pytest.raises(ProcessDiedError, match="the forwarder was killed by SIGKILL"):
        inside("sleep", "76543")

    thread.join()
    assert gone("76543")


def named(name: str) -> list[int]:
    """Return the processes of that name that descend from this one."""
    found, here = [], {os.getpid()}
    for _ in range(4):
        for parent in tuple(here):
            for task in Path(f"/proc/{parent}/task").glob("*/children"):
                with suppress(OSError):
                    here.update(map(int, task.read_text().split()))
    for pid in here:
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found.append(pid)
    return found


def test_the_first_processes_of_a_program_may_fork_and_daemonise() -> None:
    script = (
        "import os, time, urllib.request\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "time.sleep(1000)"
    )

    ran = inside("/usr/bin/python3", "-c", script)

    assert (ran.run.status, ran.run.left, ran.run.ended_by) == (0, 1, "itself")


@pytest.mark.parametrize(
    ("text", "what", "least"),
    [("requests >= 3", "requests", 3), (" connections>=20 ", "connections", 20)],
)
def test_conditions_that_end_a_program(text: str, what: str, least: int) -> None:
    assert parse_until(text) == Until(what=what, least=least)


@pytest.mark.parametrize("text", ["", "requests > 3", "requests >= 0", "bytes >= 3"])
def test_a_condition_that_is_none_says_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write 'requests >= N'"):
        parse_until(text)


def test_a_relay_keeps_nothing_inside() -> None:
    done = executed("--link", "relay", "--", "true")

    assert done.returncode == UsageError.exit_code
    assert "relay cannot keep a program inside" in done.stderr


def test_arguments_are_neither_kept_nor_shown() -> None:
    ran = inside("sh", "-c", "exit 0", "hush-hush")

    assert "hush-hush" not in repr(ran.run)
    assert json.dumps(ran.run.name) == '"sh"'
