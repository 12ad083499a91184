"""The lab: what it starts, what it notices, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labs import (
    PREAMBLE,
    ROOT,
    complaint,
    eventually,
    is_alive,
    open_lab,
    run_script,
)
from tests.support.machine import need_link
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec
from vestbench.simulator.lab_client import Lab, LabProcess

pytestmark = pytest.mark.link

PYTHON = [sys.executable, "-I", "-S", "-c"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    need_link("packet")
    with open_lab(LinkSpec(rtt_ms=2, engine="packet")) as lab:
        yield lab


def output_of(lab: Lab, script: str, **options: object) -> tuple[LabProcess, str]:
    reader, writer = os.pipe()
    try:
        program = lab.spawn([*PYTHON, script], fds={1: writer}, **options)  # type: ignore[arg-type]
    finally:
        os.close(writer)
    with os.fdopen(reader) as pipe:
        return program, pipe.read()


def test_a_program_gets_the_descriptors_it_was_given(lab: Lab) -> None:
    here, there = os.pipe()
    back, forth = os.pipe()
    script = "import os; os.write(9, os.read(5, 10).upper())"
    program = lab.spawn([*PYTHON, script], fds={5: here, 9: forth})
    os.write(there, b"hello")

    assert os.read(back, 10) == b"HELLO"
    assert program.wait(10) == 0
    for fd in (here, there, back, forth):
        os.close(fd)


def test_descriptors_may_be_exchanged(lab: Lab) -> None:
    pipes = [os.pipe() for _ in range(2)]
    first, second = (writer for _, writer in pipes)
    script = "import os; os.write(3, b'three'); os.write(4, b'four')"
    lab.spawn([*PYTHON, script], fds={4: first, 3: second}).wait(10)

    assert os.read(pipes[0][0], 10) == b"four"
    assert os.read(pipes[1][0], 10) == b"three"
    for pair in pipes:
        for fd in pair:
            os.close(fd)


def test_a_program_sees_no_other_descriptors(lab: Lab) -> None:
    script = (
        "import os; path = '/proc/self/fd/'; "
        "print(*(fd for fd in os.listdir(path) if os.path.exists(path + fd)),"
        "os.readlink(path + '0'))"
    )
    _, said = output_of(lab, script)

    assert said.split() == ["0", "1", "2", "/dev/null"]


def test_exit_statuses_and_signals_are_told_apart(lab: Lab) -> None:
    failed = lab.spawn([*PYTHON, "raise SystemExit(3)"])
    killed = lab.spawn([*PYTHON, "import os; os.kill(os.getpid(), 9)"])

    assert failed.wait(10) == failed.poll() == 3
    assert killed.wait(10) == -9


def test_waiting_gives_up_after_its_time(lab: Lab) -> None:
    program = lab.spawn(["sleep", "100"])

    assert program.wait(0.05) is None
    assert program.poll() is None
    program.kill()
    assert program.wait(10) == -9


def test_programs_get_the_signals_of_a_fresh_process(lab: Lab) -> None:
    reader, writer = os.pipe()
    lab.spawn(["grep", "SigIgn", "/proc/self/status"], fds={1: writer})
    os.close(writer)
    with os.fdopen(reader) as pipe:
        ignored = int(pipe.read().split()[1], 16)

    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD):
        assert not ignored >> (number - 1) & 1


def test_a_program_that_dies_is_reported_by_check(lab: Lab) -> None:
    lab.check()
    program = lab.spawn(["sh", "-c", "exit 7"])

    assert complaint(lab) == f"sh (process {program.pid}) ended with status 7"
    with pytest.raises(LabError, match="status 7"):
        lab.check()


def test_an_end_that_was_asked_for_or_went_well_is_not_reported(lab: Lab) -> None:
    ended = lab.spawn(["true"])
    killed = lab.spawn(["sleep", "100"])
    killed.kill(signal.SIGTERM)

    assert (ended.wait(10), killed.wait(10)) == (0, -signal.SIGTERM)
    lab.check()


def test_a_killed_forwarder_is_reported_by_check(lab: Lab) -> None:
    os.kill(lab.forwarder_pid, signal.SIGKILL)

    assert complaint(lab) == "the forwarder was killed by SIGKILL"
    assert lab.stop().disturbed == "the forwarder was killed by SIGKILL"


def test_a_killed_lab_is_reported_and_takes_everything_along(lab: Lab) -> None:
    program = lab.spawn(["sleep", "100"])
    os.kill(lab.pid, signal.SIGKILL)

    assert complaint(lab) == "the lab process was killed by SIGKILL"
    assert lab.stop().disturbed == "the lab process was killed by SIGKILL"
    assert eventually(lambda: not any(map(is_alive, (lab.forwarder_pid, program.pid))))
    with pytest.raises(LabError, match="killed by SIGKILL"):
        lab.spawn(["true"])


def test_stopping_ends_grandchildren_too_and_can_be_repeated(lab: Lab) -> None:
    reader, writer = os.pipe()
    # The grandchild has a session of its own and no parent.
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); os.write(7, b'x'); time.sleep(100)\n"
    )
    program = lab.spawn([*PYTHON, script], fds={7: writer})
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    assert program.wait(10) == 0
    report = lab.stop()

    # The pipe ends when nobody holds its other end any more.
    assert select.select([reader], [], [], 20)[0]
    assert os.read(reader, 1) == b""
    assert lab.stop() is report
    assert not any(map(is_alive, (lab.pid, lab.forwarder_pid)))
    os.close(reader)


def test_programs_count_as_killed_after_stop(lab: Lab) -> None:
    program = lab.spawn(["sleep", "100"])
    lab.stop()

    assert program.poll() == -signal.SIGKILL
    lab.check()


def test_a_stopped_forwarder_does_not_hang_stop(lab: Lab) -> None:
    os.kill(lab.forwarder_pid, signal.SIGSTOP)

    assert lab.stop().disturbed == "the link gave no account of itself"
    assert not is_alive(lab.forwarder_pid)


def test_a_missing_program_is_one_line(lab: Lab) -> None:
    with pytest.raises(LabError) as caught:
        lab.spawn(["no-such-program"])

    assert str(caught.value) == (
        "the lab: cannot start no-such-program: No such file or directory"
    )
    lab.check()


def test_proxies_are_taken_out_of_the_inherited_environment(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.setenv(name, "http://nowhere")
    monkeypatch.setenv("OF_THE_LAB", "kept")
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    inherited = json.loads(output_of(lab, script)[1])
    given = json.loads(output_of(lab, script, env={"A": "b", "LC_ALL": "C"})[1])

    assert inherited["OF_THE_LAB"] == "kept"
    assert not [name for name in inherited if name.lower().endswith("_proxy")]
    assert given.items() >= {"A": "b"}.items()
    assert "OF_THE_LAB" not in given


def test_a_program_runs_where_it_is_told_to(lab: Lab, tmp_path: Path) -> None:
    script = "import os; print(os.getcwd())"
    _, said = output_of(lab, script, cwd=tmp_path)

    assert said.strip() == str(tmp_path)


def test_a_large_environment_passes(lab: Lab) -> None:
    script = "import os; print(sum(map(len, os.environ.values())))"
    many = {f"V{number}": "ü" * 50_000 for number in range(8)} | {"LC_ALL": "C.UTF-8"}
    _, said = output_of(lab, script, env=many)

    assert int(said) == 8 * 50_000 + len("C.UTF-8")


def test_a_program_is_in_the_network_of_the_lab(lab: Lab) -> None:
    script = "import socket; print(*(n for _, n in socket.if_nameindex()))"
    _, said = output_of(lab, script)

    assert set(said.split()) >= {"lo", "vb0", "vb1"}
    assert lab.server_host == "10.99.0.1"
    assert lab.names == ("10.99.0.2",)
    assert lab.connect_address(8443) == ("10.99.0.2", 8443)


def test_a_lab_can_be_used_from_any_thread_of_a_threaded_process() -> None:
    need_link("packet")
    stop = threading.Event()
    idle = threading.Thread(target=stop.wait)
    idle.start()
    engines = []

    def work() -> None:
        with open_lab(LinkSpec(rtt_ms=2)) as lab:
            assert lab.spawn(["true"]).wait(10) == 0
            engines.append(lab.engine)

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    stop.set()
    idle.join()

    assert len(engines) == 1


def test_nothing_outlives_a_killed_parent() -> None:
    need_link("packet")
    script = PREAMBLE + (
        "import time\n"
        "lab = open_link(LinkSpec(rtt_ms=2, engine='packet'))\n"
        "program = lab.spawn(['sleep', '100'])\n"
        "print(json.dumps([lab.pid, lab.forwarder_pid, program.pid]), flush=True)\n"
        "time.sleep(100)\n"
    )
    command = [sys.executable, "-c", script, ROOT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        assert all(map(is_alive, pids))
        parent.kill()

    assert eventually(lambda: not any(map(is_alive, pids)))


@pytest.mark.skipif(sys.platform != "linux", reason="there are no namespaces")
def test_a_process_with_threads_does_not_enter_a_namespace() -> None:
    said = run_script(
        "import threading\n"
        "from vestbench.simulator.link.machine import LinkRefusedError\n"
        "from vestbench.simulator.link.netns import enter\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "try:\n"
        "    enter()\n"
        "except LinkRefusedError as refused:\n"
        "    print(refused.code)\n"
    )

    assert said.strip() == "process-is-multithreaded"
