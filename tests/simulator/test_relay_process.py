"""The process of the relay: how its ends are noticed, and that it leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.labs import PREAMBLE, ROOT, complaint, eventually, is_alive
from vestbench import children
from vestbench.errors import LabError
from vestbench.model.simulated import LinkSpec, Refusal
from vestbench.simulator.link.report import NoLinkError
from vestbench.simulator.links import open_link
from vestbench.simulator.relayed import RelayedLink, start_relay

SPEC = LinkSpec(rtt_ms=2, engine="relay")


@pytest.fixture(params=[True, False], ids=["inherited", "loopback"])
def link(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RelayedLink]:
    monkeypatch.setattr(children, "INHERITED", request.param)
    found = start_relay(SPEC)
    assert isinstance(found, RelayedLink)
    with found:
        yield found


def test_a_relay_says_where_programs_meet(link: RelayedLink) -> None:
    with socket.create_server((link.server_host, 0)) as server:
        port = server.getsockname()[1]
        host, relayed = link.connect_address(port)

        assert host in link.names
        assert link.connect_address(port) == (host, relayed)
        with socket.create_connection((host, relayed), 10):
            server.accept()[0].close()
    link.check()


def test_a_killed_relay_is_reported(link: RelayedLink) -> None:
    link.check()
    os.kill(link.forwarder_pid, signal.SIGKILL)

    assert complaint(link) == "the relay was killed by SIGKILL"
    assert complaint(link) == "the relay was killed by SIGKILL"
    assert link.stop().disturbed == "the relay was killed by SIGKILL"
    link.check()  # it is over


def test_a_stopped_relay_does_not_hang_stop(
    link: RelayedLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_ANSWER_S", "_END_S"):
        monkeypatch.setattr(f"vestbench.simulator.relayed.{name}", 0.1)
    os.kill(link.forwarder_pid, signal.SIGSTOP)

    with pytest.raises(LabError, match="does not answer"):
        link.connect_address(1)
    assert link.stop().disturbed == "the link gave no account of itself"
    assert not is_alive(link.forwarder_pid)


def test_stopping_ends_it_and_can_be_repeated(link: RelayedLink) -> None:
    report = link.stop()

    assert link.stop() is report
    assert report.disturbed == ""
    assert (report.engine, report.mtu) == ("relay", 0)
    assert not is_alive(link.forwarder_pid)


def test_a_port_that_is_taken_is_one_line(link: RelayedLink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(LabError) as caught:
            link.connect_address(1, at=port)

    assert str(caught.value).startswith(
        f"the relay cannot listen on port {port} of 127.0.0.1: "
    )
    link.check()


def test_it_does_not_outlive_a_killed_parent() -> None:
    script = PREAMBLE + (
        "import time\n"
        "link = open_link(LinkSpec(rtt_ms=2, engine='relay'))\n"
        "print(json.dumps([link.forwarder_pid]), flush=True)\n"
        "time.sleep(100)\n"
    )
    command = [sys.executable, "-c", script, ROOT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        (pid,) = json.loads(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()

    assert eventually(lambda: not is_alive(pid))


@pytest.mark.parametrize("inherited", [True, False])
def test_one_that_ends_at_once_is_refused_with_how_it_ended(
    monkeypatch: pytest.MonkeyPatch, inherited: bool
) -> None:
    monkeypatch.setattr(children, "INHERITED", inherited)
    monkeypatch.setattr(children, "_START", "raise SystemExit(3)")
    found = start_relay(SPEC)

    assert isinstance(found, Refusal)
    assert found.code == "relay-died"
    assert found.hint.startswith("the relay ended with status 3; ")
    with pytest.raises(NoLinkError, match="relay ended with status 3"):
        open_link(SPEC)


def test_one_that_cannot_be_started_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "file_of", lambda _: "/no/such/python")
    found = start_relay(SPEC)

    assert isinstance(found, Refusal)
    assert found.code == "no-process"
    assert "No such file" in found.hint
