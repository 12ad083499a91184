"""Channels over loopback, as children on Windows get them; here on any system."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.command import PATIENCE_S
from tests.support.labs import ROOT
from vestbench import children
from vestbench.errors import ProcessDiedError
from vestbench.ipc import ChannelClosedError, Done
from vestbench.loopback import Meeting, join
from vestbench.workers.messages import Inspect, Inspected
from vestbench.workers.remote import RemoteStack


@pytest.fixture(autouse=True)
def as_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "INHERITED", False)


def fails_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_START", "raise SystemExit(3)")


def test_a_worker_connects_and_is_asked_as_any_other() -> None:
    with RemoteStack() as stack:
        found = stack.ask(Inspect(), Inspected)

    assert "vestbench.loopback" in found.modules


def test_a_child_ends_when_its_channel_closes() -> None:
    process, channel = children.start_module("vestbench.workers.worker")
    channel.close()

    assert process.wait(PATIENCE_S) == 0


def test_a_child_that_ends_before_it_connects_is_reported_when_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails_at_start(monkeypatch)

    with (
        RemoteStack() as stack,
        pytest.raises(ProcessDiedError, match="ended with status 3"),
    ):
        stack.ask(Inspect(), Inspected)


def test_a_child_that_does_not_connect_in_time_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "_START", "import time; time.sleep(1000)")
    monkeypatch.setattr("vestbench.loopback._START_S", 0.1)
    process, channel = children.start_module("vestbench.workers.worker")

    with closing(channel), pytest.raises(ChannelClosedError):
        channel.ask(Done(), Done)
    assert process.wait(PATIENCE_S) not in (None, 0)


def test_no_token_stands_on_the_command_line_or_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[list[str], dict[str, Any]]] = []
    ordinary = subprocess.Popen

    def note(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append((argv, options))
        return ordinary(argv, **options)

    monkeypatch.setattr(subprocess, "Popen", note)
    monkeypatch.setattr(os, "urandom", lambda n: b"T" * n)
    with RemoteStack() as stack:
        stack.ask(Inspect(), Inspected)
    ((argv, options),) = started

    assert argv[-1].startswith("tcp:")
    assert "TTTT" not in repr(argv) + repr(options["env"])


@pytest.mark.parametrize("said", [b"", b"\0" * 32, b"\0" * 10])
def test_a_stranger_that_connects_is_turned_away(said: bytes) -> None:
    with Meeting() as meeting:
        address = ("127.0.0.1", int(meeting.word.removeprefix("tcp:")))
        stranger = socket.create_connection(address)
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        lives = iter((True, False))

        assert meeting.accept(lambda: next(lives)) is None
        with stranger:
            stranger.settimeout(PATIENCE_S)
            assert stranger.recv(64) == b""


def test_the_child_is_met_after_a_stranger() -> None:
    with Meeting() as meeting:
        address = ("127.0.0.1", int(meeting.word.removeprefix("tcp:")))
        socket.create_connection(address).close()
        child = socket.create_connection(address)
        child.sendall(meeting.secret[:32])
        met = meeting.accept(lambda: True)
        assert met is not None
        with met, child:
            assert child.recv(64) == meeting.secret[32:]


@pytest.fixture
def impostor() -> Iterator[socket.socket]:
    """Something that listens where the parent has listened, without its token."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_child_does_not_talk_to_who_took_the_place_of_its_parent(
    impostor: socket.socket,
) -> None:
    script = (
        "import sys; sys.path.append(sys.argv[1]); "
        "from vestbench.loopback import join; join(sys.argv[2])"
    )
    word = f"tcp:{impostor.getsockname()[1]}"
    with subprocess.Popen(
        [sys.executable, "-c", script, ROOT, word],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        child.stdin.write(bytes(64))
        child.stdin.close()
        connection, _ = impostor.accept()
        with connection:
            connection.sendall(b"!" * 32)
            assert child.stderr is not None
            said = child.stderr.read().decode()

    assert child.returncode == 1
    assert "another process listens in place of the parent" in said


def test_a_parent_that_is_gone_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Meeting() as meeting:
        word = meeting.word
    monkeypatch.setattr(os, "read", lambda *_: b"")

    with pytest.raises(OSError, match="refused"):
        join(word)
