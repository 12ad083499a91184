"""What is particular to reqwest: its sockets, its pool, its burn-in."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from tests.support.reuse import telling, told
from tests.support.servers import SLOT, ScriptedServer, opened, post, tls_pair
from vestbench.kernel.sockets import scan
from vestbench.model.request import Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks import reqwest_stack
from vestbench.stacks.reqwest_stack import ReqwestStack

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the stack is refused elsewhere"
)


@pytest.fixture(scope="module")
def stack() -> ReqwestStack:
    return ReqwestStack(tls_pair().ca_pem)


# --- sockets ---


def test_a_scan_finds_the_sockets_of_this_process_and_keeps_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        before = len(os.listdir("/proc/self/fd"))
        with socket.create_connection(("127.0.0.1", port)) as sock:
            inode = os.fstat(sock.fileno()).st_ino
            first = scan(port)
            sock.sendall(b"x" * 1000)
            second = scan(port)
            local_port = sock.getsockname()[1]
            elsewhere = scan(port + 1 if port < 65535 else 1)
        after = scan(port)
        left = len(os.listdir("/proc/self/fd"))

    assert first[inode].local_port == local_port
    assert first[inode].remote == f"127.0.0.1:{port}"
    assert second[inode].bytes_sent - first[inode].bytes_sent == 1000
    assert inode not in elsewhere
    assert inode not in after
    assert left == before


def test_a_scan_does_not_keep_a_connection_from_being_closed(
    stack: ReqwestStack,
) -> None:
    with ScriptedServer(telling) as server:
        with opened(stack) as session:
            for _ in range(20):
                session.send(server.get(), SLOT)
        visit = server.visits[0]

        assert visit.ended.wait(10)


# --- pool ---


def test_the_keep_alive_of_the_bot_is_set_on_its_sockets(stack: ReqwestStack) -> None:
    with ScriptedServer(telling) as server, opened(stack) as session:
        session.send(server.get(), SLOT)
        [inode] = [i for i, s in scan(server.port).items() if s.remote]
        numbers = [n for n in os.listdir("/proc/self/fd") if _is(n, inode)]
        sock = socket.socket(fileno=os.dup(int(numbers[0])))
        with sock:
            idle = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            on = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            delay = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert (on, idle, delay) == (1, 30, 1)


def _is(number: str, inode: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{number}") == f"socket:[{inode}]"
    except OSError:
        return False


def test_an_idle_time_out_of_the_bot_makes_the_next_request_cold(
    stack: ReqwestStack,
) -> None:
    with (
        ScriptedServer(telling) as server,
        opened(stack, idle_timeout_s=0.01) as session,
    ):
        samples = []
        for _ in range(2):
            samples.append(session.send(server.get(), SLOT))
            while session._watch.is_open():
                pass

    assert [isinstance(s, Sample) and s.reused for s in samples] == [False, False]


def test_a_pool_that_keeps_nothing_reuses_nothing(stack: ReqwestStack) -> None:
    with ScriptedServer(telling) as server:
        with opened(stack, max_idle=0) as session:
            outcomes = [session.send(server.get(), SLOT) for _ in range(3)]

        assert server.connections == 3
    assert [outcome.reused for outcome in outcomes] == [False] * 3


def test_the_next_client_of_an_unpooled_session_is_built_beforehand(
    stack: ReqwestStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        ScriptedServer(telling, tls_pair().server) as server,
        opened(stack, strategy=UNPOOLED) as session,
    ):
        before = session._client
        session.send(server.get(), SLOT)
        after = session._client
        monkeypatch.setattr(session, "_build", lambda: pytest.fail("built in time"))
        monkeypatch.setattr(session, "_between", lambda: None)
        outcome = session.send(server.get(), SLOT)

    assert after is not before
    assert isinstance(outcome, Sample)
    assert told(outcome).connection == 2


# --- burn-in ---


def test_the_first_handshake_is_paid_for_before_anything_is_measured(
    stack: ReqwestStack,
) -> None:
    cost = stack.facts.first_handshake_ns

    assert cost is not None
    assert cost >= 0


def test_without_a_loopback_interface_nothing_is_burnt_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no address")

    monkeypatch.setattr(socket, "create_server", refuse)

    assert reqwest_stack._burn_in() is None


def test_the_stack_names_the_versions_of_what_is_compiled_in(
    stack: ReqwestStack,
) -> None:
    assert {"pyreqwest", "reqwest", "hyper", "rustls"} <= set(stack.facts.versions)


def test_a_post_is_sent_as_it_is(stack: ReqwestStack) -> None:
    with ScriptedServer(telling) as server, opened(stack) as session:
        session.send(post(server.url, b'{"a": 1}'), SLOT)
        [visit] = server.visits

    assert visit.seen[0].endswith(b'\r\n\r\n{"a": 1}')
