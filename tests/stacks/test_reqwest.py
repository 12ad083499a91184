"""What is particular to reqwest: its failures, its log, its sockets, its burn-in."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
from collections.abc import Callable

import pytest

from tests.support.reuse import Together, telling, told
from tests.support.servers import (
    SLOT,
    Leaf,
    ScriptedServer,
    Visit,
    failed,
    free_port,
    get,
    keep_alive,
    opened,
    post,
    tls_pair,
)
from vestbench.kernel.sockets import scan
from vestbench.model.request import FailureKind, Sample
from vestbench.model.strategy import UNPOOLED
from vestbench.stacks import reqwest_stack
from vestbench.stacks.reqwest_log import Seen, connection_log
from vestbench.stacks.reqwest_stack import ReqwestStack

SECRET = "vest-api-key-4711"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the stack is refused elsewhere"
)


@pytest.fixture(scope="module")
def stack() -> ReqwestStack:
    return ReqwestStack(tls_pair().ca_pem)


# --- failures ---


def test_a_refused_connection_is_connect(stack: ReqwestStack) -> None:
    with opened(stack) as session:
        failure = failed(session, get(f"http://127.0.0.1:{free_port()}/"))

    assert failure.kind is FailureKind.CONNECT
    assert failure.reused is None
    assert "refused" in failure.detail


def test_a_name_that_is_none_is_dns(stack: ReqwestStack) -> None:
    # No resolver is asked for a label that is too long to be one.
    with opened(stack) as session:
        failure = failed(session, get(f"http://{'a' * 64}.test/"))

    assert failure.kind is FailureKind.DNS
    assert failure.reused is None


@pytest.mark.parametrize("leaf", ["expired", "wrong-name", "unknown-ca"])
def test_a_certificate_that_is_not_trusted_is_tls(
    stack: ReqwestStack, leaf: Leaf
) -> None:
    with ScriptedServer(keep_alive, tls_pair(leaf).server) as server:
        with opened(stack) as session:
            failure = failed(session, server.get())

        assert server.requests == 0
    assert failure.kind is FailureKind.TLS
    assert failure.reused is None
    assert "certificate" in failure.detail


@pytest.mark.parametrize("leave", [Visit.reset, lambda visit: visit.sock.close()])
def test_a_handshake_that_is_cut_off_is_tls(
    stack: ReqwestStack, leave: Callable[[Visit], None]
) -> None:
    def hang_up(visit: Visit) -> None:
        visit.sock.recv(1 << 16)  # the client's hello
        leave(visit)

    with (
        ScriptedServer(keep_alive, tls_pair().server, greet=hang_up) as server,
        opened(stack) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TLS
    assert failure.reused is None


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_server_that_does_not_answer_is_timeout(
    stack: ReqwestStack, encrypted: bool
) -> None:
    tls = tls_pair().server if encrypted else None
    with (
        ScriptedServer(Visit.stall, tls) as server,
        opened(stack, request_timeout_s=0.5) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.elapsed_ns >= 450_000_000


def test_a_body_that_does_not_come_is_timeout(stack: ReqwestStack) -> None:
    def half(visit: Visit) -> None:
        visit.request()
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        visit.stall()

    with (
        ScriptedServer(half) as server,
        opened(stack, request_timeout_s=0.5) as session,
    ):
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.TIMEOUT
    assert failure.reused is False


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"]
)
def test_what_is_no_http_is_protocol(stack: ReqwestStack, data: bytes) -> None:
    def nonsense(visit: Visit) -> None:
        visit.request()
        visit.send(data)
        visit.stall()

    with ScriptedServer(nonsense) as server, opened(stack) as session:
        failure = failed(session, server.get())

    assert failure.kind is FailureKind.PROTOCOL


@pytest.mark.parametrize("url", ["http://[::", "nonsense", "ftp://127.0.0.1/"])
def test_an_unusable_url_is_protocol(stack: ReqwestStack, url: str) -> None:
    with opened(stack) as session:
        failure = failed(session, get(url))

    assert failure.kind is FailureKind.PROTOCOL
    assert failure.reused is None


def test_a_status_that_is_not_wanted_is_kept_with_its_pause(
    stack: ReqwestStack,
) -> None:
    def limited(visit: Visit) -> None:
        while visit.request():
            visit.answer(status="429 Too Many Requests", headers=["Retry-After: 7"])

    with ScriptedServer(limited) as server, opened(stack) as session:
        failures = [failed(session, server.get()) for _ in range(2)]

    assert [failure.kind for failure in failures] == [FailureKind.RATE_LIMITED] * 2
    assert [failure.retry_after_s for failure in failures] == [7.0, 7.0]
    assert [failure.reused for failure in failures] == [False, True]
    assert failures[0].detail == "HTTP 429 Too Many Requests"


def test_a_redirect_is_not_followed(stack: ReqwestStack) -> None:
    def moved(visit: Visit) -> None:
        while visit.request():
            visit.answer(status="301 Moved Permanently", headers=["Location: /other"])

    with ScriptedServer(moved) as server:
        with opened(stack) as session:
            failure = failed(session, server.get())

        assert server.requests == 1
    assert failure.status == 301


def test_no_failure_holds_a_key_or_a_query(stack: ReqwestStack) -> None:
    dead = f"http://127.0.0.1:{free_port()}/?signature={SECRET}"
    headers = (("x-api-key", SECRET + "\n"),)
    with ScriptedServer(Visit.reset) as server, opened(stack) as session:
        failures = [
            failed(session, get(dead)),
            failed(session, server.get(headers=headers)),
            failed(session, get(f"{server.url}?signature={SECRET}")),
        ]

    assert SECRET not in repr(failures)


# --- secrets in the log ---


def test_nothing_of_a_record_is_kept_or_passed_on(
    stack: ReqwestStack, caplog: pytest.LogCaptureFixture
) -> None:
    shown: list[str] = []

    class Root(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(record.getMessage())

    root = Root()
    logging.getLogger().addHandler(root)
    try:
        with ScriptedServer(Together(2)) as server:
            spec = server.post(SECRET.encode(), headers=(("x-api-key", SECRET),))
            with opened(stack, concurrency=2) as session:  # a verbose client
                session.burst([spec] * 2, [SLOT] * 2)
                gc.collect()
                kept = repr(connection_log().__dict__) + repr(session._watch)
            assert all(SECRET.encode() in visit.seen[0] for visit in server.visits)
    finally:
        logging.getLogger().removeHandler(root)

    assert SECRET not in kept
    assert not any("reqwest" in text or SECRET in text for text in shown)


def test_a_client_for_single_requests_does_not_log_what_it_sends(
    stack: ReqwestStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    connection_log().take()
    monkeypatch.setattr(
        type(connection_log()), "emit", lambda _, record: texts.append(record.name)
    )
    with ScriptedServer(telling) as server, opened(stack) as session:
        session.send(server.get(), SLOT)

    assert "reqwest::connect" in texts
    assert "reqwest::connect::verbose" not in texts


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("reqwest::connect", "starting new connection 'x'", Seen(started=1)),
        ("rustls::client::tls13", "Resuming using PSK", Seen(resumed_tls13=1)),
        ("rustls::client::tls13", "Not resuming", Seen(full_tls13=1)),
        ("rustls::client::tls12", "Server cert is X", Seen(full_tls12=1)),
        (
            "reqwest::connect::verbose",
            'ab12 write (vectored): b"GET / x (request 7)"',
            Seen(carriers={7: "ab12"}),
        ),
        ("reqwest::connect::verbose", 'ab12 read: b"(request 7)"', Seen()),
        ("rustls::client::tls13", "something else", Seen()),
    ],
)
def test_what_a_record_says_is_counted(name: str, text: str, expected: Seen) -> None:
    log = connection_log()
    log.take()

    log.emit(logging.LogRecord(name, logging.DEBUG, "", 0, text, (), None))

    assert log.take() == expected
    assert log.take() == Seen()


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
