"""The worker process: how it ends, and that it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.servers import (
    PATIENCE_S,
    SLOT,
    ScriptedServer,
    Visit,
    get,
    plan,
    tls_pair,
)
from tests.support.stacks import inside
from vestbench.children import Process, start_child
from vestbench.errors import ProcessDiedError
from vestbench.model.request import Sample
from vestbench.workers.remote import RemoteStack


@pytest.fixture(scope="module")
def stack() -> Iterator[RemoteStack]:
    with RemoteStack(ca_pem=tls_pair().ca_pem) as stack:
        yield stack


def pid_of(stack: RemoteStack) -> int:
    return stack._process.pid


def test_the_worker_ends_by_itself_when_its_parent_closes(fresh: RemoteStack) -> None:
    fresh.close()

    assert fresh._process.poll() == 0


def ended(pid: int) -> bool:
    """Say whether a process is gone, or waits only to be noticed by its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


ORPHAN = """
import sys, time
from vestbench.workers.remote import RemoteStack
stack = RemoteStack()
stack.facts
print(stack._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_no_worker_outlives_a_parent_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        alive = not ended(pid)
        parent.kill()

    give_up = time.monotonic() + PATIENCE_S
    while not ended(pid) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert alive
    assert ended(pid)


def test_the_worker_ignores_the_terminals_interrupt(
    stack: RemoteStack, servers: tuple[ScriptedServer, ScriptedServer]
) -> None:
    inside(stack)  # it has started
    os.kill(pid_of(stack), signal.SIGINT)
    session = stack.open(plan())
    outcome = session.send(servers[0].get(), SLOT)
    session.close()

    assert isinstance(outcome, Sample)
    assert os.getsid(pid_of(stack)) != os.getsid(0)  # and is not even sent it


def test_a_worker_that_is_killed_is_reported_in_one_line(fresh: RemoteStack) -> None:
    session = fresh.open(plan())
    os.kill(pid_of(fresh), signal.SIGKILL)

    with pytest.raises(ProcessDiedError, match="was killed by SIGKILL") as error:
        session.send(get("https://127.0.0.1/"), SLOT)

    assert len(str(error.value).splitlines()) == 1
    session.close()  # does not ask a dead worker


def test_a_worker_that_dies_in_a_pause_is_noticed_before_its_end(
    fresh: RemoteStack,
) -> None:
    inside(fresh)  # it has started
    os.kill(pid_of(fresh), signal.SIGKILL)

    with pytest.raises(ProcessDiedError, match="was killed by SIGKILL"):
        fresh.rest(1000 * PATIENCE_S)


@pytest.mark.parametrize("pause_s", [0.01, 0.1])
def test_a_pause_is_as_long_as_it_was_to_be(fresh: RemoteStack, pause_s: float) -> None:
    inside(fresh)
    begin = time.monotonic()
    fresh.rest(pause_s)

    assert time.monotonic() - begin >= pause_s


def test_a_worker_that_never_started_is_reported_when_it_is_asked() -> None:
    def spawn(_: Sequence[str], fds: Mapping[int, int]) -> Process:
        process = start_child([sys.executable, "-c", "raise SystemExit(3)"], fds)
        process.wait(PATIENCE_S)
        return process

    with (
        RemoteStack(spawn) as stack,
        pytest.raises(ProcessDiedError, match="ended with status 3"),
    ):
        stack.open(plan())


def test_a_worker_that_cannot_be_started_leaves_no_socket_behind() -> None:
    def spawn(_: Sequence[str], __: Mapping[int, int]) -> Process:
        raise FileNotFoundError("no such program")

    with pytest.raises(FileNotFoundError):
        RemoteStack(spawn)  # an open socket would be a warning, hence an error


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt: a shell starts what runs in the background without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_the_tests(visit: Visit) -> None:
    visit.request()
    os.kill(os.getpid(), signal.SIGINT)
    visit.stall()


def test_after_an_interrupt_the_worker_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, interruptible: None
) -> None:
    # The worker would end by itself, with status 0, when its request times out.
    monkeypatch.setattr("vestbench.workers.remote._PATIENCE_S", 60.0)
    with (
        ScriptedServer(interrupt_the_tests) as server,
        RemoteStack(ca_pem=tls_pair().ca_pem) as stack,
    ):
        session = stack.open(plan())
        with pytest.raises(KeyboardInterrupt):
            session.send(server.get(), SLOT)
        session.close()
        stack.close()

        assert stack.midway
        assert stack._process.poll() == -signal.SIGKILL
        assert server.requests == 1


def test_an_ordinary_child_has_descriptors_under_their_own_number_only() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="own number"):
        start_child(["true"], {theirs.fileno() + 1: theirs.fileno()})
